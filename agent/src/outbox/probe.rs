//! Tries a store in a child process before it is opened: a flipped bit can make sled panic.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::store::open_database;
use crate::AgentError;

/// A store that takes longer to read than this is taken for broken.
const PATIENCE: Duration = Duration::from_secs(120);

/// What became of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Sound, or not there yet.
    Sound,
    /// Corrupt, and moved aside.
    MovedAside {
        /// Where to.
        to: PathBuf,
        /// Its size; how many records it held can't be known.
        bytes: u64,
        /// How the child ended.
        how: String,
    },
}

/// Opens the store in `folder` and reads everything: what `noroshi-agent probe-outbox` runs.
pub fn try_open(folder: &Path) -> Result<u64, AgentError> {
    let database = open_database(folder)?;
    let mut entries = 0;
    for name in database.tree_names() {
        let tree = database.open_tree(name).map_err(super::store::fault)?;
        for entry in &tree {
            entry.map_err(super::store::fault)?;
            entries += 1;
        }
    }
    Ok(entries)
}

/// Runs [`try_open`] in a child; if that does not end well the folder is moved aside, so that the
/// agent goes on with an empty store.
pub async fn probe(folder: &Path) -> Result<Probe, AgentError> {
    if !folder.exists() {
        return Ok(Probe::Sound);
    }
    let program = std::env::current_exe().map_err(AgentError::io("find this program"))?;
    let mut child = tokio::process::Command::new(program)
        .arg("probe-outbox")
        .arg(folder)
        .env_remove(crate::failpoint::VARIABLE)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(AgentError::io("start the outbox probe"))?;
    let how = match tokio::time::timeout(PATIENCE, child.wait()).await {
        Ok(Ok(status)) if status.success() => return Ok(Probe::Sound),
        Ok(Ok(status)) => status.to_string(),
        Ok(Err(e)) => return Err(AgentError::io("wait for the outbox probe")(e)),
        Err(_) => {
            child
                .kill()
                .await
                .map_err(AgentError::io("end the outbox probe"))?;
            format!("no answer within {} s", PATIENCE.as_secs())
        }
    };
    move_aside(folder, how)
}

/// Keeps one broken store for a person to look at, and no more: they must not fill the disk.
fn move_aside(folder: &Path, how: String) -> Result<Probe, AgentError> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let to = folder.with_file_name(format!("{name}.corrupt"));
    if to.exists() {
        std::fs::remove_dir_all(&to).map_err(AgentError::io(format!("remove {}", to.display())))?;
    }
    let bytes = size_of(folder);
    std::fs::rename(folder, &to)
        .map_err(AgentError::io(format!("move {} aside", folder.display())))?;
    Ok(Probe::MovedAside { to, bytes, how })
}

fn size_of(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(about) if about.is_dir() => size_of(&entry.path()),
            Ok(about) => about.len(),
            Err(_) => 0,
        })
        .sum()
}
