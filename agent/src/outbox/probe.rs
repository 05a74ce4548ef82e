//! Tries a store in a child process before it is opened: a flipped bit can make sled panic.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use noroshi_service::durability::{died_of_damage, remove_unfinished_snapshots};

use super::keys;
use super::store::open_database;
use crate::AgentError;

/// A store that takes longer to read than this can't be tried now.
const PATIENCE: Duration = Duration::from_secs(120);

/// What became of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Sound, or not there yet.
    Sound {
        /// The greatest start that it knows; 0 if none.
        greatest_start: u64,
    },
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
/// Returns the greatest start that the store knows.
pub fn try_open(folder: &Path) -> Result<u64, AgentError> {
    let database = open_database(folder)?;
    let mut greatest = 0;
    for name in database.tree_names() {
        let tree = database.open_tree(name).map_err(super::store::fault)?;
        for entry in &tree {
            let (key, _) = entry.map_err(super::store::fault)?;
            if key.starts_with(keys::BOOTS) {
                greatest = greatest.max(keys::start_of(&key).unwrap_or(0));
            }
        }
    }
    Ok(greatest)
}

/// Runs [`try_open`] in a child; a damaged store is moved aside, so that the agent goes on with
/// an empty one. A store that can't be tried now (locked, a full disk, a killed child) is an
/// error and stays where it is: it may hold the only copy of results.
pub async fn probe(folder: &Path) -> Result<Probe, AgentError> {
    if !folder.exists() {
        return Ok(Probe::Sound { greatest_start: 0 });
    }
    remove_unfinished_snapshots(folder)?;
    let child = tokio::process::Command::new(crate::program())
        .arg("probe-outbox")
        .arg(folder)
        // Or it would outlive a killed agent, and keep the store from the next one.
        .arg("--parent")
        .arg(std::process::id().to_string())
        .env_remove(noroshi_service::failpoint::VARIABLE)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let how = match tokio::time::timeout(PATIENCE, child).await {
        Ok(Ok(output)) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            return Ok(Probe::Sound {
                greatest_start: text.trim().parse().unwrap_or(0),
            });
        }
        Ok(Ok(output)) if died_of_damage(output.status) => output.status.to_string(),
        Ok(Ok(output)) => return Err(untried(&output.status.to_string())),
        Ok(Err(e)) => return Err(AgentError::io("run the outbox probe")(e)),
        // The child is killed as its future is dropped.
        Err(_) => {
            return Err(untried(&format!(
                "no answer within {} s",
                PATIENCE.as_secs()
            )));
        }
    };
    move_aside(folder, how)
}

fn untried(how: &str) -> AgentError {
    AgentError::Outbox(format!(
        "it could not be tried ({how}) and stays as it is: check for another agent and for room on \
         the disk, then start again"
    ))
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
