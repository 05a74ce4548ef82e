//! Small requests to the cloud, with bounded answers.

use bytes::{Bytes, BytesMut};
use noroshi_protocol::limits;
use reqwest::{Client, Response};

use crate::devices_http::UpstreamError;

/// The body of a GET, at most `limit` bytes.
pub(crate) async fn get_bounded(
    client: &Client,
    url: &str,
    limit: usize,
) -> Result<Bytes, UpstreamError> {
    bounded(client.get(url).send().await, limit).await
}

/// The body of a POST's answer, at most `limit` bytes.
pub(crate) async fn post_bounded(
    client: &Client,
    url: &str,
    body: Bytes,
    limit: usize,
) -> Result<Bytes, UpstreamError> {
    bounded(client.post(url).body(body).send().await, limit).await
}

async fn bounded(
    response: Result<Response, reqwest::Error>,
    limit: usize,
) -> Result<Bytes, UpstreamError> {
    let response = response.map_err(offline)?;
    let status = response.status().as_u16();
    let limit = if status == 200 { limit } else { limits::SMALL };
    let body = read(response, limit).await?;
    let text = || {
        String::from_utf8_lossy(&body)
            .chars()
            .take(500)
            .collect::<String>()
    };
    match status {
        200 => Ok(body),
        404 => Err(UpstreamError::NotFound),
        401 | 403 => Err(UpstreamError::Forbidden(text())),
        409 => Err(UpstreamError::Conflict(text())),
        400 | 410 | 413 | 422 => Err(UpstreamError::Refused(text())),
        429 | 503 => Err(UpstreamError::Busy(std::time::Duration::from_secs(5))),
        status => Err(UpstreamError::Offline(format!(
            "HTTP status {status}: {}",
            text()
        ))),
    }
}

async fn read(mut response: Response, limit: usize) -> Result<Bytes, UpstreamError> {
    let mut body = BytesMut::new();
    while let Some(piece) = response.chunk().await.map_err(offline)? {
        if body.len() + piece.len() > limit {
            return Err(UpstreamError::Failed(format!(
                "the answer exceeds {limit} bytes"
            )));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

fn offline(error: reqwest::Error) -> UpstreamError {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    UpstreamError::Offline(text)
}
