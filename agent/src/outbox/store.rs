//! The outbox on sled 0.34.

use std::collections::BTreeMap;
use std::path::Path;

use noroshi_protocol::{BootId, SequenceRange, Stream};
use noroshi_service::durability::{Durability, remove_unfinished_snapshots};
use noroshi_service::failpoint;
use sled::{Batch, Db, Tree};

use super::keys::{self, boot_key, place_of, record_key, stream_prefix};
use super::{Held, Holdings, NewRecord, Outbox, Place, Quota, Stamp, Start, drop_event};
use crate::AgentError;

/// Most of sled's memory; the records are small and read in order.
const CACHE_BYTES: u64 = 1 << 20;
/// sled keeps dozens of buffers of this size alive between its own collections, so that the
/// default of half a megabyte would cost more memory than the rest of the agent. A leaf of usual
/// records stays well below a quarter of it, from where on sled puts it into a file of its own.
const SEGMENT_BYTES: usize = 128 << 10;

/// A store that this process alone has open.
pub struct SledOutbox {
    database: Db,
    tree: Tree,
    durability: Durability,
    quota: Quota,
    /// Starts of which records are held, and the current one.
    starts: BTreeMap<u64, Start>,
    current: Start,
    next: BTreeMap<Stream, u64>,
    bytes: BTreeMap<Stream, u64>,
    holdings: Holdings,
}

pub(super) fn fault(error: sled::Error) -> AgentError {
    match error {
        sled::Error::Io(source) => AgentError::io("use the outbox's disk")(source),
        other => AgentError::Outbox(other.to_string()),
    }
}

fn flushed(database: &Db) -> Result<(), AgentError> {
    database.flush().map(|_| ()).map_err(fault)
}

/// Opens the database; panics or worse on some kinds of damage, so try it in a child first.
pub(super) fn open_database(folder: &Path) -> Result<Db, AgentError> {
    sled::Config::new()
        .path(folder)
        .cache_capacity(CACHE_BYTES)
        .segment_size(SEGMENT_BYTES)
        .mode(sled::Mode::LowSpace)
        .flush_every_ms(None)
        .open()
        .map_err(fault)
}

impl SledOutbox {
    /// Opens or makes the store in `folder` for the start `current`.
    pub fn open(folder: &Path, quota: Quota, current: Start) -> Result<Self, AgentError> {
        remove_unfinished_snapshots(folder)?;
        let database = open_database(folder)?;
        let tree = database.open_tree("records").map_err(fault)?;
        database.flush().map_err(fault)?;
        let mut outbox = Self {
            durability: Durability::of(folder, "outbox")?,
            database,
            tree,
            quota,
            starts: BTreeMap::new(),
            current,
            next: BTreeMap::new(),
            bytes: BTreeMap::new(),
            holdings: Holdings::default(),
        };
        outbox.count()?;
        outbox.begin()?;
        Ok(outbox)
    }

    fn count(&mut self) -> Result<(), AgentError> {
        for entry in self.tree.scan_prefix(keys::BOOTS) {
            let (key, value) = entry.map_err(fault)?;
            let start: Start = serde_cbor::from_slice(&value)
                .map_err(|_| AgentError::Outbox("a start can't be read back".into()))?;
            if keys::start_of(&key) == Some(start.number) {
                self.starts.insert(start.number, start);
            }
        }
        for stream in Stream::ALL {
            let mut bytes = 0;
            for entry in self.tree.scan_prefix(stream_prefix(stream)) {
                let (key, value) = entry.map_err(fault)?;
                place_of(&key)?;
                bytes += (key.len() + value.len()) as u64;
                self.holdings.held += 1;
            }
            self.bytes.insert(stream, bytes);
            self.holdings.bytes += bytes;
        }
        if let Some(dropped) = self.tree.get(keys::DROPPED).map_err(fault)? {
            self.holdings.dropped = dropped.as_ref().try_into().map_or(0, u64::from_be_bytes);
        }
        Ok(())
    }

    /// Writes down the current start and forgets those without records.
    fn begin(&mut self) -> Result<(), AgentError> {
        let mut batch = Batch::default();
        let idle: Vec<u64> = self
            .starts
            .keys()
            .copied()
            .filter(|start| !self.has_records_of(*start))
            .collect();
        for start in idle {
            self.starts.remove(&start);
            batch.remove(&boot_key(start));
        }
        // The same start again is a store that was closed and reopened in one run.
        for stream in Stream::ALL {
            let next = self
                .last_of(stream, self.current.number)?
                .map_or(0, |l| l + 1);
            self.next.insert(stream, next);
        }
        let described = serde_cbor::to_vec(&self.current)
            .map_err(|e| AgentError::Outbox(format!("can't encode a start: {e}")))?;
        batch.insert(&boot_key(self.current.number), described);
        self.starts.insert(self.current.number, self.current);
        self.tree.apply_batch(batch).map_err(fault)?;
        self.durability.make_durable(|| flushed(&self.database))
    }

    /// After a reopen within one start: sequences that were given but whose write failed must not
    /// be given again.
    pub fn skip_to(&mut self, stream: Stream, next: u64) {
        let known = self.next.entry(stream).or_insert(0);
        *known = next.max(*known);
    }

    /// The sequence that the next record of `stream` gets.
    pub fn next_sequence(&self, stream: Stream) -> u64 {
        self.next.get(&stream).copied().unwrap_or(0)
    }

    fn has_records_of(&self, start: u64) -> bool {
        Stream::ALL.into_iter().any(|stream| {
            let place = Place { start, sequence: 0 };
            let prefix = record_key(stream, place);
            self.tree.scan_prefix(&prefix[..9]).next().is_some()
        })
    }

    fn last_of(&self, stream: Stream, start: u64) -> Result<Option<u64>, AgentError> {
        let prefix = record_key(stream, Place { start, sequence: 0 });
        match self.tree.scan_prefix(&prefix[..9]).next_back() {
            None => Ok(None),
            Some(entry) => Ok(Some(place_of(&entry.map_err(fault)?.0)?.sequence)),
        }
    }

    /// What must go so that `more` bytes fit: the oldest first, down to seven eighths, and never
    /// what tells of dropped records.
    fn surplus(&self, stream: Stream, more: u64) -> Result<Vec<(Place, u64)>, AgentError> {
        let held = self.bytes.get(&stream).copied().unwrap_or(0);
        let quota = self.quota.of(stream);
        if held + more <= quota {
            return Ok(Vec::new());
        }
        let enough = (held + more).saturating_sub(quota / 8 * 7);
        let mut victims = Vec::new();
        let mut freed = 0;
        for entry in self.tree.scan_prefix(stream_prefix(stream)) {
            if freed >= enough {
                break;
            }
            let (key, value) = entry.map_err(fault)?;
            if keys::must_stay(&value) {
                continue;
            }
            let bytes = (key.len() + value.len()) as u64;
            freed += bytes;
            victims.push((place_of(&key)?, bytes));
        }
        Ok(victims)
    }

    fn add(
        &self,
        addition: &mut Addition,
        record: &NewRecord,
        keep: bool,
    ) -> Result<u64, AgentError> {
        let next = addition
            .next
            .entry(record.stream)
            .or_insert_with(|| self.next_sequence(record.stream));
        let sequence = *next;
        *next += 1;
        let place = Place {
            start: self.current.number,
            sequence,
        };
        let key = record_key(record.stream, place);
        let value = keys::encode(record, keep)?;
        *addition.bytes.entry(record.stream).or_default() += (key.len() + value.len()) as i64;
        addition.held += 1;
        addition.batch.insert(&key, value);
        Ok(sequence)
    }

    fn drop_surplus(
        &self,
        addition: &mut Addition,
        stream: Stream,
        stamp: Stamp,
    ) -> Result<(), AgentError> {
        let more = addition.bytes.get(&stream).copied().unwrap_or(0).max(0) as u64;
        let victims = self.surplus(stream, more)?;
        for (place, bytes) in &victims {
            addition.batch.remove(&record_key(stream, *place));
            *addition.bytes.entry(stream).or_default() -= *bytes as i64;
            addition.held -= 1;
            addition.dropped += 1;
        }
        let places: Vec<Place> = victims.into_iter().map(|(place, _)| place).collect();
        for (start, range) in ranges(&places) {
            // A start whose description is gone has no records either.
            if let Some(start) = self.starts.get(&start) {
                let record = drop_event(start.boot, stream, range, stamp);
                self.add(addition, &record, true)?;
            }
        }
        Ok(())
    }
}

/// A change that is being put together.
#[derive(Default)]
struct Addition {
    batch: Batch,
    next: BTreeMap<Stream, u64>,
    bytes: BTreeMap<Stream, i64>,
    held: i64,
    dropped: u64,
}

/// Neighbours joined: the fewest ranges, each within one start.
fn ranges(places: &[Place]) -> Vec<(u64, SequenceRange)> {
    let mut ranges: Vec<(u64, SequenceRange)> = Vec::new();
    for place in places {
        match ranges.last_mut() {
            Some((start, range)) if *start == place.start && range.to + 1 == place.sequence => {
                range.to = place.sequence;
            }
            _ => ranges.push((
                place.start,
                SequenceRange {
                    from: place.sequence,
                    to: place.sequence,
                },
            )),
        }
    }
    ranges
}

impl Outbox for SledOutbox {
    fn append(&mut self, records: &[NewRecord]) -> Result<Vec<u64>, AgentError> {
        let Some(last) = records.last() else {
            return Ok(Vec::new());
        };
        let mut addition = Addition::default();
        let sequences = records
            .iter()
            .map(|record| self.add(&mut addition, record, false))
            .collect::<Result<Vec<_>, _>>()?;
        for stream in Stream::ALL {
            self.drop_surplus(&mut addition, stream, last.stamp)?;
        }
        if addition.dropped > 0 {
            let dropped = self.holdings.dropped + addition.dropped;
            addition.batch.insert(keys::DROPPED, &dropped.to_be_bytes());
        }
        // From here on these sequences are used up, even if the write fails half way.
        self.next.append(&mut addition.next);
        self.tree.apply_batch(addition.batch).map_err(fault)?;
        failpoint::pass("outbox.after_write");
        self.durability.make_durable(|| flushed(&self.database))?;
        self.holdings.held = self.holdings.held.saturating_add_signed(addition.held);
        self.holdings.dropped += addition.dropped;
        for (stream, change) in addition.bytes {
            let bytes = self.bytes.entry(stream).or_default();
            *bytes = bytes.saturating_add_signed(change);
            self.holdings.bytes = self.holdings.bytes.saturating_add_signed(change);
        }
        Ok(sequences)
    }

    fn read(
        &self,
        stream: Stream,
        after: Option<Place>,
        count: usize,
        bytes: usize,
    ) -> Result<Vec<Held>, AgentError> {
        let from = after.map_or_else(
            || stream_prefix(stream).to_vec(),
            |place| {
                let mut key = record_key(stream, place).to_vec();
                key.push(0);
                key
            },
        );
        let mut to = stream_prefix(stream);
        to[0] += 1;
        let mut held: Vec<Held> = Vec::new();
        let mut total = 0;
        for entry in self.tree.range(from..to.to_vec()) {
            let (key, value) = entry.map_err(fault)?;
            let place = place_of(&key)?;
            total += value.len();
            let other_start = held.first().is_some_and(|h| h.place.start != place.start);
            if held.len() == count || other_start || (!held.is_empty() && total > bytes) {
                break;
            }
            held.push(keys::decode(place, &value)?);
        }
        Ok(held)
    }

    fn settle(
        &mut self,
        stream: Stream,
        boot: BootId,
        ranges: &[SequenceRange],
    ) -> Result<u64, AgentError> {
        let Some(start) = self.starts.values().find(|start| start.boot == boot) else {
            return Ok(0);
        };
        let start = start.number;
        let mut batch = Batch::default();
        let (mut count, mut freed) = (0, 0);
        for range in ranges {
            let from = record_key(
                stream,
                Place {
                    start,
                    sequence: range.from,
                },
            );
            let to = record_key(
                stream,
                Place {
                    start,
                    sequence: range.to,
                },
            );
            for entry in self.tree.range(from..=to) {
                let (key, value) = entry.map_err(fault)?;
                count += 1;
                freed += (key.len() + value.len()) as u64;
                batch.remove(key);
            }
        }
        failpoint::pass("outbox.before_settle");
        // Not synced: after a power cut it is sent again and acknowledged again. The next append
        // syncs it along.
        self.tree.apply_batch(batch).map_err(fault)?;
        failpoint::pass("outbox.after_settle");
        self.holdings.held = self.holdings.held.saturating_sub(count);
        self.holdings.bytes = self.holdings.bytes.saturating_sub(freed);
        let bytes = self.bytes.entry(stream).or_default();
        *bytes = bytes.saturating_sub(freed);
        Ok(count)
    }

    fn start(&self, number: u64) -> Result<Option<Start>, AgentError> {
        Ok(self.starts.get(&number).copied())
    }

    fn holdings(&self) -> Holdings {
        self.holdings
    }
}
