//! Revocation: the key, the session, what is retained. Never lifted, but by a new enrolment.

use noroshi_protocol::{DeviceId, SiteId};

use crate::cloud::Cloud;
use crate::error::{Error, Result};
use crate::store::{PeerRow, peer_key};

impl Cloud {
    /// Revokes a device for ever.
    pub async fn revoke_device(&self, device: &DeviceId) -> Result<()> {
        let peer = self.store.device(device.as_str()).await?;
        self.revoke(&peer).await?;
        // It is in no rollout any more.
        self.rollouts.notify_one();
        Ok(())
    }

    /// Revokes the gateway of a site; another one may be enrolled in its place.
    pub async fn revoke_gateway(&self, site: &SiteId) -> Result<()> {
        let peer = self
            .store
            .peer(&peer_key(site, &DeviceId::gateway()))
            .await?;
        let peer = peer
            .filter(|peer| peer.revoked_ms.is_none())
            .ok_or_else(|| Error::not_found("gateway of the site", site.as_str()))?;
        self.revoke(&peer).await
    }

    // Its session ends, and gateways are told, by whoever issues documents: the store's word is
    // enough for that, so it happens after a crash as well.
    async fn revoke(&self, peer: &PeerRow) -> Result<()> {
        self.store.revoke_peer(&peer.id, self.now_ms()).await?;
        self.unissued.notify_one();
        tracing::info!(peer = %self.identity_of(peer)?, "revoked");
        Ok(())
    }
}
