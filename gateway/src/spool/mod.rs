//! The gateway's spool: batches of records between the site's broker and the cloud, on disk.
//!
//! A batch is in the spool before its device hears of it, waits there until the cloud has
//! acknowledged every record of it, and stays a while longer in case the cloud's store is
//! replaced by an older copy. Beyond its quota the oldest goes first, and an event says so.

mod index;
mod own;
mod quarantine;
mod store;
mod stored;
mod thread;

use std::path::Path;

pub use quarantine::{Probe, probe};
pub use store::{Settled, Waiting};
pub use thread::Spool;

use crate::GatewayError;

/// Sizes of a spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolOptions {
    /// Bytes on disk, about.
    pub quota_bytes: u64,
    /// How long acknowledged batches are kept, in milliseconds.
    pub keep_acknowledged_ms: u64,
}

impl Default for SpoolOptions {
    /// 256 MiB and 24 hours.
    fn default() -> Self {
        Self {
            quota_bytes: 256 << 20,
            keep_acknowledged_ms: 24 * 60 * 60 * 1000,
        }
    }
}

/// Numbers of a spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpoolStats {
    /// Batches that the cloud has not acknowledged.
    pub pending: u64,
    /// Their bytes.
    pub pending_bytes: u64,
    /// Bytes of everything that is kept.
    pub bytes: u64,
    /// Records dropped since the start.
    pub dropped: u64,
    /// Records that the cloud refused since the start.
    pub refused: u64,
}

fn fault(folder: &Path, error: sled::Error) -> GatewayError {
    let full = matches!(&error, sled::Error::Io(source)
        if noroshi_service::files::is_storage_full(source));
    GatewayError::Spool {
        folder: folder.to_owned(),
        reason: error.to_string(),
        full,
    }
}

#[cfg(test)]
mod tests;
