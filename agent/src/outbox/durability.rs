//! The one function after which a record exists.
//!
//! Two variables are for the kill proof only. `NOROSHI_SYNC=off` turns the function into nothing:
//! the proof must then fail. `NOROSHI_POWERCUT_DIR=DIR` keeps a copy of the store as of its last
//! sync in `DIR/outbox`; a simulated power cut puts that copy in the store's place, and so drops
//! every write that was not synced.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::AgentError;
use noroshi_service::failpoint;

/// Variable that turns syncing off when it says `off`.
pub const SYNC_VARIABLE: &str = "NOROSHI_SYNC";
/// Variable that names the folder for the copy.
pub const POWERCUT_VARIABLE: &str = "NOROSHI_POWERCUT_DIR";

/// How a store's writes become durable.
pub(super) struct Durability {
    /// Our own handle on sled's file: its flush ends in sync_file_range, which is no fsync.
    file: File,
    folder: PathBuf,
    /// Files of large values that are on the disk already.
    blobs: BTreeSet<OsString>,
    syncs: bool,
    copy_to: Option<PathBuf>,
}

impl Durability {
    pub(super) fn of(folder: &Path) -> Result<Self, AgentError> {
        let path = folder.join("db");
        let file = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(AgentError::io(format!("open {}", path.display())))?;
        Ok(Self {
            file,
            folder: folder.to_owned(),
            blobs: BTreeSet::new(),
            syncs: std::env::var_os(SYNC_VARIABLE).is_none_or(|value| value != "off"),
            copy_to: std::env::var_os(POWERCUT_VARIABLE).map(PathBuf::from),
        })
    }

    /// Puts everything written so far on the disk.
    pub(super) fn make_durable(&mut self, database: &sled::Db) -> Result<(), AgentError> {
        failpoint::pass("outbox.before_sync");
        if self.syncs {
            database.flush().map_err(super::store::fault)?;
            self.sync_blobs()
                .map_err(AgentError::io("sync the outbox's large values"))?;
            self.file
                .sync_data()
                .map_err(AgentError::io("sync the outbox"))?;
            if let Some(copy_to) = &self.copy_to {
                copy_store(&self.folder, copy_to)
                    .map_err(AgentError::io("copy the outbox for the power cut proof"))?;
            }
        }
        failpoint::pass("outbox.after_sync");
        Ok(())
    }

    /// sled writes a large value to a file beside `db`, and never syncs it. There are hardly any.
    fn sync_blobs(&mut self) -> std::io::Result<()> {
        let folder = self.folder.join("blobs");
        let mut present = BTreeSet::new();
        let mut grown = false;
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if !self.blobs.contains(&name) {
                File::open(entry.path())?.sync_all()?;
                grown = true;
            }
            present.insert(name);
        }
        self.blobs = present;
        if grown {
            File::open(&folder)?.sync_all()?;
        }
        Ok(())
    }
}

/// Replaces `into`/outbox by a whole copy of `folder`, so that a kill leaves the old or the new.
fn copy_store(folder: &Path, into: &Path) -> std::io::Result<()> {
    let next = into.join("outbox.next");
    let old = into.join("outbox.old");
    for leftover in [&next, &old] {
        if leftover.exists() {
            std::fs::remove_dir_all(leftover)?;
        }
    }
    copy_folder(folder, &next)?;
    let current = into.join("outbox");
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
