//! The start counter: outside the store, so that it survives one that was moved aside.

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
    files::write_atomic(&path, format!("{number}\n").as_bytes())
        .map_err(|e| AgentError::Outbox(e.to_string()))?;
    Ok(Start {
        number,
        boot: BootId::from_bytes(crate::random::bytes()?),
        os_boot: os_boot(),
    })
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
        std::fs::write(folder.path().join(FILE), "rubbish").unwrap();
        assert_eq!(next_start(folder.path(), 41).unwrap().number, 42);
    }
}
