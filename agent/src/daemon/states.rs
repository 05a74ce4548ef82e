//! What models learned on this device: versions of their states, in files.
//!
//! `learned/<pipeline>/<digest of the released file>/<version>.state`, each at most 32 KiB, at most
//! eight of a pipeline and model, readable by nobody else. A file is written whole and never
//! changed: what a model knows now is the greatest version, and going back to an earlier one makes
//! a new one that says the same. So a power cut leaves one or the other, and nothing is lost by a
//! mistake in going back.

mod file;
mod thin;

use std::path::{Path, PathBuf};

use noroshi_model::Digest;
use noroshi_protocol::PipelineId;
use noroshi_service::files;

use crate::AgentError;
pub(super) use file::{Origin, State};

/// States of one pipeline and model that are kept.
pub(super) const VERSIONS: usize = 8;
const ENDING: &str = "state";
/// What a damaged file is called: one a version, so that their number is bounded too.
const ASIDE: &str = "unreadable";

/// The folder of all of them.
#[derive(Debug, Clone)]
pub(super) struct States {
    folder: PathBuf,
}

/// The states of one pipeline's model.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    folder: PathBuf,
    pipeline: PipelineId,
    model: Digest,
}

/// What was found on a shelf.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The newest state that could be read.
    pub(super) state: Option<State>,
    /// Why newer files could not be; they were moved aside.
    pub(super) damaged: Vec<String>,
}

impl States {
    pub(super) fn open(folder: PathBuf) -> Result<Self, AgentError> {
        files::create_private_folder(&folder).map_err(AgentError::refused)?;
        Ok(Self { folder })
    }

    /// The shelf of `pipeline` while it runs the file of digest `model`.
    pub(super) fn of(&self, pipeline: &PipelineId, model: Digest) -> Shelf {
        Shelf {
            folder: self.folder.join(pipeline.as_str()).join(model.to_string()),
            pipeline: pipeline.clone(),
            model,
        }
    }

    /// Deletes what was learned by other pipelines and models than these; returns the bytes freed.
    pub(super) fn keep_only(&self, needed: &[(PipelineId, Digest)]) -> Result<u64, AgentError> {
        let mut freed = 0;
        for pipeline in entries(&self.folder)? {
            for shelf in entries(&pipeline)? {
                let is_shelf =
                    |(id, model): &(PipelineId, Digest)| self.of(id, *model).folder == shelf;
                if !needed.iter().any(is_shelf) {
                    freed += remove(&shelf)?;
                }
            }
            if entries(&pipeline)?.is_empty() {
                remove(&pipeline)?;
            }
        }
        Ok(freed)
    }
}

impl Shelf {
    /// The versions that are there, rising.
    pub(super) fn versions(&self) -> Result<Vec<u64>, AgentError> {
        let version = |path: &PathBuf| {
            let of_state = path.extension().is_some_and(|ending| ending == ENDING);
            let name = path.file_stem()?.to_str()?;
            name.parse().ok().filter(|_| of_state)
        };
        let mut versions: Vec<u64> = entries(&self.folder)?.iter().filter_map(version).collect();
        versions.sort_unstable();
        Ok(versions)
    }

    /// The state of `version`.
    pub(super) fn read(&self, version: u64) -> Result<State, AgentError> {
        let path = self.path(version);
        let bytes = files::read_bounded(&path, file::LIMIT).map_err(|e| {
            if e.is_not_found() {
                return AgentError::Refused(format!("there is no state {version}"));
            }
            AgentError::refused(e)
        })?;
        let state = State::from_bytes(&bytes)
            .map_err(|why| AgentError::Refused(format!("state {version} is damaged: {why}")))?;
        let ours = state.pipeline == self.pipeline && state.model == self.model;
        if !ours || state.version != version {
            return Err(AgentError::Refused(format!(
                "state {version} is of another pipeline, model or version"
            )));
        }
        Ok(state)
    }

    /// All states that can be read, the oldest first.
    pub(super) fn all(&self) -> Result<Vec<State>, AgentError> {
        let versions = self.versions()?;
        Ok(versions
            .into_iter()
            .filter_map(|version| self.read(version).ok())
            .collect())
    }

    /// The newest state that can be read; those that can't are moved aside.
    pub(super) fn newest(&self) -> Result<Found, AgentError> {
        let mut found = Found::default();
        for version in self.versions()?.into_iter().rev() {
            match self.read(version) {
                Ok(state) => {
                    found.state = Some(state);
                    break;
                }
                Err(e) => {
                    self.put_aside(version)?;
                    found.damaged.push(e.to_string());
                }
            }
        }
        Ok(found)
    }

    /// Takes a state away that the model itself refuses.
    pub(super) fn put_aside(&self, version: u64) -> Result<(), AgentError> {
        let path = self.path(version);
        let what = format!("move {} aside", path.display());
        // Always the same name: the last of them is enough to look at.
        std::fs::rename(&path, self.folder.join("state").with_extension(ASIDE))
            .map_err(AgentError::io(what))
    }

    /// Keeps what the model knows as a new version, which it returns; durable when it returns.
    pub(super) fn keep(&self, content: Learned) -> Result<State, AgentError> {
        files::create_private_folder(&self.folder).map_err(AgentError::refused)?;
        let versions = self.versions()?;
        let version = versions.last().map_or(1, |newest| newest.saturating_add(1));
        let state = State::new(self.pipeline.clone(), self.model, version, content);
        let bytes = state.to_bytes().map_err(AgentError::Refused)?;
        files::replace_secret(&self.path(version), &bytes).map_err(AgentError::refused)?;
        let mut kept = versions;
        kept.push(version);
        while let Some(surplus) = thin::surplus(&kept, VERSIONS) {
            kept.retain(|version| *version != surplus);
            // What can't be deleted now is tried again with the next version.
            if let Err(error) = std::fs::remove_file(self.path(surplus)) {
                tracing::warn!(%error, "an old state could not be deleted");
            }
        }
        Ok(state)
    }

    fn path(&self, version: u64) -> PathBuf {
        self.folder.join(version.to_string()).with_extension(ENDING)
    }
}

/// What a model knows, to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Learned {
    /// Samples learned since it was released.
    pub(super) samples: u32,
    /// Alarms of its drift detector since then.
    pub(super) alarms: u32,
    /// When, as far as the device knew.
    pub(super) wall_ms: u64,
    /// Where it comes from.
    pub(super) origin: Origin,
    /// The engine's bytes; nothing for the model as it was released.
    pub(super) content: Option<Vec<u8>>,
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, AgentError> {
    let failed = |error| AgentError::io(format!("list {}", folder.display()))(error);
    match std::fs::read_dir(folder) {
        Ok(entries) => Ok(entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed(error)),
    }
}

fn remove(folder: &Path) -> Result<u64, AgentError> {
    let bytes = entries(folder)?
        .iter()
        .filter_map(|path| Some(path.metadata().ok()?.len()))
        .sum();
    std::fs::remove_dir_all(folder)
        .map_err(AgentError::io(format!("remove {}", folder.display())))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
