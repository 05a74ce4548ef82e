//! Enrolment tokens.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use noroshi_protocol::SiteId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::caller::Admin;
use super::input::{Body, Query, list};
use super::problem::ApiResult;
use crate::enrol::TokenRequest;
use crate::error::{Error, Result};
use crate::store::{EnrolmentTokenRow, PageRequest, PeerKind, unsigned};

const LONGEST_S: u64 = 30 * 24 * 60 * 60;
const MOST_USES: u32 = 10_000;

/// What a token enrols.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EnrolmentKind {
    Device,
    Gateway,
}

/// An enrolment token.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EnrolmentToken {
    id: String,
    site: String,
    kind: String,
    uses: i64,
    used: i64,
    created_ms: u64,
    expires_ms: u64,
    revoked: bool,
    /// The secret; only in the answer that makes it.
    token: Option<String>,
}

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEnrolmentToken {
    #[schema(value_type = String)]
    site: SiteId,
    kind: EnrolmentKind,
    /// How often it can be used; once if left out.
    #[serde(default)]
    uses: Option<u32>,
    /// Seconds until it expires; an hour if left out.
    #[serde(default)]
    ttl_s: Option<u64>,
}

/// Which tokens.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenQuery {
    /// Of one site.
    site: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

list! {
    /// A page of a list.
    EnrolmentTokenList, EnrolmentToken
}

fn view(row: EnrolmentTokenRow, token: Option<String>) -> EnrolmentToken {
    EnrolmentToken {
        id: row.id,
        site: row.site,
        kind: row.kind,
        uses: row.uses,
        used: row.used,
        created_ms: unsigned(row.created_ms),
        expires_ms: unsigned(row.expires_ms),
        revoked: row.revoked,
        token,
    }
}

/// Enrolment tokens.
#[utoipa::path(get, path = "/api/v1/enrolment-tokens", tag = "enrolment", params(TokenQuery),
    responses((status = 200, body = EnrolmentTokenList)))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    _: Admin,
    Query(query): Query<TokenQuery>,
) -> ApiResult<axum::Json<EnrolmentTokenList>> {
    let page = PageRequest::new(query.limit, query.cursor)?;
    let page = api
        .cloud
        .store
        .enrolment_tokens(query.site.as_deref(), &page)
        .await?;
    Ok(axum::Json(page.map(|row| view(row, None)).into()))
}

/// Makes an enrolment token; its secret is shown this once.
#[utoipa::path(post, path = "/api/v1/enrolment-tokens", tag = "enrolment",
    request_body = NewEnrolmentToken, responses((status = 201, body = EnrolmentToken)))]
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    _: Admin,
    Body(new): Body<NewEnrolmentToken>,
) -> ApiResult<(StatusCode, axum::Json<EnrolmentToken>)> {
    let token = api.cloud.create_enrolment_token(&request(new)?).await?;
    let row = api.cloud.store.enrolment_token(&token.id).await?;
    let row = row.ok_or_else(|| Error::Internal("a new token is gone".to_owned()))?;
    Ok((
        StatusCode::CREATED,
        axum::Json(view(row, Some(token.to_string()))),
    ))
}

fn request(new: NewEnrolmentToken) -> Result<TokenRequest> {
    let uses = new.uses.unwrap_or(1);
    let seconds = new.ttl_s.unwrap_or(60 * 60);
    if !(1..=MOST_USES).contains(&uses) {
        return Err(Error::invalid(format!("uses must be 1 to {MOST_USES}")));
    }
    if !(1..=LONGEST_S).contains(&seconds) {
        return Err(Error::invalid(format!("ttl_s must be 1 to {LONGEST_S}")));
    }
    Ok(TokenRequest {
        site: new.site,
        kind: match new.kind {
            EnrolmentKind::Device => PeerKind::Device,
            EnrolmentKind::Gateway => PeerKind::Gateway,
        },
        uses,
        lifetime: Duration::from_secs(seconds),
    })
}

/// Ends an enrolment token before its time.
#[utoipa::path(delete, path = "/api/v1/enrolment-tokens/{id}", tag = "enrolment",
    params(("id" = String, Path)), responses((status = 204)))]
pub(crate) async fn revoke(
    State(api): State<Arc<Api>>,
    _: Admin,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    api.cloud.store.revoke_enrolment_token(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
