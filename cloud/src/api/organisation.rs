//! The organisation, its sites, and dashboards' tokens.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use noroshi_protocol::{DashboardToken, DeviceId, Grant, SiteId};
use noroshi_service::files;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::caller::{Admin, Reader};
use super::input::{Body, PageQuery, Query, id, list, name};
use super::problem::ApiResult;
use crate::error::{Error, Result};
use crate::random;
use crate::store::{SiteRow, unsigned};

/// The longest life of a dashboard token, in seconds.
const LONGEST_DASHBOARD_S: u64 = 24 * 60 * 60;

/// That the cloud answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `ok`.
    status: &'static str,
    /// The cloud's version.
    version: &'static str,
}

/// The organisation and how it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Organisation {
    org: String,
    name: String,
    /// The id of the store of results.
    store: String,
    /// Whether it has a development root, which production refuses.
    development: bool,
    production: bool,
    root_expires_ms: u64,
    version: &'static str,
    /// Where gateways and direct devices reach the broker.
    mqtts_port: Option<u16>,
    /// Where gateways and direct devices reach HTTPS.
    device_https_port: Option<u16>,
    counts: Counts,
}

/// How much there is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Counts {
    sites: i64,
    devices: i64,
    online: i64,
    models: i64,
    rollouts_running: i64,
    results: i64,
}

/// A site.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Site {
    id: String,
    name: String,
    created_ms: u64,
    /// Devices that are not revoked.
    devices: i64,
    /// Null while none is enrolled, and always for `direct`.
    gateway: Option<GatewayView>,
}

/// A site's gateway.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Gateway)]
pub(crate) struct GatewayView {
    /// `online`, `stopped`, `lost` or `never`.
    status: String,
    since_ms: u64,
    version: String,
    enrolled_ms: u64,
}

/// A site to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSite {
    name: String,
    /// One is made if it is left out.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    id: Option<SiteId>,
}

/// What a dashboard may read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDashboardToken {
    /// Every device of these; with no devices either: every site.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    sites: Vec<SiteId>,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    devices: Vec<DeviceId>,
    /// Seconds, at most a day; an hour if left out.
    #[serde(default)]
    ttl_s: Option<u64>,
}

/// A short-lived token to read live results with, over MQTT.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DashboardToken)]
pub(crate) struct DashboardTokenView {
    /// The MQTT password.
    token: String,
    expires_ms: u64,
    org: String,
    /// The MQTT user name.
    username: &'static str,
    /// The WebSocket's path on this origin.
    path: &'static str,
}

/// Whether the cloud answers.
#[utoipa::path(get, path = "/api/v1/health", tag = "organisation",
    responses((status = 200, body = Health)))]
pub(crate) async fn health() -> axum::Json<Health> {
    axum::Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// The organisation.
#[utoipa::path(get, path = "/api/v1/organisation", tag = "organisation",
    responses((status = 200, body = Organisation)))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    _: Reader,
) -> ApiResult<axum::Json<Organisation>> {
    let cloud = &api.cloud;
    let (devices, online) = cloud.store.count_devices().await?;
    let counts = Counts {
        sites: cloud.store.count_sites().await?,
        devices,
        online,
        models: cloud.store.count_models().await?,
        rollouts_running: cloud.store.count_open_rollouts().await?,
        results: cloud.store.delivery_totals().await?.results,
    };
    let ports = files::read_ports(&cloud.config.state_dir)
        .ok()
        .flatten()
        .unwrap_or_default();
    Ok(axum::Json(Organisation {
        org: cloud.org.as_str().to_owned(),
        name: cloud.store.organisation_name().await?,
        store: cloud.store_id.as_str().to_owned(),
        development: cloud.development,
        production: cloud.config.production,
        root_expires_ms: cloud.root_expires_ms,
        version: env!("CARGO_PKG_VERSION"),
        mqtts_port: ports.mqtts,
        device_https_port: ports.device_https,
        counts,
    }))
}

list! {
    /// A page of a list.
    SiteList, Site
}

fn view(row: SiteRow) -> Site {
    Site {
        id: row.id,
        name: row.name,
        created_ms: unsigned(row.created_ms),
        devices: row.devices,
        gateway: row.gateway_status.map(|status| GatewayView {
            status,
            since_ms: row.gateway_since_ms.map_or(0, unsigned),
            version: row.gateway_version.unwrap_or_default(),
            enrolled_ms: row.gateway_enrolled_ms.map_or(0, unsigned),
        }),
    }
}

/// Sites.
#[utoipa::path(get, path = "/api/v1/sites", tag = "sites", params(PageQuery),
    responses((status = 200, body = SiteList)))]
pub(crate) async fn sites(
    State(api): State<Arc<Api>>,
    _: Reader,
    Query(page): Query<PageQuery>,
) -> ApiResult<axum::Json<SiteList>> {
    let page = api.cloud.store.sites(&page.request()?).await?;
    Ok(axum::Json(page.map(view).into()))
}

/// Makes a site.
#[utoipa::path(post, path = "/api/v1/sites", tag = "sites", request_body = NewSite,
    responses((status = 201, body = Site)))]
pub(crate) async fn create_site(
    State(api): State<Arc<Api>>,
    _: Admin,
    Body(new): Body<NewSite>,
) -> ApiResult<(StatusCode, axum::Json<Site>)> {
    let id = new.id.unwrap_or_else(random::id);
    api.cloud
        .store
        .create_site(&id, &name(&new.name)?, api.cloud.now_ms())
        .await?;
    let site = view(api.cloud.store.site(&id).await?);
    Ok((StatusCode::CREATED, axum::Json(site)))
}

/// One site.
#[utoipa::path(get, path = "/api/v1/sites/{site}", tag = "sites",
    params(("site" = String, Path)), responses((status = 200, body = Site)))]
pub(crate) async fn site(
    State(api): State<Arc<Api>>,
    _: Reader,
    Path(site): Path<String>,
) -> ApiResult<axum::Json<Site>> {
    Ok(axum::Json(view(
        api.cloud.store.site(&id("site", &site)?).await?,
    )))
}

/// Revokes a site's gateway; another one may be enrolled in its place.
#[utoipa::path(delete, path = "/api/v1/sites/{site}/gateway", tag = "sites",
    params(("site" = String, Path)), responses((status = 204)))]
pub(crate) async fn revoke_gateway(
    State(api): State<Arc<Api>>,
    _: Admin,
    Path(site): Path<String>,
) -> ApiResult<StatusCode> {
    api.cloud.revoke_gateway(&id("site", &site)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a token for live results.
#[utoipa::path(post, path = "/api/v1/dashboard-tokens", tag = "organisation",
    request_body = NewDashboardToken, responses((status = 201, body = DashboardTokenView)))]
pub(crate) async fn create_dashboard_token(
    State(api): State<Arc<Api>>,
    _: Reader,
    Body(new): Body<NewDashboardToken>,
) -> ApiResult<(StatusCode, axum::Json<DashboardTokenView>)> {
    let view = dashboard_token(&api, new)?;
    Ok((StatusCode::CREATED, axum::Json(view)))
}

fn dashboard_token(api: &Api, new: NewDashboardToken) -> Result<DashboardTokenView> {
    let seconds = new.ttl_s.unwrap_or(60 * 60);
    if !(1..=LONGEST_DASHBOARD_S).contains(&seconds) {
        return Err(Error::invalid(format!(
            "ttl_s must be 1 to {LONGEST_DASHBOARD_S}"
        )));
    }
    // A token must stay within what an MQTT password and its own format hold.
    if new.sites.len() + new.devices.len() > 32 {
        return Err(Error::invalid("name at most 32 sites and devices"));
    }
    let grant = Grant {
        org: api.cloud.org.clone(),
        sites: new.sites,
        devices: new.devices,
        expires_ms: api.cloud.signing_time()? + seconds * 1000,
    };
    let token = DashboardToken::sign(&grant, &api.cloud.online_key);
    Ok(DashboardTokenView {
        token: token.to_string(),
        expires_ms: grant.expires_ms,
        org: grant.org.as_str().to_owned(),
        username: "token",
        path: "/mqtt",
    })
}
