//! The source's own record of what it sent, for proofs: independent of everything downstream.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use noroshi_protocol::FrameId;

use crate::AgentError;

/// One line a frame, written before the frame is announced.
pub(super) struct FrameLog {
    file: Option<File>,
}

impl FrameLog {
    pub(super) fn open(path: Option<&Path>) -> Result<Self, AgentError> {
        let file = path
            .map(|path| {
                File::options()
                    .append(true)
                    .create(true)
                    .open(path)
                    .map_err(AgentError::io(format!("open {}", path.display())))
            })
            .transpose()?;
        Ok(Self { file })
    }

    pub(super) fn write(
        &mut self,
        id: FrameId,
        picture: &str,
        boottime_ns: u64,
    ) -> Result<(), AgentError> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        // One write, so that a kill leaves a whole line or none.
        let line = format!("{id}\t{picture}\t{}\n", boottime_ns / 1_000_000);
        file.write_all(line.as_bytes())
            .map_err(AgentError::io("write the frame log"))
    }
}
