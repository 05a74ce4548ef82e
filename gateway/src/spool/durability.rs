//! The one function after which a batch is in the spool.
//!
//! Two variables are for the kill proof only. `NOROSHI_SYNC=off` turns the function into nothing:
//! the proof must then fail. `NOROSHI_POWERCUT_DIR=DIR` keeps a copy of the store as of its last
//! sync in `DIR/spool`; a simulated power cut puts that copy in the store's place, and so drops
//! every write that was not synced.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::GatewayError;
use noroshi_service::failpoint;

/// Variable that turns syncing off when it says `off`.
pub(super) const SYNC_VARIABLE: &str = "NOROSHI_SYNC";
/// Variable that names the folder for the copy.
pub(super) const POWERCUT_VARIABLE: &str = "NOROSHI_POWERCUT_DIR";

/// How the store's writes become durable.
pub(super) struct Durability {
    /// Our own handle on sled's file: its flush ends in sync_file_range, which is no fsync.
    file: File,
    folder: PathBuf,
    syncs: bool,
    copy_to: Option<PathBuf>,
}

impl Durability {
    pub(super) fn of(folder: &Path) -> Result<Self, GatewayError> {
        let path = folder.join("db");
        let file = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(GatewayError::io("open", &path))?;
        Ok(Self {
            file,
            folder: folder.to_owned(),
            syncs: std::env::var_os(SYNC_VARIABLE).is_none_or(|value| value != "off"),
            copy_to: std::env::var_os(POWERCUT_VARIABLE).map(PathBuf::from),
        })
    }

    /// Puts everything written so far on the disk.
    pub(super) fn make_durable(&self, database: &sled::Db) -> Result<(), GatewayError> {
        failpoint::pass("spool.before_sync");
        if self.syncs {
            database
                .flush()
                .map_err(|error| super::fault(&self.folder, error))?;
            self.file
                .sync_data()
                .map_err(GatewayError::io("sync", &self.folder))?;
            if let Some(copy_to) = &self.copy_to {
                copy_store(&self.folder, copy_to)
                    .map_err(GatewayError::io("copy", &self.folder))?;
            }
        }
        failpoint::pass("spool.after_sync");
        Ok(())
    }
}

/// Replaces `into`/spool by a whole copy of `folder`, so that a kill leaves the old or the new.
fn copy_store(folder: &Path, into: &Path) -> std::io::Result<()> {
    let (next, old) = (into.join("spool.next"), into.join("spool.old"));
    for leftover in [&next, &old] {
        if leftover.exists() {
            std::fs::remove_dir_all(leftover)?;
        }
    }
    copy_folder(folder, &next)?;
    let current = into.join("spool");
    if current.exists() {
        std::fs::rename(&current, &old)?;
    }
    std::fs::rename(&next, &current)
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
