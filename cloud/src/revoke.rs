//! Revocation: the key, the session, what is retained. Never lifted, but by a new enrolment.

use noroshi_protocol::{DeviceId, Identity, SiteId};

use crate::cloud::Cloud;
use crate::error::{Error, Result};
use crate::store::{PeerRow, peer_key};

impl Cloud {
    /// Revokes a device for ever.
    pub async fn revoke_device(&self, device: &DeviceId) -> Result<()> {
        let peer = self.store.device(device.as_str()).await?;
        let identity = Identity::Device {
            org: self.org.clone(),
            device: device.clone(),
        };
        self.revoke(&peer, &identity).await?;
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
        let identity = Identity::Gateway {
            org: self.org.clone(),
            site: site.clone(),
        };
        self.revoke(&peer, &identity).await
    }

    async fn revoke(&self, peer: &PeerRow, identity: &Identity) -> Result<()> {
        self.store.revoke_peer(&peer.id, self.now_ms()).await?;
        self.outlet().kick(&identity.client_id()).await;
        self.clear_topics(peer).await?;
        tracing::info!(peer = %identity, "revoked");
        Ok(())
    }
}
