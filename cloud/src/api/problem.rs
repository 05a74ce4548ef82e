//! Errors as RFC 9457 problem details: the one place where an error becomes a status.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::Error;

/// What every failed request answers, as `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`: `code` tells problems apart.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong and what to do about it.
    detail: String,
    /// A stable word for programs.
    code: String,
    /// Digests of files that must be uploaded first (`blob_missing`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
}

/// An error on its way to a caller.
#[derive(Debug)]
pub(crate) struct ApiError(pub Error);

impl<E: Into<Error>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// What handlers answer.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

fn class(error: &Error) -> (StatusCode, &str) {
    match error {
        Error::NotFound { .. } => (StatusCode::NOT_FOUND, "not_found"),
        Error::Invalid { code, .. } => (StatusCode::UNPROCESSABLE_ENTITY, code),
        Error::Conflict { code, .. } => (StatusCode::CONFLICT, code),
        Error::Unauthorized(_) => (StatusCode::UNAUTHORIZED, "unauthorized"),
        Error::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
        Error::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        Error::RateLimited(_) => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
        Error::ModelRefused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "model_refused"),
        Error::BlobsMissing { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "blob_missing"),
        Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        Error::File(error) if error.is_storage_full() => {
            (StatusCode::INSUFFICIENT_STORAGE, "disk_full")
        }
        Error::Setup(_)
        | Error::Store(_)
        | Error::Migration(_)
        | Error::Corrupt { .. }
        | Error::File(_)
        | Error::Repository(_)
        | Error::Artifacts(_)
        | Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = class(&self.0);
        let detail = if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = %self.0, "a request failed");
            // What is inside is none of the caller's business.
            "the cloud failed; its log says why".to_owned()
        } else {
            self.0.to_string()
        };
        let missing = match &self.0 {
            Error::BlobsMissing { missing } => missing.clone(),
            _ => Vec::new(),
        };
        problem(status, code, detail, missing)
    }
}

/// A problem as a response.
pub(crate) fn problem(
    status: StatusCode,
    code: &str,
    detail: String,
    missing: Vec<String>,
) -> Response {
    let problem = Problem {
        kind: "about:blank",
        title: status.canonical_reason().unwrap_or("Problem").to_owned(),
        status: status.as_u16(),
        detail,
        code: code.to_owned(),
        missing,
    };
    let mut response = (status, axum::Json(problem)).into_response();
    let kind = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
