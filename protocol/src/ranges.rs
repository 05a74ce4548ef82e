//! Sets of sequence numbers as ranges: what is settled, what is missing.

use serde::{Deserialize, Serialize};

/// The numbers `from..=to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
pub struct SequenceRange {
    /// First number.
    pub from: u64,
    /// Last number, included.
    pub to: u64,
}

impl From<(u64, u64)> for SequenceRange {
    fn from((from, to): (u64, u64)) -> Self {
        Self { from, to }
    }
}

impl From<SequenceRange> for (u64, u64) {
    fn from(range: SequenceRange) -> Self {
        (range.from, range.to)
    }
}

impl SequenceRange {
    /// Whether the ends are in order.
    pub const fn is_sound(&self) -> bool {
        self.from <= self.to
    }

    /// How many numbers it has.
    pub const fn count(&self) -> u64 {
        (self.to - self.from).saturating_add(1)
    }
}

/// A set of numbers, kept as the fewest ranges, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<SequenceRange>", into = "Vec<SequenceRange>")]
pub struct RangeSet {
    ranges: Vec<SequenceRange>,
}

impl From<Vec<SequenceRange>> for RangeSet {
    fn from(ranges: Vec<SequenceRange>) -> Self {
        ranges.into_iter().filter(SequenceRange::is_sound).collect()
    }
}

impl From<RangeSet> for Vec<SequenceRange> {
    fn from(set: RangeSet) -> Self {
        set.ranges
    }
}

impl FromIterator<SequenceRange> for RangeSet {
    fn from_iter<I: IntoIterator<Item = SequenceRange>>(ranges: I) -> Self {
        let mut set = Self::default();
        for range in ranges {
            set.insert(range);
        }
        set
    }
}

impl RangeSet {
    /// Adds one number; whether it was new.
    pub fn insert_one(&mut self, number: u64) -> bool {
        let new = !self.contains(number);
        if new {
            self.insert(SequenceRange {
                from: number,
                to: number,
            });
        }
        new
    }

    /// Adds a range, joining it with its neighbours. A range out of order adds nothing.
    pub fn insert(&mut self, range: SequenceRange) {
        if !range.is_sound() {
            return;
        }
        // Everything that touches the new range, its direct neighbours included.
        let start = self
            .ranges
            .partition_point(|r| r.to < range.from.saturating_sub(1));
        let end = self
            .ranges
            .partition_point(|r| r.from <= range.to.saturating_add(1));
        let touched = &self.ranges[start..end];
        let from = touched
            .first()
            .map_or(range.from, |r| r.from.min(range.from));
        let to = touched.last().map_or(range.to, |r| r.to.max(range.to));
        self.ranges.splice(start..end, [SequenceRange { from, to }]);
    }

    /// Whether `number` is in the set.
    pub fn contains(&self, number: u64) -> bool {
        let at = self.ranges.partition_point(|r| r.to < number);
        self.ranges.get(at).is_some_and(|r| r.from <= number)
    }

    /// The ranges, in order.
    pub fn ranges(&self) -> &[SequenceRange] {
        &self.ranges
    }

    /// How many numbers are in the set.
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(SequenceRange::count).sum()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The largest number.
    pub fn last(&self) -> Option<u64> {
        self.ranges.last().map(|r| r.to)
    }

    /// The numbers below the largest that are not in the set: what never arrived.
    #[must_use]
    pub fn gaps(&self) -> Self {
        let mut next = 0;
        let mut ranges = Vec::new();
        for range in &self.ranges {
            if range.from > next {
                ranges.push(SequenceRange {
                    from: next,
                    to: range.from - 1,
                });
            }
            next = range.to.saturating_add(1);
        }
        Self { ranges }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_like_a_set(ranges in proptest::collection::vec((0u64..60, 0u64..12), 0..30)) {
            let mut set = RangeSet::default();
            let mut model = BTreeSet::new();
            for (from, length) in ranges {
                set.insert(SequenceRange { from, to: from + length });
                model.extend(from..=from + length);
            }
            prop_assert_eq!(set.count(), model.len() as u64);
            for number in 0..80 {
                prop_assert_eq!(set.contains(number), model.contains(&number));
            }
            for pair in set.ranges().windows(2) {
                prop_assert!(pair[0].to + 1 < pair[1].from, "ranges touch");
            }
            let last = model.iter().next_back().copied();
            prop_assert_eq!(set.last(), last);
            let missing = (0..last.unwrap_or(0)).filter(|n| !model.contains(n)).count() as u64;
            prop_assert_eq!(set.gaps().count(), missing);
        }
    }

    #[test]
    fn the_ends_of_the_number_range_hold() {
        let mut set = RangeSet::default();
        set.insert(SequenceRange {
            from: u64::MAX,
            to: u64::MAX,
        });
        set.insert(SequenceRange { from: 0, to: 0 });
        set.insert(SequenceRange { from: 5, to: 1 });
        assert_eq!(set.ranges().len(), 2);
        assert!(set.contains(u64::MAX) && set.contains(0) && !set.contains(1));
    }
}
