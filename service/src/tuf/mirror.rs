//! Verified metadata on disk.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use noroshi_protocol::limits;
use serde_json::Value;

use crate::files::{self, FileError};

const TIMESTAMP: &str = "timestamp.json";

/// A folder of verified metadata under the names of a repository with consistent snapshots.
#[derive(Debug, Clone)]
pub(super) struct Mirror {
    folder: PathBuf,
}

impl Mirror {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn metadata(&self) -> PathBuf {
        self.folder.join("metadata")
    }

    /// A file, if there is one of that name.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, FileError> {
        if !is_file_name(name) {
            return Ok(None);
        }
        match files::read_bounded(&self.metadata().join(name), limits::METADATA as u64) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The newest root that was verified, starting from the pinned one.
    pub(super) fn newest_root(&self, pinned: &[u8]) -> Result<Vec<u8>, FileError> {
        let mut newest = pinned.to_vec();
        if !self.is_of(pinned)? {
            return Ok(newest);
        }
        let mut version = version_of(pinned).unwrap_or(1);
        while let Some(next) = self.read(&root_name(version + 1))? {
            version += 1;
            newest = next;
        }
        Ok(newest)
    }

    /// A fresh folder for `tough`, holding what was verified last, so that it refuses older.
    pub(super) fn datastore(&self, pinned: &[u8]) -> Result<PathBuf, FileError> {
        let datastore = self.folder.join("datastore");
        clear(&datastore)?;
        if !self.is_of(pinned)? {
            return Ok(datastore);
        }
        let Some(timestamp) = self.read(TIMESTAMP)? else {
            return Ok(datastore);
        };
        write(&datastore, TIMESTAMP, &timestamp)?;
        let Some(snapshot) = self.listed(&timestamp, "snapshot.json")? else {
            return Ok(datastore);
        };
        write(&datastore, "snapshot.json", &snapshot)?;
        if let Some(targets) = self.listed(&snapshot, "targets.json")? {
            write(&datastore, "targets.json", &targets)?;
        }
        Ok(datastore)
    }

    /// Keeps files that were verified: roots first, `timestamp.json` last, so that at every
    /// moment the newest timestamp's files are there. Files that nothing refers to any more go.
    pub(super) fn keep(
        &self,
        pinned: &[u8],
        fetched: &HashMap<String, Vec<u8>>,
    ) -> Result<(), FileError> {
        let metadata = self.metadata();
        if !self.is_of(pinned)? {
            clear(&metadata)?;
            write(
                &metadata,
                &root_name(version_of(pinned).unwrap_or(1)),
                pinned,
            )?;
        }
        let mut names: Vec<&String> = fetched.keys().filter(|name| is_file_name(name)).collect();
        names.sort_by_key(|name| (*name == TIMESTAMP, root_version(name).is_none(), *name));
        for name in names {
            write(&metadata, name, &fetched[name])?;
        }
        self.prune(fetched)
    }

    fn prune(&self, current: &HashMap<String, Vec<u8>>) -> Result<(), FileError> {
        let metadata = self.metadata();
        let unreadable = |source| FileError::Io {
            action: "list",
            path: metadata.clone(),
            source,
        };
        for entry in std::fs::read_dir(&metadata).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if root_version(&name).is_none() && !current.contains_key(&name) {
                // A leftover costs only its bytes; the next keep tries again.
                let _ = std::fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// Whether the mirror began from this pinned root. After another enrolment it did not.
    fn is_of(&self, pinned: &[u8]) -> Result<bool, FileError> {
        let first = self.read(&root_name(version_of(pinned).unwrap_or(1)))?;
        Ok(first.is_some_and(|first| first == pinned))
    }

    fn listed(&self, metadata: &[u8], file: &str) -> Result<Option<Vec<u8>>, FileError> {
        let version = serde_json::from_slice::<Value>(metadata)
            .ok()
            .and_then(|metadata| metadata["signed"]["meta"][file]["version"].as_u64());
        match version {
            Some(version) => self.read(&format!("{version}.{file}")),
            None => Ok(None),
        }
    }
}

/// Names that always mean the same bytes: `7.snapshot.json`, but not `timestamp.json`.
pub(super) fn has_fixed_version(name: &str) -> bool {
    name.split_once('.')
        .is_some_and(|(version, _)| version.parse::<u64>().is_ok())
}

fn is_file_name(name: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"._-%~".contains(&byte);
    name.len() <= 128
        && name.ends_with(".json")
        && !name.starts_with('.')
        && name.bytes().all(sound)
}

fn root_name(version: u64) -> String {
    format!("{version}.root.json")
}

fn root_version(name: &str) -> Option<u64> {
    name.strip_suffix(".root.json")?.parse().ok()
}

fn version_of(metadata: &[u8]) -> Option<u64> {
    serde_json::from_slice::<Value>(metadata).ok()?["signed"]["version"].as_u64()
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), FileError> {
    let path = folder.join(name);
    // Writing what is there already would only wear the flash.
    match files::read_bounded(&path, limits::METADATA as u64) {
        Ok(present) if present == bytes => Ok(()),
        _ => files::write_atomic(&path, bytes),
    }
}

fn clear(folder: &Path) -> Result<(), FileError> {
    match std::fs::remove_dir_all(folder) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            return Err(FileError::Io {
                action: "clear",
                path: folder.to_owned(),
                source,
            });
        }
        _ => {}
    }
    files::create_private_folder(folder)
}
