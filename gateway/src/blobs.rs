//! The site's blobs: each comes over the link to the cloud once, however many ask for it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use noroshi_model::Digest;
use noroshi_protocol::limits;
use noroshi_service::download::{Download, DownloadError};
use noroshi_service::files;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::devices_http::{BlobFile, UpstreamError};

/// How long a device's request waits for a download; then it is told to ask again.
const WAIT: Duration = Duration::from_secs(20);
const ASK_AGAIN: Duration = Duration::from_secs(3);
const RESERVE: u64 = 64 << 20;

type Outcome = Option<Result<BlobFile, UpstreamError>>;

/// Where blobs come from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// An HTTPS client with the gateway's certificate.
    pub client: reqwest::Client,
    /// `https://host:port` of the cloud's device port.
    pub base_url: String,
}

/// A folder of blobs with a byte quota; the least recently used go first.
pub struct BlobCache {
    folder: PathBuf,
    quota: u64,
    /// Files whose digest was checked in this run: a disk may have turned bits since.
    checked: Mutex<HashSet<Digest>>,
    under_way: Mutex<HashMap<Digest, watch::Receiver<Outcome>>>,
    tasks: Mutex<JoinSet<()>>,
}

impl BlobCache {
    /// A cache in `folder`.
    pub fn new(folder: PathBuf, quota: u64) -> Arc<Self> {
        Arc::new(Self {
            folder,
            quota,
            checked: Mutex::default(),
            under_way: Mutex::default(),
            tasks: Mutex::default(),
        })
    }

    /// The blob, from the folder or fetched from `origin`.
    pub async fn get(
        self: &Arc<Self>,
        digest: &Digest,
        origin: &Origin,
    ) -> Result<BlobFile, UpstreamError> {
        if let Some(found) = self.find(digest).await {
            return Ok(found);
        }
        let mut outcome = self.join_or_start(*digest, origin.clone());
        let waited = tokio::time::timeout(WAIT, outcome.wait_for(Option::is_some)).await;
        match waited {
            Ok(Ok(outcome)) => (*outcome).clone().unwrap_or(Err(UpstreamError::NotFound)),
            Ok(Err(_)) | Err(_) => Err(UpstreamError::Busy(ASK_AGAIN)),
        }
    }

    /// A whole file of the folder; its time of use is now.
    async fn find(self: &Arc<Self>, digest: &Digest) -> Option<BlobFile> {
        let (cache, digest) = (self.clone(), *digest);
        // A file of a model takes a moment to be read.
        tokio::task::spawn_blocking(move || cache.look(&digest))
            .await
            .ok()
            .flatten()
    }

    fn look(&self, digest: &Digest) -> Option<BlobFile> {
        let path = self.folder.join(digest.to_string());
        let file = std::fs::File::options()
            .read(true)
            .append(true)
            .open(&path)
            .ok()?;
        let is_checked = self.checked().contains(digest);
        if !is_checked && files::digest(&path).ok()?.0 != *digest.as_bytes() {
            warn!(model.digest = %digest.short(), "a blob was damaged on disk; it is fetched anew");
            let _ = std::fs::remove_file(&path);
            return None;
        }
        self.checked().insert(*digest);
        let length = file.metadata().ok()?.len();
        // The eviction goes by this; one that fails only makes the file look older.
        let _ = file.set_modified(now());
        Some(BlobFile { path, length })
    }

    fn checked(&self) -> std::sync::MutexGuard<'_, HashSet<Digest>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join_or_start(self: &Arc<Self>, digest: Digest, origin: Origin) -> watch::Receiver<Outcome> {
        let mut under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = under_way.get(&digest) {
            return outcome.clone();
        }
        let (sender, outcome) = watch::channel(None);
        under_way.insert(digest, outcome.clone());
        let cache = self.clone();
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let fetched = cache.fetch(&digest, &origin).await;
            if let Err(error) = &fetched {
                warn!(model.digest = %digest.short(), %error, "a blob could not be fetched");
            }
            cache
                .under_way
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&digest);
            let _ = sender.send(Some(fetched));
        });
        outcome
    }

    async fn fetch(&self, digest: &Digest, origin: &Origin) -> Result<BlobFile, UpstreamError> {
        let url = format!("{}/device/v1/blobs/{digest}", origin.base_url);
        let length = length(&origin.client, &url).await?;
        self.make_room(length, digest)?;
        let mut download = Download::new(url, *digest.as_bytes(), length, &self.folder);
        download.reserve = RESERVE;
        let path = download
            .fetch(&origin.client, |_| ())
            .await
            .map_err(understand)?;
        self.checked().insert(*digest);
        info!(model.digest = %digest.short(), size_bytes = length, "a blob came from the cloud");
        Ok(BlobFile { path, length })
    }

    /// Deletes what was not used for longest until `length` fits.
    fn make_room(&self, length: u64, wanted: &Digest) -> Result<(), UpstreamError> {
        if length > self.quota {
            return Err(UpstreamError::Refused(format!(
                "a blob of {length} bytes does not fit the gateway's quota of {} bytes",
                self.quota
            )));
        }
        let mut files = list(&self.folder);
        files.sort_by_key(|(used, ..)| *used);
        let mut total: u64 = files.iter().map(|(_, length, _)| length).sum();
        let wanted = wanted.to_string();
        for (_, bytes, path) in files {
            if total + length <= self.quota {
                break;
            }
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if !name.starts_with(&wanted) && std::fs::remove_file(&path).is_ok() {
                total -= bytes;
            }
        }
        Ok(())
    }
}

fn list(folder: &Path) -> Vec<(SystemTime, u64, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let metadata = entry.metadata().ok()?;
            let used = metadata.modified().ok()?;
            metadata
                .is_file()
                .then(|| (used, metadata.len(), entry.path()))
        })
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the file system's own time, compared with itself"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

async fn length(client: &reqwest::Client, url: &str) -> Result<u64, UpstreamError> {
    let offline = |error: reqwest::Error| UpstreamError::Offline(error.to_string());
    let response = client.head(url).send().await.map_err(offline)?;
    match response.status().as_u16() {
        200 => {}
        404 => return Err(UpstreamError::NotFound),
        status => return Err(UpstreamError::Offline(format!("HTTP status {status}"))),
    }
    let length = response
        .headers()
        .get(reqwest::header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    match length {
        Some(length) if length <= limits::MODEL => Ok(length),
        Some(length) => Err(UpstreamError::Refused(format!(
            "{length} bytes are too many"
        ))),
        None => Err(UpstreamError::Offline(
            "the cloud does not say how long it is".into(),
        )),
    }
}

fn understand(error: DownloadError) -> UpstreamError {
    match error {
        DownloadError::NotFound => UpstreamError::NotFound,
        DownloadError::Retry { .. } => UpstreamError::Offline(error.to_string()),
        other => UpstreamError::Failed(other.to_string()),
    }
}
