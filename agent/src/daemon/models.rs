//! Model files on disk, each under its digest: a slot is a name, so nothing is ever half new.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use noroshi_model::{Blob, Digest, MAX_MANIFEST_BYTES, Manifest, Variant};
use noroshi_protocol::{Assignment, ModelChoice, PipelineId};
use noroshi_service::files;

use super::pipeline::Prepared;
use super::worker::ModelFiles;
use crate::AgentError;
use crate::config;

/// The folder with its quota.
#[derive(Debug, Clone)]
pub(super) struct ModelStore {
    folder: PathBuf,
    limits: config::Models,
}

impl ModelStore {
    pub(super) fn open(folder: PathBuf, limits: config::Models) -> Result<Self, AgentError> {
        files::create_private_folder(&folder).map_err(AgentError::refused)?;
        Ok(Self { folder, limits })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn reserve(&self) -> u64 {
        self.limits.reserve_bytes
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(digest.to_string())
    }

    /// The manifest of an assigned model, checked against what was signed, and the variant.
    pub(super) fn manifest(&self, choice: &ModelChoice) -> Result<(Manifest, Variant), AgentError> {
        let path = self.path(&choice.manifest.sha256);
        let bytes =
            files::read_bounded(&path, MAX_MANIFEST_BYTES as u64).map_err(AgentError::refused)?;
        let name = format!("manifest of {} version {}", choice.model, choice.version);
        if Digest::of(&bytes) != choice.manifest.sha256 {
            return Err(AgentError::Refused(format!(
                "{name}: the file does not have the signed digest"
            )));
        }
        let manifest =
            Manifest::from_json(&bytes).map_err(|e| AgentError::Refused(format!("{name}: {e}")))?;
        if manifest.model != choice.model || manifest.version != choice.version {
            return Err(AgentError::Refused(format!(
                "{name}: it is about {} version {}",
                manifest.model, manifest.version
            )));
        }
        let variant = manifest.variant(&choice.variant).cloned().ok_or_else(|| {
            AgentError::Refused(format!("{name}: it has no variant {}", choice.variant))
        })?;
        Ok((manifest, variant))
    }

    /// An assignment with its files, which must be there.
    pub(super) fn prepared(&self, assignment: &Assignment) -> Result<Prepared, AgentError> {
        let choice = &assignment.model;
        let (manifest, variant) = self.manifest(choice)?;
        let files = ModelFiles {
            manifest: self.path(&choice.manifest.sha256),
            model: self.path(&variant.blob.sha256),
            golden: self.path(&variant.golden.blob.sha256),
            variant: variant.name.clone(),
            engine: variant.engine,
            digest: variant.blob.sha256,
        };
        if !files.model.is_file() {
            return Err(AgentError::Refused(format!(
                "the file of {} version {} is missing",
                choice.model, choice.version
            )));
        }
        let labels = manifest.task.labels();
        Ok(Prepared {
            assignment: assignment.clone(),
            files,
            labels: Arc::new(labels.iter().map(|label| label.slug.clone()).collect()),
        })
    }

    /// Hashes a file anew; blocks.
    pub(super) fn check(&self, blob: &Blob) -> Result<(), AgentError> {
        let path = self.path(&blob.sha256);
        let (digest, length) = files::digest(&path).map_err(AgentError::refused)?;
        if digest != *blob.sha256.as_bytes() || length != blob.length {
            return Err(AgentError::Refused(format!(
                "{} is not what was signed: {length} bytes, digest {}",
                blob.sha256.short(),
                Digest::from_bytes(digest).short()
            )));
        }
        Ok(())
    }

    /// Bytes that are missing for `blobs`, and how many could be had: by the disk and by the
    /// quota.
    pub(super) fn room(&self, blobs: &[Blob]) -> Result<(u64, u64), AgentError> {
        let mut seen = BTreeSet::new();
        let missing = blobs
            .iter()
            .filter(|blob| seen.insert(blob.sha256) && !self.path(&blob.sha256).is_file())
            .map(|blob| blob.length)
            .sum();
        let disk = files::free_space(&self.folder)
            .map_err(AgentError::refused)?
            .saturating_sub(self.limits.reserve_bytes);
        let quota = self.limits.quota_bytes.saturating_sub(self.bytes()?);
        Ok((missing, disk.min(quota)))
    }

    /// Bytes of finished files.
    pub(super) fn bytes(&self) -> Result<u64, AgentError> {
        let mut bytes = 0;
        for entry in self.entries()? {
            let about = entry.metadata();
            bytes += about.map_or(0, |about| about.len());
        }
        Ok(bytes)
    }

    fn entries(&self) -> Result<Vec<std::fs::DirEntry>, AgentError> {
        let what = format!("list {}", self.folder.display());
        let entries = std::fs::read_dir(&self.folder).map_err(AgentError::io(what))?;
        Ok(entries.filter_map(Result::ok).collect())
    }

    /// The pipelines of `needed` with the digests of their models' files; nothing if one of them
    /// is not known, since it must not count as not needed.
    pub(super) fn models_of(&self, needed: &[Assignment]) -> Option<Vec<(PipelineId, Digest)>> {
        let one = |assignment: &Assignment| {
            let (_, variant) = self.manifest(&assignment.model).ok()?;
            Some((assignment.pipeline.clone(), variant.blob.sha256))
        };
        needed.iter().map(one).collect()
    }

    /// Deletes every file that no assignment in `needed` names; returns the bytes freed.
    pub(super) fn keep_only(&self, needed: &[Assignment]) -> Result<u64, AgentError> {
        let mut names = BTreeSet::new();
        for assignment in needed {
            let choice = &assignment.model;
            names.insert(choice.manifest.sha256.to_string());
            // Without its manifest nothing else of it can be there.
            if let Ok((_, variant)) = self.manifest(choice) {
                names.insert(variant.blob.sha256.to_string());
                names.insert(variant.golden.blob.sha256.to_string());
            }
        }
        let mut freed = 0;
        for entry in self.entries()? {
            let name = entry.file_name().to_string_lossy().into_owned();
            let digest = name.strip_suffix(".part").unwrap_or(&name);
            if names.contains(digest) {
                continue;
            }
            let length = entry.metadata().map_or(0, |about| about.len());
            std::fs::remove_file(entry.path())
                .map_err(AgentError::io(format!("remove {}", entry.path().display())))?;
            freed += length;
        }
        Ok(freed)
    }
}
