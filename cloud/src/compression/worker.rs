//! The child: what it is given, its limits, and what is believed of what it leaves.

use std::path::{Path, PathBuf};
use std::time::Duration;

use noroshi_model::{Digest, Manifest, ModelId};
use noroshi_service::files;
use serde_json::json;

use super::Order;
use crate::artifacts::Artifacts;
use crate::child;
use crate::error::{Error, Result};

/// The most bytes of a report.
const MOST_REPORT: u64 = 1 << 20;
/// Files that a worker makes: one model and a golden set for each variant, and some air.
const MOST_FILES: usize = 16;

/// How models are compressed.
#[derive(Debug, Clone)]
pub struct Compressor {
    /// The `noroshi` program.
    pub program: PathBuf,
    /// The most bytes of memory that it may use.
    pub memory_bytes: u64,
    /// How long it may take.
    pub patience: Duration,
}

/// A worker's folder.
pub(super) struct Work {
    folder: PathBuf,
}

/// What a worker left.
pub(super) enum Outcome {
    /// Why it made nothing.
    Failed(String),
    /// A version.
    Made(Box<Made>),
}

/// A version that a worker made.
pub(super) struct Made {
    /// Its manifest; the version's number is not decided yet.
    pub(super) manifest: Manifest,
    /// New files with the digests that they claim.
    pub(super) files: Vec<(Digest, PathBuf)>,
    /// What it cost, JSON.
    pub(super) report: String,
}

impl Work {
    /// Writes the order into the empty `folder`, with where its files are.
    pub(super) fn lay_out(
        folder: &Path,
        model: &ModelId,
        order: &Order,
        artifacts: &Artifacts,
    ) -> Result<Self> {
        let photos = order
            .photos
            .iter()
            .map(|photo| artifacts.path(photo))
            .collect::<Result<Vec<_>>>()?;
        let work = json!({
            "model": model, "source": artifacts.path(&order.source)?, "photos": photos,
            "labels": order.labels, "preset": order.preset, "max_loss": order.max_loss,
        });
        files::write_atomic(&folder.join("work.json"), work.to_string().as_bytes())?;
        files::create_private_folder(&folder.join("out"))?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    fn read(&self) -> Result<Made> {
        let out = self.folder.join("out");
        let bytes = |name: &str, most: u64| {
            let path = out.join(name);
            if !is_plain(&path) {
                let text =
                    format!("the worker ended well and left no {name}; is it of this version?");
                return Err(Error::ModelRefused(text));
            }
            Ok(files::read_bounded(&path, most)?)
        };
        let manifest = bytes("manifest.json", noroshi_model::MAX_MANIFEST_BYTES as u64)?;
        let manifest = Manifest::from_json(&manifest).map_err(|error| {
            Error::ModelRefused(format!("what was made is no version: {error}"))
        })?;
        let report = bytes("report.json", MOST_REPORT)?;
        let report: serde_json::Value = serde_json::from_slice(&report)
            .map_err(|error| Error::ModelRefused(format!("the report can't be read: {error}")))?;
        let mut made = Vec::new();
        for blob in manifest
            .variants
            .iter()
            .flat_map(|v| [v.blob, v.golden.blob])
        {
            let path = out.join(blob.sha256.to_string());
            // Not there: the cloud has it, or the publication says that it is missing.
            if made.len() < MOST_FILES && is_plain(&path) {
                made.push((blob.sha256, path));
            }
        }
        Ok(Made {
            manifest,
            files: made,
            report: report.to_string(),
        })
    }
}

/// Whether there is a file, and neither a link to one nor a pipe that never ends.
fn is_plain(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|entry| entry.is_file())
}

impl Compressor {
    /// Lets a child work. What it can't do is an outcome; an error is one of the cloud's own.
    pub(super) async fn run(&self, work: &Work) -> Result<Outcome> {
        let mut command = child::command(&self.program);
        command
            .args(["model", "work", "--json"])
            .arg(&work.folder)
            .arg("--memory-limit")
            .arg(self.memory_bytes.to_string())
            .arg("--cpu-seconds")
            .arg(self.patience.as_secs().saturating_mul(4).to_string())
            .env("ORT_DISABLE_TELEMETRY", "1")
            .current_dir(&work.folder);
        let ended = child::run(&mut command, self.patience).await;
        let Some(ended) = ended.map_err(|error| self.missing(&error))? else {
            let seconds = self.patience.as_secs();
            return Ok(Outcome::Failed(format!(
                "it took longer than {seconds} s; give fewer pictures, or raise compress_seconds \
                 in cloud.toml"
            )));
        };
        let status = ended.status;
        if status.success() {
            return Ok(Outcome::Made(Box::new(work.read()?)));
        }
        // A worker that was ended from outside told nothing, or what it told is not the reason.
        let told = status.code().and_then(|_| ended.sentence());
        Ok(Outcome::Failed(told.unwrap_or_else(|| {
            format!(
                "the worker ended with {status}: the file is broken, or needs more than {} bytes \
                 of memory (compress_memory_bytes in cloud.toml)",
                self.memory_bytes
            )
        })))
    }

    fn missing(&self, error: &std::io::Error) -> Error {
        Error::Unavailable(format!(
            "models can't be compressed: {}: {error}; set `inspector` in cloud.toml to the noroshi \
             program",
            self.program.display()
        ))
    }
}
