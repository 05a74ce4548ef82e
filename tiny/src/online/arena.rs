//! The arena: words of 32 bits and where everything lies in them.

use super::{Settings, Task};

/// Marks an absent index.
pub(super) const NONE: u16 = u16::MAX;
/// Above so many features the linear part keeps a step size a feature instead of a covariance.
const COVARIANCE_FEATURES: usize = 24;
/// Words before everything else: counters, the generator, the root's detector.
pub(super) const HEAD: usize = 16;
/// Words a feature: mean, variance, median.
pub(super) const PER_FEATURE: usize = 3;
/// Words of a node before its statistics.
pub(super) const NODE_HEAD: usize = 6;
/// Words of a block of candidates before its totals.
pub(super) const BLOCK_HEAD: usize = 1;
/// Words of a candidate before what lies on its left.
pub(super) const CANDIDATE_HEAD: usize = 2;

/// Where everything lies, in words. It follows from the settings alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) statistics: usize,
    pub(super) features: usize,
    pub(super) weights: usize,
    pub(super) covariance: usize,
    pub(super) covariance_words: usize,
    pub(super) roots: usize,
    pub(super) nodes: usize,
    pub(super) node_words: usize,
    pub(super) node_count: usize,
    pub(super) blocks: usize,
    pub(super) block_words: usize,
    pub(super) block_count: usize,
    pub(super) candidates: usize,
    pub(super) candidate_words: usize,
    pub(super) words: usize,
}

impl Layout {
    /// `None` if the settings leave no room for trees that could grow.
    pub(super) fn of(settings: &Settings) -> Option<Self> {
        let features = usize::from(settings.features);
        // Regression: mean and summed squares; classification: a count of 16 bits a class.
        let (statistics, left) = match settings.task {
            Task::Regression => (2, 2),
            Task::Classification { classes } => {
                let words = usize::from(classes).div_ceil(2);
                (words, words)
            }
        };
        let (weights, covariance) = match settings.task {
            Task::Classification { .. } => (0, 0),
            Task::Regression if features > COVARIANCE_FEATURES => (features + 1, features + 1),
            Task::Regression => (features + 1, (features + 1) * (features + 2) / 2),
        };
        let candidates = usize::from(settings.candidates);
        let node_words = NODE_HEAD + statistics;
        let candidate_words = CANDIDATE_HEAD + left;
        let block_words = BLOCK_HEAD + statistics + candidates * candidate_words;
        let weights_start = HEAD + features * PER_FEATURE;
        let roots = weights_start + weights + covariance;
        let nodes = roots + usize::from(settings.trees);
        let words = settings.bytes as usize / 4;
        let room = words.checked_sub(nodes)?;
        // A growing leaf needs a block; `growing` of a hundred leaves can grow at a time.
        let per_hundred = 200 * node_words + usize::from(settings.growing) * block_words;
        let leaves = room * 100 / per_hundred;
        let node_count = 2 * leaves;
        let block_count = (room - node_count * node_words) / block_words;
        if leaves < 2 * usize::from(settings.trees) || node_count >= usize::from(NONE) {
            return None;
        }
        Some(Self {
            statistics,
            features: HEAD,
            weights: weights_start,
            covariance: weights_start + weights,
            covariance_words: covariance,
            roots,
            nodes,
            node_words,
            node_count,
            blocks: nodes + node_count * node_words,
            block_words,
            block_count,
            candidates,
            candidate_words,
            words,
        })
    }

    pub(super) fn node(&self, node: u16) -> usize {
        self.nodes + usize::from(node) * self.node_words
    }

    pub(super) fn block(&self, block: u16) -> usize {
        self.blocks + usize::from(block) * self.block_words
    }

    pub(super) fn candidate(&self, block: u16, candidate: usize) -> usize {
        self.block(block) + BLOCK_HEAD + self.statistics + candidate * self.candidate_words
    }
}

/// The words themselves; their number never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arena(pub(super) Box<[u32]>);

impl Arena {
    pub(super) fn new(words: usize) -> Self {
        Self(vec![0; words].into_boxed_slice())
    }

    pub(super) fn real(&self, at: usize) -> f32 {
        f32::from_bits(self.0[at])
    }

    pub(super) fn set_real(&mut self, at: usize, value: f32) {
        self.0[at] = value.to_bits();
    }

    pub(super) fn low(&self, at: usize) -> u16 {
        self.0[at] as u16
    }

    pub(super) fn high(&self, at: usize) -> u16 {
        (self.0[at] >> 16) as u16
    }

    pub(super) fn set_pair(&mut self, at: usize, low: u16, high: u16) {
        self.0[at] = u32::from(low) | u32::from(high) << 16;
    }

    /// The `index`-th of the counts of 16 bits that start at `at`.
    pub(super) fn count(&self, at: usize, index: usize) -> u16 {
        (self.0[at + index / 2] >> (16 * (index % 2))) as u16
    }

    pub(super) fn set_count(&mut self, at: usize, index: usize, value: u16) {
        let shift = 16 * (index % 2);
        let word = &mut self.0[at + index / 2];
        *word = *word & !(0xffff << shift) | u32::from(value) << shift;
    }

    pub(super) fn clear(&mut self, at: usize, words: usize) {
        self.0[at..at + words].fill(0);
    }
}
