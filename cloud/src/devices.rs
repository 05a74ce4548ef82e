//! The device-facing routes at the cloud: for gateways, and for devices of the site `direct`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use noroshi_gateway::devices_http::{BlobFile, Upstream, UpstreamError};
use noroshi_model::Digest;
use noroshi_protocol::{
    CertificateSerial, DeviceId, Domain, Envelope, Identity, Message, OrgId, TimeAnswer,
};

use crate::cloud::Cloud;
use crate::error::{Error, Result};
use crate::store::peer_key;

/// When to try again after a passing failure.
const LATER: Duration = Duration::from_secs(10);

/// The cloud as an upstream of `/device/v1`.
pub struct CloudUpstream(pub Arc<Cloud>);

fn told(error: Error) -> UpstreamError {
    match error {
        Error::NotFound { .. } => UpstreamError::NotFound,
        Error::Conflict { detail, .. } => UpstreamError::Conflict(detail),
        Error::Invalid { detail, .. } => UpstreamError::Refused(detail),
        Error::Forbidden(text) => UpstreamError::Forbidden(text),
        Error::Unavailable(text) => {
            tracing::warn!(error = text, "a device is asked to come again");
            UpstreamError::Busy(LATER)
        }
        error => {
            tracing::error!(%error, "a device's request failed");
            UpstreamError::Failed("the cloud failed; its log says why".to_owned())
        }
    }
}

impl CloudUpstream {
    fn ours(&self, org: &OrgId) -> std::result::Result<(), UpstreamError> {
        if *org == self.0.org {
            Ok(())
        } else {
            Err(UpstreamError::NotFound)
        }
    }

    /// Whose document a peer may read: its own, and a gateway those of its site's devices.
    async fn readable(&self, peer: &Identity, device: &DeviceId) -> Result<String> {
        let site = match peer {
            Identity::Device { device: own, .. } if own == device => {
                return Ok(device.as_str().to_owned());
            }
            Identity::Gateway { site, .. } => site,
            _ => {
                return Err(Error::Forbidden(
                    "only its own document, by each device".to_owned(),
                ));
            }
        };
        let key = peer_key(site, device);
        if *device == DeviceId::gateway() {
            return Ok(key);
        }
        match self.0.store.peer(&key).await? {
            Some(row) if row.site == site.as_str() && row.revoked_ms.is_none() => Ok(key),
            _ => Err(Error::not_found("device of this site", device.as_str())),
        }
    }
}

#[async_trait]
impl Upstream for CloudUpstream {
    async fn anchor(&self) -> std::result::Result<Bytes, UpstreamError> {
        Ok(self.0.anchor.clone())
    }

    async fn enrol(&self, request: Bytes) -> std::result::Result<Bytes, UpstreamError> {
        self.0.enrol(&request).await.map(Bytes::from).map_err(told)
    }

    async fn time(&self, nonce: Vec<u8>) -> std::result::Result<Bytes, UpstreamError> {
        let unix_ms = self.0.signing_time().map_err(told)?;
        let answer = TimeAnswer { nonce, unix_ms };
        let envelope = Envelope::seal(Domain::Time, &answer, self.0.identity.signing_key());
        Ok(envelope.to_cbor().into())
    }

    async fn admits(&self, peer: &Identity, serial: &CertificateSerial) -> bool {
        self.0.lets_in(peer, serial).await
    }

    async fn desired(
        &self,
        peer: &Identity,
        device: &DeviceId,
    ) -> std::result::Result<Bytes, UpstreamError> {
        let key = self.readable(peer, device).await.map_err(told)?;
        self.0.document(&key).await.map_err(told)
    }

    async fn tuf(&self, org: &OrgId, file: &str) -> std::result::Result<Bytes, UpstreamError> {
        self.ours(org)?;
        let bytes = self.0.releases.file(file).map_err(told)?;
        bytes.map(Bytes::from).ok_or(UpstreamError::NotFound)
    }

    async fn blob(
        &self,
        org: &OrgId,
        digest: &Digest,
    ) -> std::result::Result<BlobFile, UpstreamError> {
        self.ours(org)?;
        let path = self.0.artifacts.path(digest).map_err(told)?;
        match tokio::fs::metadata(&path).await {
            Ok(file) if file.is_file() => Ok(BlobFile {
                path,
                length: file.len(),
            }),
            _ => Err(UpstreamError::NotFound),
        }
    }
}
