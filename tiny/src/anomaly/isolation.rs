//! An isolation forest in a few kilobytes: full trees of one depth, thresholds of 16 bits.
//!
//! F. T. Liu, K. M. Ting, Z.-H. Zhou, *Isolation Forest* (2008), sections 2 and 4.

use super::{AnomalyError, COLUMNS_AT_MOST, checked};
use crate::online::state::checksum;

/// No forest's file is larger.
pub const ISOLATION_BYTES_AT_MOST: usize = 8_000;
const DEPTH: usize = 6;
const INNER: usize = (1 << DEPTH) - 1;
const LEAVES: usize = 1 << DEPTH;
/// Rows that a tree isolates (section 4.1: more swamp what is rare).
const SAMPLE: usize = 256;
const TREES_AT_MOST: usize = 64;
/// Bytes a tree: a feature and a threshold an inner node, a length a leaf.
const TREE_BYTES: usize = INNER * 3 + LEAVES;
/// Lengths are kept in parts of one.
const PARTS: f32 = 12.0;
/// Magic, version, columns, trees.
const HEAD: usize = 7;
const MAGIC: &[u8; 5] = b"NRIF\x01";

/// Scores rows by how few questions set them apart.
#[derive(Debug, Clone, PartialEq)]
pub struct IsolationForest {
    /// Lowest value and width of a threshold's step, a feature.
    ranges: Vec<[f32; 2]>,
    trees: Vec<Tree>,
}

#[derive(Debug, Clone, PartialEq)]
struct Tree {
    features: [u8; INNER],
    thresholds: [u16; INNER],
    lengths: [u8; LEAVES],
}

/// Steele, Lea and Flood's splitmix.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mixed = mixed ^ (mixed >> 31);
        ((u128::from(mixed) * limit as u128) >> 64) as usize
    }
}

impl IsolationForest {
    /// From clean rows, with as many trees as `bytes` of file hold.
    pub fn fit(
        rows: &[f32],
        columns: usize,
        bytes: usize,
        seed: u64,
    ) -> Result<Self, AnomalyError> {
        let found = checked(rows, columns)?;
        if found < 16 {
            return Err(AnomalyError::Rows { found, needed: 16 });
        }
        let room = bytes
            .min(ISOLATION_BYTES_AT_MOST)
            .saturating_sub(HEAD + 4 + columns * 8);
        let count = (room / TREE_BYTES).clamp(1, TREES_AT_MOST);
        let ranges = ranges(rows, columns);
        let levels: Vec<u16> = rows
            .iter()
            .enumerate()
            .map(|(at, &value)| level(ranges[at % columns], value))
            .collect();
        let mut chance = Chance(seed);
        let trees = (0..count)
            .map(|_| {
                let sample = (0..SAMPLE.min(found))
                    .map(|_| chance.below(found))
                    .collect();
                Tree::grown(&levels, columns, sample, &mut chance)
            })
            .collect();
        Ok(Self { ranges, trees })
    }

    /// 0 to 1, greater for rows that are set apart sooner; 1 for a row with a number missing.
    pub fn score(&self, row: &[f32]) -> f32 {
        let mut levels = [0_u16; COLUMNS_AT_MOST];
        if row.len() != self.ranges.len() || row.iter().any(|value| value.is_nan()) {
            return 1.0;
        }
        for (level_of, (&range, &value)) in levels.iter_mut().zip(self.ranges.iter().zip(row)) {
            *level_of = level(range, value);
        }
        let sum: u32 = self
            .trees
            .iter()
            .map(|tree| u32::from(tree.length(&levels)))
            .sum();
        let mean = sum as f32 / PARTS / self.trees.len() as f32;
        (-mean / unfinished(SAMPLE)).exp2()
    }

    /// Columns of a row.
    pub fn columns(&self) -> usize {
        self.ranges.len()
    }

    /// The file: at most [`ISOLATION_BYTES_AT_MOST`].
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([self.ranges.len() as u8, self.trees.len() as u8]);
        for number in self.ranges.iter().flatten() {
            bytes.extend(number.to_le_bytes());
        }
        for tree in &self.trees {
            bytes.extend(tree.features);
            bytes.extend(tree.thresholds.iter().flat_map(|one| one.to_le_bytes()));
            bytes.extend(tree.lengths);
        }
        bytes.extend(checksum(&bytes).to_le_bytes());
        bytes
    }

    /// What [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AnomalyError> {
        let (head, rest) = bytes
            .split_first_chunk::<HEAD>()
            .ok_or(AnomalyError::Bytes)?;
        let (columns, trees) = (usize::from(head[5]), usize::from(head[6]));
        let sizes =
            (1..=COLUMNS_AT_MOST).contains(&columns) && (1..=TREES_AT_MOST).contains(&trees);
        if !head.starts_with(MAGIC) || !sizes || rest.len() != columns * 8 + trees * TREE_BYTES + 4
        {
            return Err(AnomalyError::Bytes);
        }
        let (body, sum) = bytes.split_at(bytes.len() - 4);
        let (ranges, rest) = rest[..rest.len() - 4].split_at(columns * 8);
        let ranges: Vec<[f32; 2]> = ranges.chunks_exact(8).map(range).collect();
        let sane = ranges.iter().flatten().all(|number| number.is_finite());
        let trees: Option<Vec<Tree>> = rest
            .chunks_exact(TREE_BYTES)
            .map(|bytes| Tree::read(bytes, columns))
            .collect();
        match trees {
            Some(trees) if sane && checksum(body).to_le_bytes() == sum => {
                Ok(Self { ranges, trees })
            }
            _ => Err(AnomalyError::Bytes),
        }
    }
}

impl Tree {
    fn grown(levels: &[u16], columns: usize, sample: Vec<usize>, chance: &mut Chance) -> Self {
        let mut tree = Self {
            features: [0; INNER],
            thresholds: [u16::MAX; INNER],
            lengths: [0; LEAVES],
        };
        tree.split(0, 0, levels, columns, sample, chance);
        tree
    }

    fn split(
        &mut self,
        node: usize,
        depth: usize,
        levels: &[u16],
        columns: usize,
        sample: Vec<usize>,
        chance: &mut Chance,
    ) {
        let test = (depth < DEPTH)
            .then(|| drawn(levels, columns, &sample, chance))
            .flatten();
        let Some((feature, threshold)) = test else {
            self.end(node, depth, sample.len());
            return;
        };
        self.features[node] = feature as u8;
        self.thresholds[node] = threshold;
        let goes_left = |row: &usize| levels[row * columns + feature] <= threshold;
        let (left, right) = sample.into_iter().partition(goes_left);
        self.split(2 * node + 1, depth + 1, levels, columns, left, chance);
        self.split(2 * node + 2, depth + 1, levels, columns, right, chance);
    }

    /// All leaves below `node` say the same.
    fn end(&mut self, node: usize, depth: usize, rows: usize) {
        let length = (depth as f32 + unfinished(rows)) * PARTS;
        let (mut first, mut last) = (node, node);
        while first < INNER {
            (first, last) = (2 * first + 1, 2 * last + 2);
        }
        self.lengths[first - INNER..=last - INNER].fill(length.round().min(255.0) as u8);
    }

    fn length(&self, levels: &[u16; COLUMNS_AT_MOST]) -> u8 {
        let mut node = 0;
        while node < INNER {
            let goes_left = levels[usize::from(self.features[node])] <= self.thresholds[node];
            node = 2 * node + if goes_left { 1 } else { 2 };
        }
        self.lengths[node - INNER]
    }

    fn read(bytes: &[u8], columns: usize) -> Option<Self> {
        let (features, rest) = bytes.split_at_checked(INNER)?;
        let (thresholds, lengths) = rest.split_at_checked(INNER * 2)?;
        if features
            .iter()
            .any(|feature| usize::from(*feature) >= columns)
        {
            return None;
        }
        let (pairs, _) = thresholds.as_chunks::<2>();
        let mut tree = Self {
            features: features.try_into().ok()?,
            thresholds: [0; INNER],
            lengths: lengths.try_into().ok()?,
        };
        for (threshold, pair) in tree.thresholds.iter_mut().zip(pairs) {
            *threshold = u16::from_le_bytes(*pair);
        }
        Some(tree)
    }
}

/// A feature that differs among the sample's rows, and a threshold between its extremes.
fn drawn(
    levels: &[u16],
    columns: usize,
    sample: &[usize],
    chance: &mut Chance,
) -> Option<(usize, u16)> {
    let first = chance.below(columns);
    for shift in 0..columns {
        let feature = (first + shift) % columns;
        let values = sample.iter().map(|row| levels[row * columns + feature]);
        let (low, high) = (values.clone().min()?, values.max()?);
        if low < high {
            return Some((feature, low + chance.below(usize::from(high - low)) as u16));
        }
    }
    None
}

/// Mean length of a search that fails among `rows` (section 2, equation 1).
fn unfinished(rows: usize) -> f32 {
    let rows = rows as f32;
    if rows <= 1.0 {
        return 0.0;
    }
    2.0 * ((rows - 1.0).ln() + 0.577_215_7) - 2.0 * (rows - 1.0) / rows
}

fn ranges(rows: &[f32], columns: usize) -> Vec<[f32; 2]> {
    let of = |column: usize| {
        let values = rows.iter().skip(column).step_by(columns).copied();
        let low = values.clone().fold(f32::MAX, f32::min);
        let high = values.fold(f32::MIN, f32::max);
        // Room on both sides, so that a value outside differs from the outermost inside.
        let step = ((f64::from(high) - f64::from(low)) / 65_000.0) as f32;
        [low - step, step.max(f32::MIN_POSITIVE)]
    };
    (0..columns).map(of).collect()
}

fn level([low, step]: [f32; 2], value: f32) -> u16 {
    ((value - low) / step) as u16
}

fn range(bytes: &[u8]) -> [f32; 2] {
    let number =
        |at: usize| f32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    [number(0), number(4)]
}
