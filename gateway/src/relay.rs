//! The gateway behind the routes for devices: from its own store and cache where it can, relayed
//! to the cloud with its own certificate where it must.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use noroshi_model::Digest;
use noroshi_protocol::{
    CertificateSerial, DeviceId, Domain, Envelope, Identity as Peer, Message as _, OrgId,
    TimeAnswer, limits,
};
use noroshi_service::clock::SessionClock;
use noroshi_service::tls::Identity;

use crate::blobs::{BlobCache, Origin};
use crate::devices_http::{BlobFile, Upstream, UpstreamError};
use crate::http::{get_bounded, post_bounded};
use crate::revocations::Revocations;
use crate::site_store::SiteStore;
use crate::trust::Trust;

/// The store answers if the cloud does not by then.
const PATIENCE: Duration = Duration::from_secs(5);
const NO_CLOCK: Duration = Duration::from_secs(30);

/// The gateway's [`Upstream`].
pub struct Relay {
    /// Who the gateway is.
    pub identity: Arc<Identity>,
    /// The anchor document's own bytes.
    pub anchor: Bytes,
    /// The clock that devices are told.
    pub clock: Arc<SessionClock>,
    /// The cloud.
    pub origin: Origin,
    /// The site's documents.
    pub store: SiteStore,
    /// Whom the site lets in no more.
    pub revocations: Revocations,
    /// Release metadata.
    pub trust: Arc<Trust>,
    /// Blobs.
    pub blobs: Arc<BlobCache>,
}

impl Relay {
    fn url(&self, path: &str) -> String {
        format!("{}/device/v1/{path}", self.origin.base_url)
    }
}

#[async_trait]
impl Upstream for Relay {
    async fn anchor(&self) -> Result<Bytes, UpstreamError> {
        Ok(self.anchor.clone())
    }

    async fn enrol(&self, request: Bytes) -> Result<Bytes, UpstreamError> {
        post_bounded(
            &self.origin.client,
            &self.url("enrol"),
            request,
            limits::ANCHOR,
        )
        .await
    }

    async fn time(&self, nonce: Vec<u8>) -> Result<Bytes, UpstreamError> {
        if !self.clock.is_synchronized() {
            // A wrong time is worse than none.
            return Err(UpstreamError::Busy(NO_CLOCK));
        }
        let answer = TimeAnswer {
            nonce,
            unix_ms: self.clock.trusted_ms(),
        };
        let envelope = Envelope::seal(Domain::Time, &answer, self.identity.signing_key());
        Ok(envelope.to_cbor().into())
    }

    async fn admits(&self, peer: &Peer, serial: &CertificateSerial) -> bool {
        peer.org() == self.identity.peer().org()
            && matches!(peer, Peer::Device { .. })
            && !self.revocations.forbids(serial)
    }

    async fn desired(&self, _peer: &Peer, device: &DeviceId) -> Result<Bytes, UpstreamError> {
        let url = self.url(&format!("site/desired?device={device}"));
        let asked = get_bounded(&self.origin.client, &url, limits::STATE);
        let answer = tokio::time::timeout(PATIENCE, asked).await;
        match answer {
            Ok(Ok(document)) => {
                if self.store.get(device).as_ref() != Some(&document) {
                    self.trust.outdated();
                    self.trust.catch_up().await;
                }
                Ok(document)
            }
            Ok(Err(error @ (UpstreamError::NotFound | UpstreamError::Forbidden(_)))) => Err(error),
            // The cloud is away or slow: what it said last counts.
            _ => self.store.get(device).ok_or_else(|| {
                UpstreamError::Offline("and it has not said what this device should run".into())
            }),
        }
    }

    async fn tuf(&self, _org: &OrgId, file: &str) -> Result<Bytes, UpstreamError> {
        match self.trust.file(file).await {
            Ok(Some(bytes)) => Ok(bytes.into()),
            Ok(None) => Err(UpstreamError::NotFound),
            Err(error) => Err(UpstreamError::Failed(error.to_string())),
        }
    }

    async fn blob(&self, _org: &OrgId, digest: &Digest) -> Result<BlobFile, UpstreamError> {
        self.blobs.get(digest, &self.origin).await
    }
}
