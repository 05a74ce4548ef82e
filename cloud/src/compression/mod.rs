//! Compressing uploaded models: orders wait in the store, one child process at a time works.
//!
//! The cloud never reads a model. It lays out a folder with the order and links to the files,
//! starts `noroshi model work` on it under limits, and believes of what the child leaves there only
//! a manifest and files that are published like anybody's: checked by another child, by digest.

mod worker;

use std::path::{Path, PathBuf};
use std::time::Duration;

use noroshi_model::{Digest, Manifest, ModelId};
use noroshi_protocol::limits;
use noroshi_service::files;
use serde::{Deserialize, Serialize};
use tokio_util::io::ReaderStream;
use tokio_util::sync::CancellationToken;

use crate::cloud::Cloud;
use crate::error::{Error, Result};
use crate::store::{CompressionRow, Ended, NewCompression};

pub use worker::Compressor;
use worker::{Outcome, Work};

/// Orders that may wait.
const MOST_WAITING: i64 = 100;
/// Workers that are started for one order before it is given up: a file that takes the whole cloud
/// down must not do so at every start.
const MOST_ATTEMPTS: i64 = 2;
/// Pictures of one order.
const MOST_PHOTOS: usize = 1024;
/// Classes of one order.
const MOST_LABELS: usize = 65_536;
/// The longest time between two looks.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What is to be done: in the store and in the worker's folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The .onnx file.
    pub source: Digest,
    /// Pictures to calibrate with and to measure the loss on.
    pub photos: Vec<Digest>,
    /// The classes' names.
    pub labels: Vec<String>,
    /// How pictures become inputs.
    pub preset: Preset,
    /// Points of agreement that may be lost.
    pub max_loss: f64,
}

/// How pictures become inputs, as the `noroshi` program knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// torchvision's mean and deviation.
    Imagenet,
    /// (value − 127) / 128.
    EfficientnetLite,
}

impl Order {
    fn check(&self) -> Result<()> {
        let wrong = |text: String| Err(Error::invalid(text));
        if self.photos.is_empty() || self.photos.len() > MOST_PHOTOS {
            return wrong(format!(
                "give 1 to {MOST_PHOTOS} pictures to calibrate with"
            ));
        }
        if self.labels.is_empty() || self.labels.len() > MOST_LABELS {
            return wrong(format!("give the names of 1 to {MOST_LABELS} classes"));
        }
        if !(0.0..=100.0).contains(&self.max_loss) {
            return wrong("max_loss is 0 to 100 points".to_owned());
        }
        Ok(())
    }

    fn files(&self) -> impl Iterator<Item = &Digest> {
        std::iter::once(&self.source).chain(&self.photos)
    }
}

impl Cloud {
    /// Takes an order, if every file of it is here.
    pub async fn order_compression(
        &self,
        model: &ModelId,
        order: &Order,
        by: &str,
    ) -> Result<CompressionRow> {
        order.check()?;
        let mut missing = Vec::new();
        for digest in order.files() {
            if self.store.blob_length(digest).await?.is_none() {
                missing.push(digest.to_string());
            }
        }
        if !missing.is_empty() {
            return Err(Error::BlobsMissing { missing });
        }
        let request =
            serde_json::to_string(order).map_err(|error| Error::Internal(error.to_string()))?;
        let new = NewCompression {
            id: crate::random::short_id(),
            model: model.as_str().to_owned(),
            request,
            created_by: by.to_owned(),
        };
        let kept = self
            .store
            .order_compression(&new, MOST_WAITING, self.now_ms())
            .await?;
        if !kept {
            return Err(Error::RateLimited(format!(
                "{MOST_WAITING} compressions are waiting already; try again when some are done"
            )));
        }
        self.compressions.notify_one();
        self.store.compression(&new.id).await
    }

    /// Works on orders until `stop`, one after the other.
    pub async fn keep_compressing(&self, stop: CancellationToken) -> Result<()> {
        let reason = "the cloud stopped while a worker was at it, twice; it is not tried again";
        // What interrupted workers left is of no use.
        let _ = std::fs::remove_dir_all(self.config.state_dir.join("compress"));
        let (again, failed) = self
            .store
            .recover_compressions(MOST_ATTEMPTS, reason, self.now_ms())
            .await?;
        if again + failed > 0 {
            tracing::warn!(
                again,
                failed,
                "compressions were interrupted by the last stop"
            );
        }
        let mut failing = false;
        loop {
            let done = match self.compress_next(&stop).await {
                Ok(done) => {
                    failing = false;
                    done
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(%error, "compressions can't be worked on");
                    }
                    false
                }
            };
            if stop.is_cancelled() {
                return Ok(());
            }
            if !done {
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = self.compressions.notified() => {}
                    () = tokio::time::sleep(LONGEST_WAIT) => {}
                }
            }
        }
    }

    /// Works on the oldest order; whether there was one.
    async fn compress_next(&self, stop: &CancellationToken) -> Result<bool> {
        let Some(row) = self.store.begin_compression(self.now_ms()).await? else {
            return Ok(false);
        };
        let worked = tokio::select! {
            worked = self.compress(&row) => worked,
            () = stop.cancelled() => {
                // Dropping the work has ended the child.
                self.store.put_compression_back(&row.id).await?;
                return Ok(true);
            }
        };
        let ended = worked.unwrap_or_else(|error| Ended::Failed(error.to_string()));
        match &ended {
            Ended::Succeeded { version, .. } => {
                tracing::info!(
                    compression.id = row.id,
                    model.id = row.model,
                    version,
                    "compressed"
                );
            }
            Ended::Failed(reason) => {
                tracing::warn!(
                    compression.id = row.id,
                    model.id = row.model,
                    reason,
                    "not compressed"
                );
            }
        }
        self.store
            .end_compression(&row.id, &ended, self.now_ms())
            .await?;
        Ok(true)
    }

    async fn compress(&self, row: &CompressionRow) -> Result<Ended> {
        let order: Order = serde_json::from_str(&row.request)
            .map_err(|error| Error::corrupt("compression", error))?;
        let model: ModelId = row
            .model
            .parse()
            .map_err(|error| Error::corrupt("model id", error))?;
        let parent = self.config.state_dir.join("compress");
        files::create_private_folder(&parent)?;
        // Each attempt has its own: an earlier one's worker may not be gone yet.
        let folder = Folder::new(parent.join(format!("{}-{}", row.id, row.attempts)))?;
        let work = Work::lay_out(&folder.0, &model, &order, &self.artifacts)?;
        match self.compressor.run(&work).await? {
            Outcome::Failed(reason) => Ok(Ended::Failed(reason)),
            Outcome::Made(made) => {
                if made.manifest.model != model {
                    let text = "what the worker made is a version of another model";
                    return Err(Error::ModelRefused(text.to_owned()));
                }
                for (digest, path) in &made.files {
                    let stream = ReaderStream::new(open(path).await?);
                    let length = self
                        .artifacts
                        .receive(digest, limits::MODEL, stream)
                        .await?;
                    self.store.note_blob(digest, length, self.now_ms()).await?;
                }
                let version = self
                    .publish_compressed(made.manifest, &row.created_by)
                    .await?;
                Ok(Ended::Succeeded {
                    version,
                    report: made.report,
                })
            }
        }
    }

    /// The version's number is the next one now: others may have published meanwhile. If the
    /// newest has the same files, a crash came between its publication and the end of the order.
    async fn publish_compressed(&self, mut manifest: Manifest, by: &str) -> Result<u32> {
        let latest = self.store.latest_version(&manifest.model).await?;
        if let Some(latest) = &latest {
            let latest = latest.parsed()?;
            if files_of(&latest) == files_of(&manifest) {
                return Ok(latest.version);
            }
        }
        let latest = latest.map_or(0, |row| row.version);
        manifest.version =
            u32::try_from(latest + 1).map_err(|error| Error::corrupt("version", error))?;
        let bytes = manifest.to_json().map_err(|error| Error::Invalid {
            code: "bad_manifest",
            detail: error.to_string(),
        })?;
        self.publish(&bytes, by).await?;
        Ok(manifest.version)
    }
}

/// The model files of a version.
fn files_of(manifest: &Manifest) -> Vec<Digest> {
    let variants = manifest.variants.iter();
    variants.map(|variant| variant.blob.sha256).collect()
}

async fn open(path: &Path) -> Result<tokio::fs::File> {
    tokio::fs::File::open(path).await.map_err(|error| {
        Error::ModelRefused(format!(
            "a file that the worker made can't be read: {error}"
        ))
    })
}

/// A folder that is gone when the work is.
struct Folder(PathBuf);

impl Folder {
    fn new(path: PathBuf) -> Result<Self> {
        files::create_private_folder(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests;
