//! The store of the spool on sled 0.34: one thread has it.

mod change;
mod refused;
mod room;
mod settle;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use noroshi_protocol::{BootId, Event, StoreId};
use noroshi_service::clock::SessionClock;
use noroshi_service::durability::Durability;
use sled::{Db, Tree};

use super::index::{Flow, Index, Stage};
use super::own::Own;
use super::stored::{Stored, number_of};
use super::{SpoolOptions, SpoolStats, fault};
use crate::GatewayError;
use crate::delivery::{Incoming, Kept};
use crate::start::{Start, random};
use change::{Change, entry, stored};
use refused::Refusals;

pub use settle::Settled;

/// Most of sled's memory; entries are written once and read in order.
const CACHE_BYTES: u64 = 2 << 20;
/// Left free on the disk.
const RESERVE_BYTES: u64 = 16 << 20;
/// Starts without entries that are remembered for finding duplicates.
const IDLE_FLOWS: usize = 2_000;
/// Own pages and keys a piece costs beside its bytes, about.
const OVERHEAD: u64 = 32;
const OUR_STORE: &[u8] = b"store";
const CLOUD_STORE: &[u8] = b"cloud store";

/// A batch to be sent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its place in the order of arrival.
    pub number: u64,
    /// Where it was published and is to be published.
    pub topic: String,
    /// Its bytes.
    pub payload: Vec<u8>,
}

pub(super) struct Store {
    folder: PathBuf,
    database: Db,
    records: Tree,
    acknowledged: Tree,
    durability: Durability,
    options: SpoolOptions,
    index: Index,
    next: u64,
    own: Own,
    id: StoreId,
    dropped: u64,
    refusals: Refusals,
}

/// Opens the database; panics on some kinds of damage.
pub(super) fn open_database(folder: &Path) -> Result<Db, GatewayError> {
    sled::Config::new()
        .path(folder)
        .cache_capacity(CACHE_BYTES)
        .mode(sled::Mode::LowSpace)
        .flush_every_ms(None)
        .open()
        .map_err(|error| fault(folder, error))
}

impl Store {
    pub(super) fn open(
        folder: &Path,
        options: SpoolOptions,
        start: Start,
        clock: Arc<SessionClock>,
    ) -> Result<Self, GatewayError> {
        let database = open_database(folder)?;
        let broken = |error| fault(folder, error);
        let records = database.open_tree("records").map_err(broken)?;
        let acknowledged = database.open_tree("acknowledged").map_err(broken)?;
        let id = own_id(&database).map_err(broken)??;
        let mut store = Self {
            folder: folder.to_owned(),
            durability: Durability::of(folder, "spool")?,
            database,
            records,
            acknowledged,
            options,
            index: Index::default(),
            next: 0,
            own: Own::new(start, clock),
            id,
            dropped: 0,
            refusals: Refusals::default(),
        };
        store.count()?;
        store.sync()?;
        Ok(store)
    }

    fn sync(&mut self) -> Result<(), GatewayError> {
        let (database, folder) = (&self.database, &self.folder);
        let flush = || {
            database
                .flush()
                .map(|_| ())
                .map_err(|error| fault(folder, error))
        };
        self.durability.make_durable(flush)
    }

    pub(super) fn id(&self) -> &StoreId {
        &self.id
    }

    fn broken(&self, error: sled::Error) -> GatewayError {
        fault(&self.folder, error)
    }

    /// Reads everything once, into the index.
    fn count(&mut self) -> Result<(), GatewayError> {
        let mut pieces: Vec<sled::IVec> = Vec::new();
        let mut current = None;
        let records = self.records.clone();
        for piece in &records {
            let (key, value) = piece.map_err(|error| self.broken(error))?;
            let Some(number) = number_of(&key) else {
                continue;
            };
            if current.is_some_and(|current| current != number) {
                self.take_in(current, &std::mem::take(&mut pieces))?;
            }
            current = Some(number);
            pieces.push(value);
        }
        self.take_in(current, &pieces)?;
        self.next = self.index.last().map_or(0, |last| last + 1);
        for entry in &self.acknowledged.clone() {
            let (key, _) = entry.map_err(|error| self.broken(error))?;
            let known = key.as_ref().try_into().map(u64::from_be_bytes);
            if !known.is_ok_and(|number| self.index.entry(number).is_some()) {
                self.acknowledged
                    .remove(&key)
                    .map_err(|error| self.broken(error))?;
            }
        }
        Ok(())
    }

    fn take_in(&mut self, number: Option<u64>, pieces: &[sled::IVec]) -> Result<(), GatewayError> {
        let Some(number) = number else { return Ok(()) };
        let Some(stored) = Stored::join(pieces) else {
            // A batch is written at once, so this is damage that sled did not notice.
            tracing::error!(
                number,
                "an entry of the spool can't be read and is left out"
            );
            return Ok(());
        };
        let acknowledged = self
            .acknowledged
            .get(number.to_be_bytes())
            .map_err(|error| self.broken(error))?
            .and_then(|at| at.as_ref().try_into().ok().map(u64::from_be_bytes));
        let stage = acknowledged.map_or(Stage::Pending, Stage::Acknowledged);
        let bytes = pieces
            .iter()
            .map(|piece| piece.len() as u64 + OVERHEAD)
            .sum();
        self.index.insert(number, entry(&stored, bytes, stage));
        Ok(())
    }

    /// Keeps batches in one synced write.
    pub(super) fn keep(&mut self, batches: &[Arc<Incoming>]) -> Result<Vec<Kept>, GatewayError> {
        let mut change = Change::default();
        let mut kept = Vec::with_capacity(batches.len());
        for incoming in batches {
            let sequences = incoming.sequences();
            let flow = Flow {
                device: incoming.topic.device.to_string(),
                boot: incoming.boot(),
                stream: incoming.stream(),
            };
            if !self.index.has_seen(&flow, &sequences) {
                self.add(&mut change, &stored(incoming, &flow, &sequences))?;
            }
            kept.push(Kept {
                settled: sequences,
                refused: Vec::new(),
            });
        }
        self.make_room(&mut change)?;
        self.commit(change)?;
        Ok(kept)
    }

    /// Keeps events of the gateway itself.
    pub(super) fn report(&mut self, events: Vec<Event>) -> Result<(), GatewayError> {
        let mut change = Change::default();
        self.add_own(&mut change, events)?;
        self.commit(change)
    }

    fn add_own(&mut self, change: &mut Change, events: Vec<Event>) -> Result<(), GatewayError> {
        for stored in self.own.batches(events) {
            self.add(change, &stored)?;
        }
        Ok(())
    }

    fn add(&mut self, change: &mut Change, stored: &Stored) -> Result<(), GatewayError> {
        let number = self.next;
        let pieces = stored.pieces(number).ok_or_else(|| GatewayError::Spool {
            folder: self.folder.clone(),
            reason: "a batch does not fit".into(),
            full: false,
        })?;
        self.next += 1;
        let mut bytes = 0;
        for (key, value) in pieces {
            bytes += value.len() as u64 + OVERHEAD;
            change.batch.insert(&key, value);
        }
        change.bytes += bytes;
        change
            .added
            .push((number, entry(stored, bytes, Stage::Pending)));
        Ok(())
    }

    fn remove_pieces(&self, change: &mut Change, number: u64) -> Result<(), GatewayError> {
        for piece in self.records.scan_prefix(number.to_be_bytes()) {
            let (key, _) = piece.map_err(|error| self.broken(error))?;
            change.batch.remove(key);
        }
        Ok(())
    }

    fn commit(&mut self, change: Change) -> Result<(), GatewayError> {
        if change.added.is_empty() && change.removed.is_empty() {
            return Ok(());
        }
        noroshi_service::failpoint::pass("spool.before_write");
        self.records
            .apply_batch(change.batch)
            .map_err(|error| self.broken(error))?;
        self.sync()?;
        for number in change.removed {
            self.index.remove(number);
            let _ = self.acknowledged.remove(number.to_be_bytes());
        }
        for (number, entry) in change.added {
            self.index.insert(number, entry);
        }
        self.index.forget_idle(IDLE_FLOWS);
        Ok(())
    }

    /// Batches after `after` that wait, oldest first, at most `count`.
    pub(super) fn waiting(
        &self,
        after: Option<u64>,
        count: usize,
    ) -> Result<Vec<Waiting>, GatewayError> {
        let mut waiting = Vec::new();
        for number in self.index.pending_after(after, count) {
            let mut pieces = Vec::new();
            for piece in self.records.scan_prefix(number.to_be_bytes()) {
                pieces.push(piece.map_err(|error| self.broken(error))?.1);
            }
            if let Some(stored) = Stored::join(&pieces) {
                waiting.push(Waiting {
                    number,
                    topic: stored.topic,
                    payload: stored.payload,
                });
            }
        }
        Ok(waiting)
    }

    /// Deletes what was acknowledged long enough ago, and tells what was left to tell.
    pub(super) fn tidy(&mut self, now_ms: u64) -> Result<(), GatewayError> {
        self.tell_all_refused(now_ms)?;
        let before = now_ms.saturating_sub(self.options.keep_acknowledged_ms);
        let mut change = Change::default();
        for number in self.index.outlived(before).into_iter().take(1_000) {
            self.remove_pieces(&mut change, number)?;
            change.removed.push(number);
        }
        self.commit(change)
    }

    pub(super) fn is_pending(&self, number: u64) -> bool {
        self.index.is_pending(number)
    }

    pub(super) fn stats(&self) -> SpoolStats {
        let (pending, pending_bytes) = self.index.pending();
        SpoolStats {
            pending,
            pending_bytes,
            bytes: self.index.bytes(),
            dropped: self.dropped,
            refused: self.refusals.count,
        }
    }

    /// The number that the next batch gets.
    pub(super) fn next(&self) -> u64 {
        self.next
    }
}

fn own_id(database: &Db) -> Result<Result<StoreId, GatewayError>, sled::Error> {
    if let Some(id) = database.get(OUR_STORE)?
        && let Ok(id) = String::from_utf8_lossy(&id).parse()
    {
        return Ok(Ok(id));
    }
    let id = match random::<16>() {
        Ok(bytes) => BootId::from_bytes(bytes).to_string(),
        Err(error) => return Ok(Err(error)),
    };
    database.insert(OUR_STORE, id.as_bytes())?;
    Ok(Ok(id.parse().expect("hexadecimal digits are an id")))
}
