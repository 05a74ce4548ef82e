//! One agent a state folder.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::AgentError;

const FILE: &str = "lock";

/// Held as long as it lives; the kernel lets go of it however the process ends.
#[derive(Debug)]
pub(crate) struct StateLock {
    _file: File,
}

impl StateLock {
    /// Takes the lock of the state folder `folder`, which must exist; an error if another agent
    /// has it.
    pub(crate) fn take(folder: &Path) -> Result<Self, AgentError> {
        let path = folder.join(FILE);
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(AgentError::io(format!("open {}", path.display())))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(AgentError::Config(format!(
                "another noroshi-agent runs on {}: stop it, or give this one a state_dir of its \
                 own",
                folder.display()
            ))),
            Err(TryLockError::Error(e)) => {
                Err(AgentError::io(format!("lock {}", path.display()))(e))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = StateLock::take(folder.path()).unwrap();
        let refused = StateLock::take(folder.path()).unwrap_err();
        assert!(
            refused.to_string().contains("another noroshi-agent"),
            "{refused}"
        );
        drop(first);
        StateLock::take(folder.path()).unwrap();
    }
}
