//! The TUF client of agents and gateways: which targets were really released.
//!
//! `tough` verifies; this module brings it the files, keeps what was verified, and judges expiry
//! once more at our own clock.
//!
//! - **Rollback.** Verified metadata is kept in a mirror, written atomically, `timestamp.json`
//!   last. Each load gives it to `tough` as its datastore, so an older version is refused; and
//!   starts from the newest verified root instead of the pinned one, since `tough` forgets the
//!   older timestamp whenever the keys differ from the root it was given.
//! - **Clock.** `tough` 0.24 reads the system's clock for expiry and offers no way to give it
//!   another. So metadata that is expired by the *system's* clock is refused even if the session
//!   clock knows better (set the system's clock; what runs is not touched), and metadata that is
//!   expired by the *session* clock is refused here. Its own memory of the latest time is not
//!   kept: one start in 2040 would lock the device out until then. Our floor does that job.
//! - **Expiry enforcement** is `Safe` and cannot be configured.

mod mirror;
mod transport;
mod verified;

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;

use noroshi_protocol::limits;
use reqwest::{Client, StatusCode, Url};
use tough::{ExpirationEnforcement, Limits, RepositoryLoader};

use crate::clock::SessionClock;
use crate::files::FileError;
use crate::tls::with_causes;
use mirror::Mirror;
use transport::{Fetched, Source};

pub use verified::{TargetFile, VerifiedTargets};

/// Why metadata was not believed, or not had.
#[derive(Debug, thiserror::Error)]
pub enum TufError {
    /// A source cannot be reached; try again later.
    #[error("release metadata cannot be fetched: {0}")]
    Unreachable(String),
    /// A signature is missing, wrong, or below the threshold.
    #[error("release metadata is not signed as it must be: {0}")]
    Signature(String),
    /// Older than what was seen before.
    #[error("release metadata is older than what was seen before: {0}")]
    Rollback(String),
    /// Out of date: the source is frozen, or a clock is wrong. Nothing new is taken until there
    /// is newer metadata; what runs goes on.
    #[error(
        "release metadata `{role}` has expired; the source must be refreshed, or the clock is wrong"
    )]
    Expired {
        /// Which file.
        role: String,
    },
    /// Not TUF metadata, or inconsistent.
    #[error("release metadata is malformed: {0}")]
    Malformed(String),
    /// The mirror cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A TUF client with its mirror.
#[derive(Debug, Clone)]
pub struct TufClient {
    pinned_root: Vec<u8>,
    mirror: Mirror,
}

impl TufClient {
    /// A client that trusts `pinned_root` (from the anchor) and keeps verified metadata in
    /// `folder`.
    pub fn new(folder: impl Into<PathBuf>, pinned_root: Vec<u8>) -> Self {
        Self {
            pinned_root,
            mirror: Mirror::new(folder.into()),
        }
    }

    /// Fetches what is newer, verifies everything, and keeps it.
    ///
    /// `fetch` answers the bytes of a metadata file by name (`2.root.json`, `timestamp.json`,
    /// `7.snapshot.json`, …), `None` if there is no such file. Files whose names fix their
    /// version come from the mirror if they are there.
    pub async fn refresh<F, Fut>(
        &self,
        clock: &SessionClock,
        fetch: F,
    ) -> Result<VerifiedTargets, TufError>
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<Vec<u8>>, String>> + Send + 'static,
    {
        let source = Source::remote(fetch);
        let first = self
            .verify(clock, source.clone().preferring(self.mirror.clone()))
            .await;
        let (verified, fetched) = match first {
            Err(TufError::Malformed(_)) => self.verify(clock, source).await?,
            other => other?,
        };
        self.mirror.keep(&self.pinned_root, &fetched)?;
        Ok(verified)
    }

    /// Verifies what the mirror holds, without any network.
    pub async fn load(&self, clock: &SessionClock) -> Result<VerifiedTargets, TufError> {
        self.verify(clock, Source::mirror(self.mirror.clone()))
            .await
            .map(|(verified, _)| verified)
    }

    /// A metadata file of the mirror, for a gateway to serve; `None` if there is none of that
    /// name.
    pub fn file(&self, name: &str) -> Result<Option<Vec<u8>>, TufError> {
        Ok(self.mirror.read(name)?)
    }

    async fn verify(
        &self,
        clock: &SessionClock,
        source: Source,
    ) -> Result<(VerifiedTargets, HashMap<String, Vec<u8>>), TufError> {
        let fetched = Fetched::new(source);
        let datastore = self.mirror.datastore(&self.pinned_root)?;
        let root = self.mirror.newest_root(&self.pinned_root)?;
        let base = Url::parse("tuf://repository/").expect("a constant URL");
        let loaded = RepositoryLoader::new(&root, base.clone(), base)
            .transport(fetched.clone())
            .limits(LIMITS)
            .datastore(datastore)
            .expiration_enforcement(ExpirationEnforcement::Safe)
            .load()
            .await;
        let repository = loaded.map_err(|error| understand(&error, fetched.failure()))?;
        let verified = VerifiedTargets::new(repository);
        verified.check_expiry(clock.trusted_ms())?;
        Ok((verified, fetched.take()))
    }
}

const LIMITS: Limits = Limits {
    max_root_size: limits::METADATA as u64,
    max_targets_size: limits::METADATA as u64,
    max_timestamp_size: limits::METADATA as u64,
    max_snapshot_size: limits::METADATA as u64,
    max_root_updates: 256,
};

fn understand(error: &tough::error::Error, unreachable: Option<String>) -> TufError {
    use tough::error::Error;
    let text = with_causes(error);
    match error {
        _ if unreachable.is_some() => TufError::Unreachable(unreachable.unwrap_or_default()),
        Error::ExpiredMetadata { role, .. } => TufError::Expired {
            role: role.to_string(),
        },
        Error::OlderMetadata { .. }
        | Error::OlderSnapshotInTimestamp { .. }
        | Error::SnapshotRoleMissing { .. }
        | Error::SnapshotRoleRollback { .. } => TufError::Rollback(text),
        Error::VerifyMetadata { .. }
        | Error::VerifyTrustedMetadata { .. }
        | Error::VerifyRoleMetadata { .. } => TufError::Signature(text),
        _ => TufError::Malformed(text),
    }
}

/// A `fetch` for [`TufClient::refresh`] over HTTPS: `GET {base_url}/device/v1/tuf/{name}`.
pub fn over_https(
    client: Client,
    base_url: &str,
) -> impl Fn(String) -> futures_util::future::BoxFuture<'static, Result<Option<Vec<u8>>, String>>
+ Send
+ Sync
+ 'static
+ use<> {
    let base_url = base_url.trim_end_matches('/').to_owned();
    move |name| {
        let request = client.get(format!("{base_url}/device/v1/tuf/{name}"));
        Box::pin(async move {
            let response = request.send().await.map_err(|error| with_causes(&error))?;
            match response.status() {
                StatusCode::OK => crate::tls::read_bounded(response, limits::METADATA)
                    .await
                    .map(Some),
                StatusCode::NOT_FOUND => Ok(None),
                status => Err(format!("{name}: HTTP status {}", status.as_u16())),
            }
        })
    }
}
