//! What is in the spool, in memory: which entries wait for the cloud, and which sequences they
//! hold. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use noroshi_protocol::{BootId, RangeSet, SequenceRange, Stream};

/// The records of one start of one device in one stream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Flow {
    pub(super) device: String,
    pub(super) boot: BootId,
    pub(super) stream: Stream,
}

/// Where an entry is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The cloud has not acknowledged all of it.
    Pending,
    /// Acknowledged at this time (Unix milliseconds); kept in case the cloud's store is replaced.
    Acknowledged(u64),
}

/// One batch.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) flow: Flow,
    pub(super) sequences: Vec<SequenceRange>,
    /// On the disk, about.
    pub(super) bytes: u64,
    pub(super) stage: Stage,
}

#[derive(Debug, Default)]
struct FlowState {
    pending: BTreeSet<u64>,
    /// Every sequence that has been in the spool.
    seen: RangeSet,
    /// Acknowledged sequences of entries that are not acknowledged as a whole.
    settled: RangeSet,
    entries: usize,
}

/// The index of a spool.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: BTreeMap<u64, Entry>,
    pending: BTreeSet<u64>,
    /// Number by time of acknowledgement, oldest first.
    acknowledged: BTreeSet<(u64, u64)>,
    flows: HashMap<Flow, FlowState>,
    bytes: u64,
    pending_bytes: u64,
}

impl Index {
    pub(super) fn insert(&mut self, number: u64, entry: Entry) {
        let state = self.flows.entry(entry.flow.clone()).or_default();
        state.entries += 1;
        for range in &entry.sequences {
            state.seen.insert(*range);
        }
        self.bytes += entry.bytes;
        match entry.stage {
            Stage::Pending => {
                state.pending.insert(number);
                self.pending.insert(number);
                self.pending_bytes += entry.bytes;
            }
            Stage::Acknowledged(at_ms) => {
                self.acknowledged.insert((at_ms, number));
            }
        }
        self.entries.insert(number, entry);
    }

    /// Forgets an entry.
    pub(super) fn remove(&mut self, number: u64) -> Option<Entry> {
        let entry = self.entries.remove(&number)?;
        self.bytes -= entry.bytes;
        match entry.stage {
            Stage::Pending => {
                self.pending.remove(&number);
                self.pending_bytes -= entry.bytes;
            }
            Stage::Acknowledged(at_ms) => {
                self.acknowledged.remove(&(at_ms, number));
            }
        }
        if let Some(state) = self.flows.get_mut(&entry.flow) {
            state.pending.remove(&number);
            state.entries -= 1;
        }
        Some(entry)
    }

    /// Forgets what was seen of starts that have no entry and are not in `keep`.
    pub(super) fn forget_idle(&mut self, most: usize) {
        let idle = self
            .flows
            .values()
            .filter(|state| state.entries == 0)
            .count();
        if idle > most {
            self.flows.retain(|_, state| state.entries > 0);
        }
    }

    /// Whether every sequence has been here before.
    pub(super) fn has_seen(&self, flow: &Flow, sequences: &RangeSet) -> bool {
        let Some(state) = self.flows.get(flow) else {
            return false;
        };
        sequences
            .ranges()
            .iter()
            .all(|range| covers(&state.seen, *range))
    }

    /// Those of a flow's waiting sequences in `range` that were not settled before.
    pub(super) fn unsettled(&self, flow: &Flow, range: SequenceRange) -> RangeSet {
        let Some(state) = self.flows.get(flow) else {
            return RangeSet::default();
        };
        let entries = state
            .pending
            .iter()
            .filter_map(|number| self.entries.get(number));
        let mut unsettled = RangeSet::default();
        for held in entries.flat_map(|entry| &entry.sequences) {
            for sequence in held.from.max(range.from)..=held.to.min(range.to) {
                if !state.settled.contains(sequence) {
                    unsettled.insert_one(sequence);
                }
            }
        }
        unsettled
    }

    /// Takes sequences as settled; answers the entries that are acknowledged by it as a whole.
    pub(super) fn settle(
        &mut self,
        flow: &Flow,
        ranges: impl IntoIterator<Item = SequenceRange>,
        now_ms: u64,
    ) -> Vec<u64> {
        let Some(state) = self.flows.get_mut(flow) else {
            return Vec::new();
        };
        for range in ranges {
            state.settled.insert(range);
        }
        let done: Vec<u64> = state
            .pending
            .iter()
            .filter(|number| {
                self.entries.get(*number).is_some_and(|entry| {
                    entry
                        .sequences
                        .iter()
                        .all(|range| covers(&state.settled, *range))
                })
            })
            .copied()
            .collect();
        for number in &done {
            state.pending.remove(number);
        }
        if state.pending.is_empty() {
            state.settled = RangeSet::default();
        }
        for number in &done {
            self.acknowledge(*number, now_ms);
        }
        done
    }

    /// An entry does not wait any more.
    pub(super) fn acknowledge(&mut self, number: u64, now_ms: u64) {
        let Some(entry) = self.entries.get_mut(&number) else {
            return;
        };
        if entry.stage != Stage::Pending {
            return;
        }
        entry.stage = Stage::Acknowledged(now_ms);
        self.pending.remove(&number);
        self.pending_bytes -= entry.bytes;
        self.acknowledged.insert((now_ms, number));
        if let Some(state) = self.flows.get_mut(&entry.flow) {
            state.pending.remove(&number);
        }
    }

    /// Every entry waits again: the cloud's store is another one.
    pub(super) fn all_pending(&mut self) {
        for (_, number) in std::mem::take(&mut self.acknowledged) {
            let Some(entry) = self.entries.get_mut(&number) else {
                continue;
            };
            entry.stage = Stage::Pending;
            self.pending.insert(number);
            self.pending_bytes += entry.bytes;
            if let Some(state) = self.flows.get_mut(&entry.flow) {
                state.pending.insert(number);
            }
        }
        for state in self.flows.values_mut() {
            state.settled = RangeSet::default();
        }
    }

    /// Waiting entries after `after`, at most `count`.
    pub(super) fn pending_after(&self, after: Option<u64>, count: usize) -> Vec<u64> {
        let from = after.map_or(0, |after| after.saturating_add(1));
        self.pending.range(from..).take(count).copied().collect()
    }

    pub(super) fn is_pending(&self, number: u64) -> bool {
        self.pending.contains(&number)
    }

    /// The entries that go first: acknowledged ones by age, then (`may_drop`) the oldest waiting.
    pub(super) fn victims(&self, to_free: u64, may_drop: impl Fn(&Entry) -> bool) -> Vec<u64> {
        let acknowledged = self.acknowledged.iter().map(|(_, number)| *number);
        let waiting = self.pending.iter().copied();
        let mut victims = Vec::new();
        let mut freed = 0;
        for number in acknowledged.chain(waiting) {
            if freed >= to_free {
                break;
            }
            let Some(entry) = self.entries.get(&number) else {
                continue;
            };
            if entry.stage != Stage::Pending || may_drop(entry) {
                freed += entry.bytes;
                victims.push(number);
            }
        }
        victims
    }

    /// Entries acknowledged before `before_ms`.
    pub(super) fn outlived(&self, before_ms: u64) -> Vec<u64> {
        self.acknowledged
            .range(..(before_ms, 0))
            .map(|(_, number)| *number)
            .collect()
    }

    pub(super) fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.get(&number)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn pending(&self) -> (u64, u64) {
        (self.pending.len() as u64, self.pending_bytes)
    }

    pub(super) fn last(&self) -> Option<u64> {
        self.entries.keys().next_back().copied()
    }
}

fn covers(set: &RangeSet, range: SequenceRange) -> bool {
    let at = set.ranges().partition_point(|known| known.to < range.from);
    set.ranges()
        .get(at)
        .is_some_and(|known| known.from <= range.from && range.to <= known.to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(boot: u8) -> Flow {
        Flow {
            device: "d".into(),
            boot: BootId::from_bytes([boot; 16]),
            stream: Stream::Result,
        }
    }

    fn range(from: u64, to: u64) -> SequenceRange {
        SequenceRange { from, to }
    }

    fn entry(boot: u8, ranges: &[SequenceRange]) -> Entry {
        Entry {
            flow: flow(boot),
            sequences: ranges.to_vec(),
            bytes: 100,
            stage: Stage::Pending,
        }
    }

    #[test]
    fn an_entry_is_acknowledged_when_all_of_it_is_settled() {
        let mut index = Index::default();
        index.insert(1, entry(1, &[range(0, 4), range(6, 6)]));
        index.insert(2, entry(1, &[range(5, 5), range(7, 9)]));
        index.insert(3, entry(2, &[range(0, 4)]));
        assert!(index.settle(&flow(1), [range(0, 5)], 10).is_empty());
        assert_eq!(index.settle(&flow(1), [range(6, 6)], 11), [1]);
        assert_eq!(index.pending_after(None, 9), [2, 3]);
        assert_eq!(index.settle(&flow(1), [range(0, 9)], 12), [2]);
        assert_eq!(index.pending(), (1, 100));
        assert!(index.settle(&flow(9), [range(0, 9)], 13).is_empty());
    }

    #[test]
    fn a_duplicate_is_known_even_after_its_acknowledgement() {
        let mut index = Index::default();
        index.insert(1, entry(1, &[range(0, 4)]));
        index.insert(2, entry(1, &[range(5, 6)]));
        index.settle(&flow(1), [range(0, 6)], 1);
        let all: RangeSet = [range(2, 6)].into_iter().collect();
        assert!(index.has_seen(&flow(1), &all));
        let more: RangeSet = [range(2, 7)].into_iter().collect();
        assert!(!index.has_seen(&flow(1), &more));
        assert!(!index.has_seen(&flow(2), &all));
    }

    #[test]
    fn acknowledged_entries_go_before_waiting_ones() {
        let mut index = Index::default();
        for number in 1..=4 {
            index.insert(number, entry(number as u8, &[range(0, 0)]));
        }
        index.settle(&flow(3), [range(0, 0)], 5);
        assert_eq!(index.victims(150, |_| true), [3, 1]);
        assert_eq!(
            index.victims(1000, |entry| entry.flow != flow(2)),
            [3, 1, 4]
        );
        assert_eq!(index.outlived(6), [3]);
        assert!(index.outlived(5).is_empty());
    }

    #[test]
    fn another_store_makes_everything_wait_again() {
        let mut index = Index::default();
        index.insert(1, entry(1, &[range(0, 4)]));
        index.settle(&flow(1), [range(0, 4)], 5);
        assert_eq!(index.pending(), (0, 0));
        index.all_pending();
        assert_eq!(index.pending_after(None, 9), [1]);
        assert_eq!(index.settle(&flow(1), [range(0, 4)], 6), [1]);
        assert_eq!(index.remove(1).unwrap().bytes, 100);
        assert_eq!(index.bytes(), 0);
    }
}
