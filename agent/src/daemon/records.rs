//! Small files that are replaced whole: what must be known after a power cut.

use std::path::{Path, PathBuf};

use noroshi_fleet::update::Update;
use noroshi_protocol::{CommandId, Reply, StoreId};
use noroshi_service::files;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::AgentError;
use noroshi_service::failpoint;

const UPDATE: &str = "update.cbor";
const COMMANDS: &str = "commands.cbor";
const FLOOR: &str = "clock-floor.json";
const HOLDER: &str = "holder.json";
const LIMIT: u64 = 1 << 20;

/// The folder of the small files.
#[derive(Debug, Clone)]
pub(super) struct Records {
    folder: PathBuf,
}

/// A command that was begun, and how it ended if it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Obeyed {
    pub(super) id: CommandId,
    pub(super) reply: Option<Reply>,
}

impl Records {
    pub(super) fn open(folder: PathBuf) -> Result<Self, AgentError> {
        files::create_private_folder(&folder).map_err(AgentError::refused)?;
        Ok(Self { folder })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn update(&self) -> Result<Update, AgentError> {
        self.read(UPDATE, |bytes| serde_cbor::from_slice(bytes).ok())
    }

    pub(super) fn keep_update(&self, update: &Update) -> Result<(), AgentError> {
        failpoint::pass("update.before_persist");
        self.write(UPDATE, serde_cbor::to_vec(update).ok())?;
        failpoint::pass("update.after_persist");
        Ok(())
    }

    pub(super) fn commands(&self) -> Result<Vec<Obeyed>, AgentError> {
        self.read(COMMANDS, |bytes| serde_cbor::from_slice(bytes).ok())
    }

    pub(super) fn keep_commands(&self, commands: &[Obeyed]) -> Result<(), AgentError> {
        self.write(COMMANDS, serde_cbor::to_vec(&commands).ok())
    }

    /// The clock's floor, Unix milliseconds; 0 before the first.
    pub(super) fn floor_ms(&self) -> Result<u64, AgentError> {
        self.read(FLOOR, |bytes| serde_json::from_slice(bytes).ok())
    }

    /// Keeps the floor if it has risen.
    pub(super) fn keep_floor_ms(&self, floor_ms: u64) -> Result<(), AgentError> {
        if floor_ms <= self.floor_ms()? {
            return Ok(());
        }
        self.write(FLOOR, serde_json::to_vec(&floor_ms).ok())
    }

    /// The store of the next holder that acknowledged last.
    pub(super) fn holder(&self) -> Result<Option<StoreId>, AgentError> {
        self.read(HOLDER, |bytes| serde_json::from_slice(bytes).ok())
    }

    pub(super) fn keep_holder(&self, store: &StoreId) -> Result<(), AgentError> {
        self.write(HOLDER, serde_json::to_vec(store).ok())
    }

    /// A file that can't be understood is moved aside: a device that forgot is told anew, one
    /// that does not start is not.
    fn read<T: Default + DeserializeOwned>(
        &self,
        name: &str,
        decode: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<T, AgentError> {
        let path = self.folder.join(name);
        let bytes = match files::read_bounded(&path, LIMIT) {
            Ok(bytes) => bytes,
            Err(e) if e.is_not_found() => return Ok(T::default()),
            Err(e) => return Err(AgentError::refused(e)),
        };
        if let Some(value) = decode(&bytes) {
            return Ok(value);
        }
        let aside = path.with_extension("unreadable");
        tracing::error!(file = %path.display(), "unreadable, moved aside");
        std::fs::rename(&path, aside)
            .map_err(AgentError::io(format!("move {} aside", path.display())))?;
        Ok(T::default())
    }

    fn write(&self, name: &str, bytes: Option<Vec<u8>>) -> Result<(), AgentError> {
        let bytes = bytes.ok_or_else(|| AgentError::Refused(format!("{name} can't be encoded")))?;
        files::write_atomic(&self.folder.join(name), &bytes).map_err(AgentError::refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_found_and_rubbish_is_moved_aside() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(folder.path().join("state")).unwrap();
        assert_eq!(records.update().unwrap(), Update::default());
        let store: StoreId = "s1".parse().unwrap();
        records.keep_floor_ms(5).unwrap();
        records.keep_floor_ms(4).unwrap();
        records.keep_holder(&store).unwrap();
        records.keep_update(&Update::new()).unwrap();
        assert_eq!(records.floor_ms().unwrap(), 5);
        assert_eq!(records.holder().unwrap(), Some(store));
        std::fs::write(records.folder().join(HOLDER), "{").unwrap();
        assert_eq!(records.holder().unwrap(), None);
        assert!(records.folder().join("holder.unreadable").exists());
    }
}
