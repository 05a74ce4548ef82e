//! A damaged store must not keep the gateway from starting: sled panics on some kinds of damage,
//! so it is opened by a child process first, and moved aside if that one does not come back well.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use noroshi_service::clock::SessionClock;
use noroshi_service::durability::{DAMAGED, died_of_damage, remove_unfinished_snapshots};
use noroshi_service::files;
use tracing::{error, warn};

use super::SpoolOptions;
use super::own::event;
use super::store::{Store, open_database};
use crate::GatewayError;
use crate::start::Start;

/// How a store is tried before it is opened.
#[derive(Debug, Clone)]
pub enum Probe {
    /// By `<executable> probe-spool <folder> --parent <pid>`.
    Child(PathBuf),
    /// Here; a panic in this thread is caught, one in sled's own threads is not.
    Here,
}

/// What the child does: opens the store, reads all of it, and answers its exit code.
pub fn probe(folder: &Path) -> i32 {
    match read_all(folder) {
        Ok(()) => 0,
        Err(error) if is_damage(&error) => DAMAGED,
        Err(_) => 1,
    }
}

fn read_all(folder: &Path) -> Result<(), GatewayError> {
    let database = open_database(folder)?;
    for name in database.tree_names() {
        let tree = database
            .open_tree(name)
            .map_err(|error| super::fault(folder, error))?;
        for entry in &tree {
            entry.map_err(|error| super::fault(folder, error))?;
        }
    }
    Ok(())
}

pub(super) fn open(
    folder: &Path,
    options: SpoolOptions,
    start: &Start,
    clock: &Arc<SessionClock>,
    probe: &Probe,
) -> Result<Store, GatewayError> {
    files::create_private_folder(folder)?;
    remove_unfinished_snapshots(folder)?;
    let open = || Store::open(folder, options, start.clone(), clock.clone());
    if is_sound(folder, probe) {
        match catch_unwind(AssertUnwindSafe(open)) {
            Ok(Ok(store)) => return Ok(store),
            // A full or failing disk is no damage: the records are still there.
            Ok(Err(error)) if !is_damage(&error) => return Err(error),
            Ok(Err(error)) => error!(%error, "the spool is damaged"),
            Err(_) => error!("opening the spool panicked"),
        }
    }
    let aside = aside(folder, clock.now().wall_ms);
    std::fs::rename(folder, &aside).map_err(GatewayError::io("move aside", folder))?;
    warn!(spool.aside = %aside.display(), "a damaged spool was moved aside");
    files::create_private_folder(folder)?;
    let mut store = open()?;
    store.report(vec![event(
        "spool-damaged",
        "the gateway's spool was damaged and was moved aside; records that waited there are lost"
            .to_owned(),
        [("aside", &*aside.to_string_lossy())],
    )])?;
    Ok(store)
}

fn is_damage(error: &GatewayError) -> bool {
    matches!(error, GatewayError::Spool { full: false, reason, .. }
        if reason.to_lowercase().contains("corrupt"))
}

fn is_sound(folder: &Path, probe: &Probe) -> bool {
    let Probe::Child(executable) = probe else {
        return true;
    };
    if !folder.join("db").exists() {
        return true;
    }
    let status = Command::new(executable)
        .arg("probe-spool")
        .arg(folder)
        // Or it would outlive a killed gateway, and keep the store from the next one.
        .arg("--parent")
        .arg(std::process::id().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    match status {
        Ok(status) => !died_of_damage(status),
        Err(error) => {
            warn!(%error, "the spool can't be tried in a child process");
            true
        }
    }
}

fn aside(folder: &Path, now_ms: u64) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".damaged-{now_ms}"));
    folder.with_file_name(name)
}
