//! What the gateway believes: TUF metadata, verified and mirrored for the site, and the online
//! keys inside it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use noroshi_model::Digest;
use noroshi_protocol::{
    DashboardToken, Domain, Envelope, Grant, Message as _, OnlineKeys, PublicKey, SiteDesired, Use,
    limits,
};
use noroshi_service::clock::SessionClock;
use noroshi_service::files;
use noroshi_service::tuf::{self, TufClient, TufError, VerifiedTargets};
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::GatewayError;
use crate::blobs::Origin;
use crate::http::get_bounded;

/// Metadata younger than this is served without asking the cloud.
const FRESH: Duration = Duration::from_secs(1);
/// How long a device's request waits for the cloud.
const PATIENCE: Duration = Duration::from_secs(8);
/// Refreshed at least this often.
const PERIOD: Duration = Duration::from_mins(1);

/// A refresh: when it ended, and what was known when it began.
#[derive(Debug, Clone, Copy)]
struct Refreshed {
    at: Instant,
    news: u64,
}

/// The trust of a site. Shared.
pub struct Trust {
    client: TufClient,
    origin: Origin,
    clock: Arc<SessionClock>,
    folder: PathBuf,
    keys: RwLock<Option<OnlineKeys>>,
    changed: watch::Sender<u64>,
    refreshed: Mutex<Option<Refreshed>>,
    /// Counts documents that may name what the mirror does not have yet.
    news: AtomicU64,
    wanted: Notify,
}

impl Trust {
    /// A client that trusts `root` and keeps what it verified in `folder`.
    pub fn open(
        folder: PathBuf,
        root: Vec<u8>,
        origin: Origin,
        clock: Arc<SessionClock>,
    ) -> Result<Arc<Self>, GatewayError> {
        files::create_private_folder(&folder)?;
        let client = TufClient::new(folder.join("tuf"), root);
        Ok(Arc::new(Self {
            client,
            origin,
            clock,
            folder,
            keys: RwLock::default(),
            changed: watch::channel(0).0,
            refreshed: Mutex::default(),
            news: AtomicU64::new(0),
            wanted: Notify::new(),
        }))
    }

    /// Changes whenever other online keys are known.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// A document came that may name something newer than the mirror: whatever was refreshed
    /// before does not count as fresh.
    pub fn outdated(&self) {
        self.news.fetch_add(1, Ordering::SeqCst);
        self.wanted.notify_one();
    }

    /// Refreshes now, unless that was done after the last [`outdated`](Self::outdated). Without
    /// the cloud it gives up after some seconds.
    pub async fn catch_up(&self) {
        match tokio::time::timeout(PATIENCE, self.refresh_if_old()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the mirror stays as it is"),
            Err(_) => tracing::debug!("the cloud is slow; the mirror stays as it is"),
        }
    }

    fn keys_for(&self, wanted: Use) -> Vec<PublicKey> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.as_ref()
            .map(|keys| keys.keys_for(wanted))
            .unwrap_or_default()
    }

    /// The plans in a signed document, if an online key signed it.
    pub fn site_desired(&self, document: &[u8]) -> Result<SiteDesired, GatewayError> {
        let refused = |error: String| GatewayError::Invalid(format!("the site's plan: {error}"));
        let envelope = Envelope::from_cbor(document).map_err(|error| refused(error.to_string()))?;
        envelope
            .open(Domain::SitePlan, &self.keys_for(Use::Desired))
            .map_err(|error| refused(error.to_string()))
    }

    /// The grant of a dashboard token, if an online key signed it.
    pub fn grant(&self, token: &str) -> Option<Grant> {
        token
            .parse::<DashboardToken>()
            .ok()?
            .open(&self.keys_for(Use::Dashboard))
            .ok()
    }

    /// A metadata file for a device. The newest is asked for when the timestamp is.
    pub async fn file(&self, name: &str) -> Result<Option<Vec<u8>>, TufError> {
        if name == "timestamp.json" {
            // Without the cloud the mirror is as good as it gets.
            self.catch_up().await;
        }
        self.client.file(name)
    }

    async fn refresh_if_old(&self) -> Result<(), GatewayError> {
        // Whoever waits here finds it done by the one before.
        let mut refreshed = self.refreshed.lock().await;
        let news = self.news.load(Ordering::SeqCst);
        if refreshed.is_some_and(|last| last.news == news && last.at.elapsed() < FRESH) {
            return Ok(());
        }
        let origin = &self.origin;
        let fetch = tuf::over_https(origin.client.clone(), &origin.base_url);
        let verified = self.client.refresh(&self.clock, fetch).await;
        let verified = verified.map_err(|error| GatewayError::Cloud(error.to_string()))?;
        *refreshed = Some(Refreshed {
            at: Instant::now(),
            news,
        });
        self.take(&verified).await
    }

    async fn take(&self, verified: &VerifiedTargets) -> Result<(), GatewayError> {
        if let Some(issued_ms) = verified.issued_ms()
            && self.clock.raise_floor(issued_ms)
        {
            files::write_atomic(&self.floor_file(), format!("{issued_ms}\n").as_bytes())?;
        }
        let Some(target) = verified.find(OnlineKeys::TARGET) else {
            return Ok(());
        };
        let digest = Digest::from_bytes(target.sha256);
        let path = self.folder.join("online.json");
        let bytes = match files::read_bounded(&path, limits::MANIFEST as u64) {
            Ok(bytes) if Digest::of(&bytes) == digest => bytes,
            _ => self.fetch_keys(&digest, &path).await?,
        };
        let keys: OnlineKeys = serde_json::from_slice(&bytes)
            .map_err(|error| GatewayError::Cloud(format!("the online keys: {error}")))?;
        let mut known = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref() != Some(&keys) {
            info!(keys = keys.keys.len(), "online keys");
            *known = Some(keys);
            drop(known);
            self.changed.send_modify(|count| *count += 1);
        }
        Ok(())
    }

    async fn fetch_keys(
        &self,
        digest: &Digest,
        path: &std::path::Path,
    ) -> Result<Vec<u8>, GatewayError> {
        let url = format!("{}/device/v1/blobs/{digest}", self.origin.base_url);
        let bytes = get_bounded(&self.origin.client, &url, limits::MANIFEST)
            .await
            .map_err(|error| GatewayError::Cloud(error.to_string()))?;
        if Digest::of(&bytes) != *digest {
            return Err(GatewayError::Cloud(
                "the online keys are not those that TUF names".into(),
            ));
        }
        files::write_atomic(path, &bytes)?;
        Ok(bytes.to_vec())
    }

    fn floor_file(&self) -> PathBuf {
        self.folder.join(FLOOR)
    }

    /// Keeps the trust fresh until `stop` is cancelled. Begins with what the mirror holds.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) -> Result<(), GatewayError> {
        // Not beside a refresh: both use the same folder.
        let loading = self.refreshed.lock().await;
        match self.client.load(&self.clock).await {
            Ok(verified) => self.take(&verified).await.unwrap_or_else(|error| {
                warn!(%error, "the mirror has no online keys");
            }),
            Err(error) => tracing::debug!(%error, "no mirror yet"),
        }
        drop(loading);
        let mut failing = false;
        loop {
            match self.refresh_if_old().await {
                Ok(()) => failing = false,
                // One line a change.
                Err(error) if !failing => {
                    warn!(%error, "release metadata is not fresh");
                    failing = true;
                }
                Err(_) => {}
            }
            let pause = if failing { PERIOD / 12 } else { PERIOD };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.wanted.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

const FLOOR: &str = "clock-floor";

/// The floor that an earlier run has written into a trust folder.
pub fn floor_ms(folder: &std::path::Path) -> u64 {
    files::read_bounded(&folder.join(FLOOR), 32)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok()?.trim().parse().ok())
        .unwrap_or(0)
}
