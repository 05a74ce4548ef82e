//! Issues what changes have left to be issued.
//!
//! Whoever changes what a document should say marks it in the same transaction and wakes this
//! part. What a crash, a clock that is not synchronized or a failing disk prevented is done when
//! it wakes the next time, or at the next start.

use std::time::Duration;

use noroshi_protocol::{DeviceId, Identity};
use tokio_util::sync::CancellationToken;

use crate::cloud::Cloud;
use crate::error::Result;
use crate::store::PeerRow;

/// The longest time between two looks.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl Cloud {
    /// Issues marked documents until `stop`.
    pub async fn keep_issuing(&self, stop: CancellationToken) -> Result<()> {
        let mut failing = false;
        loop {
            match self.issue_unissued().await {
                Ok(()) => failing = false,
                Err(error) => {
                    // One line a change; the timer tries again.
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(%error, "a document can't be issued");
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.unissued.notified() => {}
                () = tokio::time::sleep(LONGEST_WAIT) => {}
            }
        }
    }

    /// Brings every marked document to what the store says. One that fails stays marked and does
    /// not hold up the others; answers the first such error.
    pub async fn issue_unissued(&self) -> Result<()> {
        let mut outcome = Ok(());
        for marked in self.store.unissued().await? {
            let done = match self.settle(&marked.peer).await {
                Ok(()) => self.store.note_issued(&marked).await,
                Err(error) => Err(error),
            };
            if let Err(error) = done
                && outcome.is_ok()
            {
                outcome = Err(error);
            }
        }
        outcome
    }

    async fn settle(&self, key: &str) -> Result<()> {
        let peer = self.store.peer(key).await?;
        if let Some(peer) = peer.as_ref().filter(|peer| peer.revoked_ms.is_some()) {
            return self.cut_off(peer).await;
        }
        self.issue(key).await
    }

    /// Ends the session of a revoked peer, and clears what is retained for it.
    async fn cut_off(&self, peer: &PeerRow) -> Result<()> {
        // A document that was being issued while it was revoked goes as well.
        let _one_at_a_time = self.issuing.lock().await;
        self.store.forget_desired(&peer.id).await?;
        self.outlet()
            .kick(&self.identity_of(peer)?.client_id())
            .await;
        self.clear_topics(peer).await
    }

    pub(crate) fn identity_of(&self, peer: &PeerRow) -> Result<Identity> {
        let (org, device) = (self.org.clone(), peer.device_id()?);
        Ok(if device == DeviceId::gateway() {
            Identity::Gateway {
                org,
                site: peer.site_id()?,
            }
        } else {
            Identity::Device { org, device }
        })
    }
}
