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
//! write that was not synced. Release builds know neither: they say so and sync.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
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

/// Deletes snapshots that a store's last user did not finish: sled takes what a full disk or a kill
/// left of one for damage of the whole store. A snapshot only makes opening quicker, and a
/// finished one has another name. To be called before a store is opened or tried, by its only user.
pub fn remove_unfinished_snapshots(folder: &Path) -> Result<(), FileError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(io_error("list", folder)(e)),
    };
    for entry in entries {
        let entry = entry.map_err(io_error("list", folder))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            let path = entry.path();
            std::fs::remove_file(&path).map_err(io_error("remove", &path))?;
            tracing::info!(file = %path.display(), "an unfinished snapshot was removed");
        }
    }
    Ok(())
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
        let switches = Switches::read(cfg!(debug_assertions), |name| std::env::var_os(name));
        switches.tell(name);
        Ok(Self {
            name,
            folder: folder.to_owned(),
            file: opened.map_err(io_error("open", &path))?,
            blobs: BTreeSet::new(),
            syncs: switches.syncs,
            copy_to: switches.copy_to,
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

/// What the proof's variables ask for.
#[derive(Debug, PartialEq, Eq)]
struct Switches {
    syncs: bool,
    copy_to: Option<PathBuf>,
    /// Variables that are set and count for nothing in this build.
    ignored: Vec<&'static str>,
}

impl Switches {
    /// Only builds for tests obey: nobody shall lose data to a variable that was left set.
    fn read(obeys: bool, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let sync = variable(SYNC_VARIABLE).filter(|value| value == OsStr::new("off"));
        let copy_to = variable(POWERCUT_VARIABLE);
        if obeys {
            return Self {
                syncs: sync.is_none(),
                copy_to: copy_to.map(PathBuf::from),
                ignored: Vec::new(),
            };
        }
        let set = [
            (SYNC_VARIABLE, sync.is_some()),
            (POWERCUT_VARIABLE, copy_to.is_some()),
        ];
        Self {
            syncs: true,
            copy_to: None,
            ignored: set
                .iter()
                .filter(|(_, set)| *set)
                .map(|(n, _)| *n)
                .collect(),
        }
    }

    fn tell(&self, store: &str) {
        if !self.syncs {
            tracing::error!(
                store,
                "{SYNC_VARIABLE}=off: NOTHING IS SYNCED, a power cut loses what was acknowledged; \
                 this is for the kill proof only, unset it"
            );
        }
        for variable in &self.ignored {
            tracing::warn!(
                store,
                variable,
                "ignored: only test builds know this variable"
            );
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_test_build_can_be_told_not_to_sync() {
        let all = |name: &str| match name {
            SYNC_VARIABLE => Some(OsString::from("off")),
            _ => Some(OsString::from("/copies")),
        };
        let test = Switches::read(true, all);
        assert_eq!((test.syncs, test.ignored.len()), (false, 0));
        assert_eq!(test.copy_to, Some(PathBuf::from("/copies")));
        let shipped = Switches::read(false, all);
        assert!(shipped.syncs && shipped.copy_to.is_none());
        assert_eq!(shipped.ignored, [SYNC_VARIABLE, POWERCUT_VARIABLE]);
        for build in [true, false] {
            let plain = Switches::read(build, |_| None);
            assert!(plain.syncs && plain.copy_to.is_none() && plain.ignored.is_empty());
        }
    }

    #[test]
    fn only_unfinished_snapshots_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["db", "snap.05", "snap.06.generating", "x.generating"];
        for name in names {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        remove_unfinished_snapshots(folder.path()).unwrap();
        let left = names.map(|name| folder.path().join(name).exists());
        assert_eq!(left, [true, true, false, true]);
        remove_unfinished_snapshots(&folder.path().join("none")).unwrap();
    }

    #[test]
    fn only_damage_ends_a_try_as_damage() {
        let raw = |raw| died_of_damage(ExitStatus::from_raw(raw));
        // The child's own word, a panic, SIGABRT, SIGBUS, SIGSEGV.
        for status in [DAMAGED << 8, 101 << 8, 6, 7, 11] {
            assert!(raw(status), "{status}");
        }
        // Sound, an error such as a lock or a full disk, SIGKILL, SIGTERM, SIGXFSZ.
        for status in [0, 1 << 8, 9, 15, 25] {
            assert!(!raw(status), "{status}");
        }
    }
}
