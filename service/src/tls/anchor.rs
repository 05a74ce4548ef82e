//! Fetching the anchor document that a token pins.

use noroshi_protocol::{Anchor, Message as _, limits};

use super::{TlsError, TrustAnchors, http, unverified_http_client, with_causes};
use crate::files::{self, Sha256Digest};

/// An anchor document whose digest is the pin.
#[derive(Debug, Clone)]
pub struct PinnedAnchor {
    /// The document.
    pub anchor: Anchor,
    /// Its CA certificates.
    pub anchors: TrustAnchors,
    /// Exactly its bytes, for `anchor.cbor`.
    pub bytes: Vec<u8>,
}

impl PinnedAnchor {
    /// Checks bytes from any channel against the pin.
    pub fn check(bytes: Vec<u8>, pin: &Sha256Digest) -> Result<Self, TlsError> {
        if files::sha256(&bytes) != *pin {
            return Err(TlsError::Pin);
        }
        let anchor = Anchor::from_cbor(&bytes)
            .map_err(|error| TlsError::malformed("the anchor document", error))?;
        let anchors = TrustAnchors::from_anchor(&anchor)?;
        Ok(Self {
            anchor,
            anchors,
            bytes,
        })
    }
}

/// Fetches the anchor document from `base_url` (`https://host:port`) without verifying the
/// server, and believes it only by its digest.
pub async fn fetch_anchor(base_url: &str, pin: &Sha256Digest) -> Result<PinnedAnchor, TlsError> {
    let unreachable = |reason| TlsError::Unreachable {
        action: "fetching the anchor document",
        reason,
    };
    let url = format!("{}/device/v1/anchor", base_url.trim_end_matches('/'));
    let response = unverified_http_client()?
        .get(url)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(|error| unreachable(with_causes(&error)))?;
    let bytes = http::read_bounded(response, limits::ANCHOR)
        .await
        .map_err(unreachable)?;
    PinnedAnchor::check(bytes, pin)
}
