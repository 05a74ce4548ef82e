//! The start counter: outside the store, so that it survives one that was moved aside.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use noroshi_protocol::{BootId, OsBoot};
use noroshi_service::files;

use super::Start;
use crate::AgentError;

const FILE: &str = "start";

/// Counts this start of the agent, durably, and describes it. `at_least` is the greatest start
/// that is known otherwise.
pub fn next_start(state: &Path, at_least: u64) -> Result<Start, AgentError> {
    let path = state.join(FILE);
    let last = match files::read_bounded(&path, 32) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).trim().parse().unwrap_or(0),
        Err(e) if e.is_not_found() => 0,
        Err(e) => return Err(AgentError::Outbox(e.to_string())),
    };
    let number = at_least.max(last) + 1;
    // A line of fixed length, so that it can be overwritten where it lies.
    let line = format!("{number:<20}\n");
    match files::write_atomic(&path, line.as_bytes()) {
        Err(e) if e.is_storage_full() => overwrite(&path, &line)?,
        other => other.map_err(|e| AgentError::Outbox(e.to_string()))?,
    }
    Ok(Start {
        number,
        boot: BootId::from_bytes(crate::random::bytes()?),
        os_boot: os_boot(),
    })
}

/// On a full disk there is no room for a second file, but the first has its place already; one
/// short line within a sector is written whole or not at all.
fn overwrite(path: &Path, line: &str) -> Result<(), AgentError> {
    let what = || format!("write {}", path.display());
    let file = File::options()
        .write(true)
        .open(path)
        .map_err(AgentError::io(what()))?;
    file.write_all_at(line.as_bytes(), 0)
        .and_then(|()| file.sync_data())
        .map_err(AgentError::io(what()))
}

/// The kernel's id of this start of the machine; zeros where it has none.
pub fn os_boot() -> OsBoot {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(OsBoot::from_bytes([0; 16]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_counted_over_everything() {
        let folder = tempfile::tempdir().unwrap();
        let first = next_start(folder.path(), 0).unwrap();
        let second = next_start(folder.path(), 0).unwrap();
        let third = next_start(folder.path(), 40).unwrap();
        assert_eq!((first.number, second.number, third.number), (1, 2, 41));
        assert_ne!(first.boot, second.boot);
        assert_eq!(first.os_boot, third.os_boot);
        overwrite(&folder.path().join(FILE), &format!("{:<20}\n", 50)).unwrap();
        assert_eq!(next_start(folder.path(), 0).unwrap().number, 51);
        std::fs::write(folder.path().join(FILE), "rubbish").unwrap();
        assert_eq!(next_start(folder.path(), 41).unwrap().number, 42);
    }
}
