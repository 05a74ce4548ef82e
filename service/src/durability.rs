//! The one act after which a write to an embedded store is on the disk.
//!
//! sled's flush ends in sync_file_range, which is no fsync, and it never syncs the files that it
//! writes beside `db` for large values: both are done here.
//!
//! A damaged store can make sled panic, so daemons try theirs in a child process first;
//! [`died_of_damage`] tells what its end means.
//!
//! Two variables are for the kill proof only. `NOROSHI_SYNC=off` turns the act into nothing: the
//! proof must then fail. `NOROSHI_POWERCUT_DIR=DIR` keeps a copy of the store as of its last sync
//! in `DIR/<name>`; a simulated power cut puts that copy in the store's place, and so drops every
//! write that was not synced.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use crate::failpoint;
use crate::files::{FileError, io_error};

const SYNC_VARIABLE: &str = "NOROSHI_SYNC";
const POWERCUT_VARIABLE: &str = "NOROSHI_POWERCUT_DIR";

/// The exit code by which a child says that the store it tried is damaged.
pub const DAMAGED: i32 = 3;

/// Whether a child that tried a store found damage or fell over it. One that was stopped with
/// us, found the store in use or the disk full says nothing about it.
pub fn died_of_damage(status: ExitStatus) -> bool {
    const PANIC: i32 = 101;
    /// SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV.
    const CRASHES: [i32; 5] = [4, 6, 7, 8, 11];
    matches!(status.code(), Some(DAMAGED | PANIC))
        || status
            .signal()
            .is_some_and(|signal| CRASHES.contains(&signal))
}

/// How the writes of one sled store become durable.
#[derive(Debug)]
pub struct Durability {
    name: &'static str,
    folder: PathBuf,
    /// Our own handle on sled's file.
    file: File,
    /// Files of large values that are on the disk already.
    blobs: BTreeSet<OsString>,
    syncs: bool,
    copy_to: Option<PathBuf>,
}

impl Durability {
    /// For the store in `folder`, which sled has opened; `name` names its failpoints
    /// (`<name>.before_sync`, `<name>.after_sync`) and its copy for the proof.
    pub fn of(folder: &Path, name: &'static str) -> Result<Self, FileError> {
        let path = folder.join("db");
        let opened = File::options().read(true).write(true).open(&path);
        Ok(Self {
            name,
            folder: folder.to_owned(),
            file: opened.map_err(io_error("open", &path))?,
            blobs: BTreeSet::new(),
            syncs: std::env::var_os(SYNC_VARIABLE).is_none_or(|value| value != "off"),
            copy_to: std::env::var_os(POWERCUT_VARIABLE).map(PathBuf::from),
        })
    }

    /// Puts everything written so far on the disk; `flush` is the store's own flush.
    pub fn make_durable<E: From<FileError>>(
        &mut self,
        flush: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        failpoint::pass(&format!("{}.before_sync", self.name));
        if self.syncs {
            flush()?;
            self.sync().map_err(io_error("sync", &self.folder))?;
        }
        failpoint::pass(&format!("{}.after_sync", self.name));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_blobs()?;
        self.file.sync_data()?;
        match &self.copy_to {
            None => Ok(()),
            Some(into) => copy_store(&self.folder, into, self.name),
        }
    }

    /// Large values are rare: a folder without new files costs one listing.
    fn sync_blobs(&mut self) -> io::Result<()> {
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

/// Replaces `into`/`name` by a whole copy of `folder`, so that a kill leaves the old or the new.
fn copy_store(folder: &Path, into: &Path, name: &str) -> io::Result<()> {
    let (next, old) = (
        into.join(format!("{name}.next")),
        into.join(format!("{name}.old")),
    );
    for leftover in [&next, &old] {
        if leftover.exists() {
            std::fs::remove_dir_all(leftover)?;
        }
    }
    copy_folder(folder, &next)?;
    let current = into.join(name);
    if current.exists() {
        std::fs::rename(&current, &old)?;
    }
    std::fs::rename(&next, &current)
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
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
