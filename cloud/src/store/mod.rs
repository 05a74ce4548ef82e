//! The store: SQLite, one writer, several readers, one module an aggregate.
//!
//! Everything that must hold together is one transaction of the writer; what was committed is on
//! the disk (write-ahead log, `synchronous = FULL`), so an acknowledgement may follow.

mod accounts;
mod assignments;
mod blobs;
mod certificates;
mod commands;
mod compressions;
mod delivery;
mod desired;
mod enrolment;
mod ingest;
mod models;
mod page;
mod peers;
mod pipelines;
mod presence;
mod records;
mod rollouts;
mod rows;
mod settings;
mod sites;
mod stamps;
mod unissued;

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};

use crate::error::Result;

pub use accounts::{Account, ApiTokenRow, Scope};
pub use assignments::Assigned;
pub use certificates::Issued;
pub use commands::CommandRow;
pub use compressions::{CompressionRow, Ended, NewCompression};
pub use delivery::{DeliveryTotals, PeerDelivery};
pub use desired::DesiredRow;
pub(crate) use enrolment::unknown_token;
pub use enrolment::{Enrolled, EnrolmentTokenRow, NewEnrolmentToken, PeerKind, Redemption};
pub use ingest::{AckTo, Delivered, Records};
pub use models::{ModelRow, VersionRow};
pub use page::{Page, PageRequest};
pub use peers::{PeerFilter, PeerOrder, PeerRow, peer_key};
pub use pipelines::PipelineRow;
pub use records::{EventRow, RecordFilter, ResultRow};
pub use rollouts::{NewRollout, RolloutRow, RolloutTarget};
pub use sites::SiteRow;
pub use unissued::Unissued;

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// A commit is on the disk when it returns.
    Synced,
    /// A commit may be lost by a power cut. Only for the proof that a test notices.
    UnsafeNotSynced,
}

impl Durability {
    /// Synced, unless `NOROSHI_UNSAFE_NO_SYNC=1` says that a test wants to see losses.
    pub fn from_environment() -> Self {
        if std::env::var("NOROSHI_UNSAFE_NO_SYNC").is_ok_and(|value| value == "1") {
            tracing::warn!("NOROSHI_UNSAFE_NO_SYNC=1: a power cut will lose acknowledged results");
            Self::UnsafeNotSynced
        } else {
            Self::Synced
        }
    }
}

/// The cloud's store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    writer: SqlitePool,
    reader: SqlitePool,
}

/// A transaction of the one writer.
pub(crate) type WriteTransaction = Transaction<'static, Sqlite>;

const READERS: u32 = 4;
const PATIENCE: Duration = Duration::from_secs(10);

impl Store {
    /// Opens the store in the file at `path`, which is made if it is not there, and brings its
    /// layout up to date.
    pub async fn open(path: &Path, durability: Durability) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(match durability {
                Durability::Synced => SqliteSynchronous::Full,
                Durability::UnsafeNotSynced => SqliteSynchronous::Off,
            })
            .foreign_keys(true)
            .busy_timeout(PATIENCE);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .acquire_timeout(PATIENCE)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await?;
        sqlx::migrate!("./migrations").run(&writer).await?;
        let reader = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(PATIENCE)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await?;
        Ok(Self { writer, reader })
    }

    /// Ends every connection; what was committed stays.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    pub(crate) async fn begin(&self) -> Result<WriteTransaction> {
        // Immediately, so that no read inside can be overtaken by another writer.
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

/// SQLite's integers are signed: larger numbers become the largest.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The number again; what is below zero was never stored by us.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
pub(crate) mod tests;
