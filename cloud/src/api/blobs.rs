//! Uploading files.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::IntoResponse;
use futures_util::StreamExt;
use noroshi_model::Digest;
use noroshi_protocol::limits;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::caller::{Operator, Reader};
use super::input::id;
use super::problem::ApiResult;
use crate::error::Error;

/// A file that is here.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Blob {
    sha256: String,
    length: u64,
}

/// Whether a file is here.
#[utoipa::path(head, path = "/api/v1/blobs/{sha256}", tag = "models",
    params(("sha256" = String, Path)), responses((status = 200), (status = 404)))]
pub(crate) async fn head(
    State(api): State<Arc<Api>>,
    _: Reader,
    Path(sha256): Path<String>,
) -> ApiResult<impl IntoResponse> {
    let digest: Digest = id("file", &sha256)?;
    let length = api.cloud.store.blob_length(&digest).await?;
    let length = length.ok_or_else(|| Error::not_found("file", &sha256))?;
    let length_header = HeaderName::from_static("x-blob-length");
    Ok([
        (header::ETAG, format!("\"{digest}\"")),
        (length_header, length.to_string()),
    ])
}

/// Uploads a file under its digest.
#[utoipa::path(put, path = "/api/v1/blobs/{sha256}", tag = "models",
    params(("sha256" = String, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = Blob), (status = 200, body = Blob)))]
pub(crate) async fn put(
    State(api): State<Arc<Api>>,
    _: Operator,
    Path(sha256): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> ApiResult<(StatusCode, axum::Json<Blob>)> {
    let digest: Digest = sha256.parse().map_err(|error| {
        Error::invalid(format!("the address ends in the file's digest: {error}"))
    })?;
    if let Some(length) = api.cloud.store.blob_length(&digest).await? {
        // An answer before the last byte would cut the sender off.
        discard(body).await;
        return Ok((StatusCode::OK, axum::Json(Blob { sha256, length })));
    }
    // Said before the bytes are read, where it is said at all.
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|n| n.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: u64| length > limits::MODEL) {
        return Err(Error::TooLarge {
            what: "a file",
            limit: limits::MODEL,
        }
        .into());
    }
    let stream = body.into_data_stream();
    let length = api
        .cloud
        .artifacts
        .receive(&digest, limits::MODEL, stream)
        .await?;
    api.cloud
        .store
        .note_blob(&digest, length, api.cloud.now_ms())
        .await?;
    Ok((StatusCode::CREATED, axum::Json(Blob { sha256, length })))
}

/// Reads a body to its end, as far as a file may be long.
async fn discard(body: Body) {
    let mut stream = body.into_data_stream();
    let mut seen = 0;
    while let Some(Ok(chunk)) = stream.next().await {
        seen += chunk.len() as u64;
        if seen > limits::MODEL {
            return;
        }
    }
}
