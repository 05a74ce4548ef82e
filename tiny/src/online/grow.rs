//! Leaves try tests, split by the best, and siblings merge to make room.

use super::arena::{BLOCK_HEAD, CANDIDATE_HEAD, NODE_HEAD, NONE};
use super::walk::{DEPTH_AT_MOST, Path};
use super::{CLASSES_AT_MOST, FREE, MERGED, OnlineForest, Target};

/// A leaf decides whenever its tests have seen so many more (bagged) samples.
const GRACE: u32 = 60;
/// Tests that did not prove themselves after so many are drawn anew, but for the best.
const PATIENCE: f32 = 360.0;
/// The bound's confidence: its logarithm of one over delta.
const CONFIDENCE: f32 = 4.0;
/// Below so small a bound, one of two equally good tests is taken.
const TIE: f32 = 0.06;
/// A split must lower the impurity by this part.
const GAIN_AT_LEAST: f32 = 0.02;
/// Only a split that is worth so many times the siblings takes their place.
const DEARER: f32 = 1.5;

/// What tests decide by: sums over bagged samples.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    weight: f32,
    /// Classes' counts; or the sum and the sum of squares.
    values: [f32; CLASSES_AT_MOST as usize],
}

#[derive(Debug, Clone, Copy)]
struct Best {
    candidate: usize,
    gain: f32,
    second: f32,
    impurity: f32,
}

impl OnlineForest {
    pub(super) fn grow(&mut self, path: &Path, sample: &[f32], target: Target, times: u16) {
        let leaf = path.leaf();
        if path.nodes().len() > DEPTH_AT_MOST {
            return;
        }
        if self.block_of(leaf).is_none() && !self.find_block(leaf) {
            return;
        }
        let Some(block) = self.block_of(leaf) else {
            return;
        };
        let at = self.layout.block(block);
        let drawn = usize::from(self.arena.low(at));
        if drawn < self.layout.candidates {
            self.draw(block, drawn, sample);
            return;
        }
        let before = self.arena.high(at);
        let seen = before.saturating_add(times);
        self.arena.set_pair(at, drawn as u16, seen);
        self.add(at + BLOCK_HEAD, target, times);
        for candidate in 0..self.layout.candidates {
            let at = self.layout.candidate(block, candidate);
            let feature = usize::from(self.arena.low(at));
            if sample[feature] <= self.arena.real(at + 1) {
                self.arena.set_pair(
                    at,
                    feature as u16,
                    self.arena.high(at).saturating_add(times),
                );
                self.add(at + CANDIDATE_HEAD, target, times);
            }
        }
        if u32::from(before) / GRACE != u32::from(seen) / GRACE {
            self.decide(leaf, block);
        }
    }

    fn add(&mut self, at: usize, target: Target, times: u16) {
        match target {
            Target::Number(value) => {
                let times = f32::from(times);
                self.arena.set_real(at, self.arena.real(at) + times * value);
                let squares = self.arena.real(at + 1) + times * value * value;
                self.arena.set_real(at + 1, squares);
            }
            Target::Class(class) => {
                let class = usize::from(class);
                let count = self.arena.count(at, class).saturating_add(times);
                self.arena.set_count(at, class, count);
            }
        }
    }

    /// Tests of random features at this sample's values: they lie where the leaf's samples lie.
    fn draw(&mut self, block: u16, drawn: usize, sample: &[f32]) {
        let per_sample = self.layout.candidates.div_ceil(4);
        let until = (drawn + per_sample).min(self.layout.candidates);
        for candidate in drawn..until {
            let feature = self.below(u32::from(self.settings.features)) as usize;
            let at = self.layout.candidate(block, candidate);
            self.arena.clear(at, self.layout.candidate_words);
            self.arena.set_pair(at, feature as u16, 0);
            self.arena.set_real(at + 1, sample[feature]);
        }
        self.arena
            .set_pair(self.layout.block(block), until as u16, 0);
    }

    fn decide(&mut self, leaf: u16, block: u16) {
        let Some(found) = self.race(block) else {
            return;
        };
        let seen = f32::from(self.arena.high(self.layout.block(block)));
        let bound = (CONFIDENCE / (2.0 * seen)).sqrt();
        let part = found.gain / found.impurity.max(1e-12);
        let lead = (found.gain - found.second) / found.impurity.max(1e-12);
        if part > GAIN_AT_LEAST && (lead > bound || bound < TIE || part > bound) {
            self.split(leaf, block, found);
        } else if seen > PATIENCE {
            self.redraw(block, found.candidate);
        }
    }

    /// The best test and how much it would lower the impurity.
    fn race(&self, block: u16) -> Option<Best> {
        let at = self.layout.block(block);
        let all = self.sums(at + BLOCK_HEAD, f32::from(self.arena.high(at)));
        let impurity = all.impurity(self.classes());
        let mut best: Option<Best> = None;
        for candidate in 0..self.layout.candidates {
            let at = self.layout.candidate(block, candidate);
            let left = self.sums(at + CANDIDATE_HEAD, f32::from(self.arena.high(at)));
            let right = all.less(&left);
            if left.weight < 8.0 || right.weight < 8.0 {
                continue;
            }
            let classes = self.classes();
            let after =
                left.weight * left.impurity(classes) + right.weight * right.impurity(classes);
            let gain = impurity - after / all.weight;
            best = Some(match best {
                Some(one) if one.gain >= gain => Best {
                    second: one.second.max(gain),
                    ..one
                },
                _ => Best {
                    candidate,
                    gain,
                    second: best.map_or(0.0, |one| one.gain),
                    impurity,
                },
            });
        }
        best
    }

    fn sums(&self, at: usize, weight: f32) -> Sums {
        let mut sums = Sums {
            weight,
            ..Sums::default()
        };
        let classes = self.classes();
        if classes == 1 {
            sums.values[0] = self.arena.real(at);
            sums.values[1] = self.arena.real(at + 1);
        } else {
            for (class, value) in sums.values[..classes].iter_mut().enumerate() {
                *value = f32::from(self.arena.count(at, class));
            }
        }
        sums
    }

    fn split(&mut self, leaf: u16, block: u16, found: Best) {
        let at = self.layout.candidate(block, found.candidate);
        let (feature, threshold) = (self.arena.low(at), self.arena.real(at + 1));
        let total = self.layout.block(block);
        let all = self.sums(total + BLOCK_HEAD, f32::from(self.arena.high(total)));
        let left = self.sums(at + CANDIDATE_HEAD, f32::from(self.arena.high(at)));
        let Some((one, other)) = self.take_siblings(leaf, found.gain) else {
            self.redraw(block, found.candidate);
            return;
        };
        self.give_block(leaf);
        let at = self.layout.node(leaf);
        self.arena.set_pair(at, one, other);
        self.arena.set_pair(at + 1, feature, NONE);
        self.arena.set_real(at + 2, threshold);
        self.found(one, &left);
        self.found(other, &all.less(&left));
    }

    /// A new leaf starts from what the test saw go its way.
    fn found(&mut self, node: u16, sums: &Sums) {
        let at = self.layout.node(node);
        self.arena.set_real(at + 3, sums.weight);
        let classes = self.classes();
        if classes == 1 {
            let mean = sums.values[0] / sums.weight;
            self.arena.set_real(at + NODE_HEAD, mean);
            self.arena.set_real(at + NODE_HEAD + 1, sums.impurity(1));
        } else {
            let mut weight = 0.0;
            for (class, value) in sums.values[..classes].iter().enumerate() {
                let count = *value as u16;
                self.arena.set_count(at + NODE_HEAD, class, count);
                weight += f32::from(count);
            }
            self.arena.set_real(at + 3, weight);
        }
    }

    /// Two nodes; if none are free, from the siblings that are worth least, if that is less.
    fn take_siblings(&mut self, leaf: u16, gain: f32) -> Option<(u16, u16)> {
        if let Some(one) = self.take_node() {
            if let Some(other) = self.take_node() {
                return Some((one, other));
            }
            self.return_node(one);
        }
        let (parent, worth) = self.least_worth(leaf)?;
        if gain * self.weight(leaf) < DEARER * worth {
            return None;
        }
        self.prune(parent);
        self.arena.0[MERGED] = self.arena.0[MERGED].saturating_add(1);
        Some((self.take_node()?, self.take_node()?))
    }

    fn return_node(&mut self, node: u16) {
        self.arena
            .set_pair(self.layout.node(node), self.arena.low(FREE), NONE);
        self.arena.set_pair(FREE, node, self.arena.high(FREE));
    }

    /// Of all parents of two leaves the one whose split lowers the impurity least.
    fn least_worth(&self, but: u16) -> Option<(u16, f32)> {
        let mut least: Option<(u16, f32)> = None;
        let mut open: Vec<u16> = self.roots().collect();
        while let Some(node) = open.pop() {
            let Some((left, right)) = self.children(node) else {
                continue;
            };
            let leaves = self.children(left).is_none() && self.children(right).is_none();
            if !leaves {
                open.extend([left, right]);
            } else if left != but && right != but {
                let worth = self.worth(node, left, right);
                if least.is_none_or(|(_, found)| worth < found) {
                    least = Some((node, worth));
                }
            }
        }
        least
    }

    fn worth(&self, node: u16, left: u16, right: u16) -> f32 {
        let classes = self.classes();
        let of = |node| self.node_sums(node);
        let (left, right) = (of(left), of(right));
        let mut both = left;
        both.weight += right.weight;
        for (sum, value) in both.values.iter_mut().zip(right.values) {
            *sum += value;
        }
        if both.weight < 1.0 {
            return 0.0;
        }
        let after = left.weight * left.impurity(classes) + right.weight * right.impurity(classes);
        let gain = both.impurity(classes) - after / both.weight;
        gain * self.weight(node).min(both.weight)
    }

    fn node_sums(&self, node: u16) -> Sums {
        let at = self.layout.node(node);
        let weight = self.weight(node);
        let mut sums = self.sums(at + NODE_HEAD, weight);
        if self.classes() == 1 {
            let (mean, variance) = (sums.values[0], sums.values[1]);
            sums.values[0] = mean * weight;
            sums.values[1] = (variance + mean * mean) * weight;
        }
        sums
    }

    pub(super) fn block_of(&self, node: u16) -> Option<u16> {
        let block = self.arena.high(self.layout.node(node) + 1);
        (block != NONE).then_some(block)
    }

    pub(super) fn give_block(&mut self, node: u16) {
        let Some(block) = self.block_of(node) else {
            return;
        };
        let at = self.layout.node(node) + 1;
        self.arena.set_pair(at, self.arena.low(at), NONE);
        let place = self.layout.block(block);
        self.arena.clear(place, self.layout.block_words);
        self.arena.set_pair(place, self.arena.high(FREE), 0);
        self.arena.set_pair(FREE, self.arena.low(FREE), block);
    }

    /// A block for `leaf`: a free one, or that of a leaf with less to gain.
    fn find_block(&mut self, leaf: u16) -> bool {
        let mut block = self.arena.high(FREE);
        if block == NONE {
            // Looking for one takes time: not at every sample.
            if self.below(32) != 0 {
                return false;
            }
            let need = self.need(leaf);
            let Some((other, least)) = self.least_need() else {
                return false;
            };
            if need < 1.3 * least {
                return false;
            }
            self.give_block(other);
            block = self.arena.high(FREE);
        }
        let place = self.layout.block(block);
        self.arena
            .set_pair(FREE, self.arena.low(FREE), self.arena.low(place));
        self.arena.clear(place, self.layout.block_words);
        let at = self.layout.node(leaf) + 1;
        self.arena.set_pair(at, self.arena.low(at), block);
        true
    }

    /// How much impurity is left at a leaf.
    fn need(&self, leaf: u16) -> f32 {
        let sums = self.node_sums(leaf);
        sums.weight * sums.impurity(self.classes())
    }

    fn least_need(&self) -> Option<(u16, f32)> {
        let mut least: Option<(u16, f32)> = None;
        let mut open: Vec<u16> = self.roots().collect();
        while let Some(node) = open.pop() {
            if let Some((left, right)) = self.children(node) {
                open.extend([left, right]);
            } else if self.block_of(node).is_some() {
                let need = self.need(node);
                if least.is_none_or(|(_, found)| need < found) {
                    least = Some((node, need));
                }
            }
        }
        least
    }

    /// All tests but the best are drawn anew.
    fn redraw(&mut self, block: u16, keep: usize) {
        let (from, to) = (
            self.layout.candidate(block, keep),
            self.layout.candidate(block, 0),
        );
        let (feature, threshold) = (self.arena.low(from), self.arena.real(from + 1));
        let at = self.layout.block(block);
        self.arena.clear(at, self.layout.block_words);
        self.arena.set_pair(at, 1, 0);
        self.arena.set_pair(to, feature, 0);
        self.arena.set_real(to + 1, threshold);
    }

    /// What the leaf's tests saw, not the tests.
    pub(super) fn forget_block(&mut self, node: u16) {
        let Some(block) = self.block_of(node) else {
            return;
        };
        let at = self.layout.block(block);
        self.arena.set_pair(at, self.arena.low(at), 0);
        self.arena.clear(at + BLOCK_HEAD, self.layout.statistics);
        for candidate in 0..self.layout.candidates {
            let at = self.layout.candidate(block, candidate);
            self.arena.set_pair(at, self.arena.low(at), 0);
            let words = self.layout.candidate_words - CANDIDATE_HEAD;
            self.arena.clear(at + CANDIDATE_HEAD, words);
        }
    }
}

impl Sums {
    /// Variance, or Gini's impurity.
    fn impurity(&self, classes: usize) -> f32 {
        if self.weight < 1.0 {
            return 0.0;
        }
        let share = 1.0 / self.weight;
        if classes == 1 {
            let mean = self.values[0] * share;
            return (self.values[1] * share - mean * mean).max(0.0);
        }
        let squares: f32 = self.values[..classes]
            .iter()
            .map(|count| (count * share) * (count * share))
            .sum();
        1.0 - squares
    }

    fn less(&self, other: &Self) -> Self {
        let mut rest = *self;
        rest.weight -= other.weight;
        for (value, less) in rest.values.iter_mut().zip(other.values) {
            *value -= less;
        }
        rest
    }
}
