//! Devices.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use noroshi_protocol::DeviceId;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::caller::{Admin, Operator, Reader};
use super::input::{Body, Query, id, list, name};
use super::problem::ApiResult;
use super::view::{self, Device, DeviceDetail};
use crate::store::{PageRequest, PeerFilter, PeerOrder};

/// Which devices.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceQuery {
    /// Of one site.
    site: Option<String>,
    /// `online`, `stopped`, `lost`, `unknown` or `never`.
    status: Option<String>,
    /// Text in the name, the id or the chip.
    q: Option<String>,
    /// That should run a pipeline.
    pipeline: Option<String>,
    /// That should run a model.
    model: Option<String>,
    /// `name`, `-name`, `last_seen` or `-last_seen`.
    sort: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// A device's new name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceChange {
    name: String,
}

list! {
    /// A page of a list.
    DeviceList, Device
}

/// Devices that are not revoked.
#[utoipa::path(get, path = "/api/v1/devices", tag = "devices", params(DeviceQuery),
    responses((status = 200, body = DeviceList)))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    _: Reader,
    Query(query): Query<DeviceQuery>,
) -> ApiResult<axum::Json<DeviceList>> {
    let page = PageRequest::new(query.limit, query.cursor)?;
    let order = query
        .sort
        .as_deref()
        .map_or(Ok(PeerOrder::default()), PeerOrder::from_word)?;
    let filter = PeerFilter {
        site: query.site,
        status: query.status,
        text: query.q.filter(|text| !text.is_empty()),
        pipeline: query.pipeline,
        model: query.model,
    };
    let page = api.cloud.store.devices(&filter, order, &page).await?;
    Ok(axum::Json(page.try_map(|row| view::device(&row))?.into()))
}

/// One device.
#[utoipa::path(get, path = "/api/v1/devices/{device}", tag = "devices",
    params(("device" = String, Path)), responses((status = 200, body = DeviceDetail)))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    _: Reader,
    Path(device): Path<String>,
) -> ApiResult<axum::Json<DeviceDetail>> {
    let device: DeviceId = id("device", &device)?;
    let row = api.cloud.store.device(device.as_str()).await?;
    let desired = api.cloud.store.desired(device.as_str()).await?;
    let why = api.cloud.why(&device).await?;
    Ok(axum::Json(view::detail(&row, desired.as_ref(), why)?))
}

/// Gives a device another name.
#[utoipa::path(patch, path = "/api/v1/devices/{device}", tag = "devices",
    params(("device" = String, Path)), request_body = DeviceChange,
    responses((status = 200, body = Device)))]
pub(crate) async fn rename(
    State(api): State<Arc<Api>>,
    _: Operator,
    Path(device): Path<String>,
    Body(change): Body<DeviceChange>,
) -> ApiResult<axum::Json<Device>> {
    api.cloud.store.device(&device).await?;
    api.cloud
        .store
        .rename_device(&device, &name(&change.name)?)
        .await?;
    Ok(axum::Json(view::device(
        &api.cloud.store.device(&device).await?,
    )?))
}

/// Revokes a device for ever.
#[utoipa::path(delete, path = "/api/v1/devices/{device}", tag = "devices",
    params(("device" = String, Path)), responses((status = 204)))]
pub(crate) async fn revoke(
    State(api): State<Arc<Api>>,
    _: Admin,
    Path(device): Path<String>,
) -> ApiResult<StatusCode> {
    api.cloud.revoke_device(&id("device", &device)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
