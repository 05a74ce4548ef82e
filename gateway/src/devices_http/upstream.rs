//! What the routes for devices stand on: the gateway's relay and cache, or the cloud's own store.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use noroshi_model::Digest;
use noroshi_protocol::{CertificateSerial, DeviceId, Identity, OrgId};

/// A whole file on our disk whose digest was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub length: u64,
}

/// Behind the routes.
#[async_trait]
pub trait Upstream: Send + Sync + 'static {
    /// The organisation's anchor document, exactly its bytes.
    async fn anchor(&self) -> Result<Bytes, UpstreamError>;

    /// Answers an enrolment request (at most 8 KiB of CBOR) with a signed answer.
    async fn enrol(&self, request: Bytes) -> Result<Bytes, UpstreamError>;

    /// The signed time for a nonce.
    async fn time(&self, nonce: Vec<u8>) -> Result<Bytes, UpstreamError>;

    /// Whether the holder of a valid certificate with this serial is welcome: neither was revoked.
    async fn admits(&self, peer: &Identity, serial: &CertificateSerial) -> bool;

    /// The desired document of `device`, for the device itself or for a gateway that asks; the
    /// site of the gateway is to be checked here.
    async fn desired(&self, peer: &Identity, device: &DeviceId) -> Result<Bytes, UpstreamError>;

    /// A TUF metadata file by its name.
    async fn tuf(&self, org: &OrgId, file: &str) -> Result<Bytes, UpstreamError>;

    /// A blob.
    async fn blob(&self, org: &OrgId, digest: &Digest) -> Result<BlobFile, UpstreamError>;
}

/// Why there is no answer; each is one HTTP status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// 404.
    #[error("there is no such thing here")]
    NotFound,
    /// 403.
    #[error("{0}")]
    Forbidden(String),
    /// 409.
    #[error("{0}")]
    Conflict(String),
    /// 422.
    #[error("{0}")]
    Refused(String),
    /// 503 with the time after which to ask again.
    #[error("not ready yet, ask again in {} s", .0.as_secs())]
    Busy(Duration),
    /// 502.
    #[error("the cloud can't be reached now: {0}")]
    Offline(String),
    /// 500.
    #[error("{0}")]
    Failed(String),
}

impl IntoResponse for UpstreamError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Offline(_) => StatusCode::BAD_GATEWAY,
            Self::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let text = self.to_string();
        if let Self::Busy(after) = self {
            let after = after.as_secs().max(1).to_string();
            return (status, [(header::RETRY_AFTER, after)], text).into_response();
        }
        (status, text).into_response()
    }
}
