//! Growing trees: CART with counts by value, best gain first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Result, settings};
use crate::forest::split::{Counter, Cut};
use crate::forest::trees::Branch;
use crate::forest::{Forest, Grown, MAX_TREES};
use crate::random::Random;
use crate::table::Table;

/// How trees are grown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForestSettings {
    /// How many trees.
    pub trees: usize,
    /// Leaves of a tree at most; 0: as many as the data ask for.
    pub leaves: usize,
    /// Columns tried at each node; 0: the square root of all (a single tree: all).
    pub columns: usize,
    /// Rows that a leaf has at least.
    pub rows_at_leaf: usize,
    /// Whether each tree sees a sample of its own, drawn with replacement.
    pub bootstrap: bool,
    /// What leaves say.
    pub votes: Votes,
    /// Where chance starts.
    pub seed: u64,
}

/// What the leaves of a forest say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Votes {
    /// One class: one byte a leaf.
    Hard,
    /// A share for each class: one byte each.
    Soft,
}

impl ForestSettings {
    /// One tree over all rows.
    pub fn tree(leaves: usize, seed: u64) -> Self {
        Self {
            trees: 1,
            leaves,
            columns: 0,
            rows_at_leaf: 1,
            bootstrap: false,
            votes: Votes::Hard,
            seed,
        }
    }

    /// Trees over samples.
    pub fn forest(trees: usize, leaves: usize, seed: u64) -> Self {
        Self {
            trees,
            bootstrap: true,
            votes: Votes::Soft,
            ..Self::tree(leaves, seed)
        }
    }

    /// Grows them; the same for any number of threads.
    pub fn grow(&self, table: &Table) -> Result<Grown> {
        if self.trees == 0 || self.trees > MAX_TREES {
            return Err(settings(format!(
                "{} trees: 1 to {MAX_TREES} are possible",
                self.trees
            )));
        }
        if self.leaves > 1 << 16 {
            return Err(settings("a tree can have 65,536 leaves at most"));
        }
        let numbers = 0..self.trees as u64;
        let trees = numbers
            .into_par_iter()
            .map(|tree| self.grow_one(table, tree));
        Ok(Grown {
            classes: table.classes(),
            trees: trees.collect(),
        })
    }

    /// Grows them and makes the forest.
    pub fn train(&self, table: &Table) -> Result<Forest> {
        let grown = self.grow(table)?;
        match self.votes {
            Votes::Hard => grown.voting(),
            Votes::Soft => grown.scoring(),
        }
    }

    fn tried(&self, columns: usize) -> usize {
        match self.columns {
            0 if self.trees == 1 => columns,
            0 => (columns as f64).sqrt() as usize,
            given => given,
        }
        .clamp(1, columns)
    }

    fn grow_one(&self, table: &Table, tree: u64) -> Vec<Branch> {
        let mut random = Random::new(self.seed, tree);
        let count = table.len();
        let rows: Vec<u32> = if self.bootstrap {
            (0..count).map(|_| random.below(count) as u32).collect()
        } else {
            (0..count as u32).collect()
        };
        let leaves = match self.leaves {
            0 => usize::from(u16::MAX),
            given => given,
        };
        Growth {
            table,
            counter: Counter::new(table),
            columns: (0..table.columns()).collect(),
            tried: self.tried(table.columns()),
            rows_at_leaf: self.rows_at_leaf.max(1),
            branches: Vec::new(),
            random,
        }
        .run(rows, leaves)
    }
}

/// A leaf that can be split.
struct Candidate {
    cut: Cut,
    at: usize,
    rows: Vec<u32>,
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        // Of equal gains the older leaf first: the same order on every machine.
        let gains = self.cut.gain.total_cmp(&other.cut.gain);
        gains.then(other.at.cmp(&self.at))
    }
}

struct Growth<'a> {
    table: &'a Table,
    counter: Counter<'a>,
    columns: Vec<usize>,
    tried: usize,
    rows_at_leaf: usize,
    branches: Vec<Branch>,
    random: Random,
}

impl Growth<'_> {
    fn run(mut self, rows: Vec<u32>, leaves: usize) -> Vec<Branch> {
        let mut open = BinaryHeap::new();
        open.extend(self.leaf(rows));
        let mut count = 1;
        while count < leaves
            && let Some(Candidate { cut, at, rows }) = open.pop()
        {
            let (columns, values) = (self.table.columns(), self.table.values());
            let goes_left =
                |row: &u32| values[*row as usize * columns + cut.column] <= cut.threshold;
            let (left, right): (Vec<_>, Vec<_>) = rows.into_iter().partition(goes_left);
            let first = self.branches.len();
            open.extend(self.leaf(left));
            let second = self.branches.len();
            open.extend(self.leaf(right));
            self.branches[at] = Branch::Split {
                column: cut.column as u16,
                threshold: cut.threshold,
                left: first,
                right: second,
            };
            count += 1;
        }
        self.branches
    }

    /// Adds a leaf with `rows`, and says where it is best cut.
    fn leaf(&mut self, rows: Vec<u32>) -> Option<Candidate> {
        let mut counts = vec![0u32; self.table.classes()];
        for &row in &rows {
            counts[usize::from(self.table.labels()[row as usize])] += 1;
        }
        let at = self.branches.len();
        let pure = counts.iter().filter(|&&count| count > 0).count() < 2;
        let cut = if pure || rows.len() < 2 * self.rows_at_leaf {
            None
        } else {
            self.best(&rows, &counts)
        };
        self.branches.push(Branch::Leaf(counts));
        Some(Candidate {
            cut: cut?,
            at,
            rows,
        })
    }

    /// The best cut of some columns by chance; more are looked at while none can be cut.
    fn best(&mut self, rows: &[u32], counts: &[u32]) -> Option<Cut> {
        let mut best: Option<Cut> = None;
        for position in 0..self.columns.len() {
            if position >= self.tried && best.is_some() {
                break;
            }
            let other = position + self.random.below(self.columns.len() - position);
            self.columns.swap(position, other);
            let Some(cut) = self.counter.best(rows, self.columns[position], counts) else {
                continue;
            };
            if self.enough_rows(rows, cut) && best.is_none_or(|known| cut.gain > known.gain) {
                best = Some(cut);
            }
        }
        best
    }

    fn enough_rows(&self, rows: &[u32], cut: Cut) -> bool {
        if self.rows_at_leaf < 2 {
            return true;
        }
        let (columns, values) = (self.table.columns(), self.table.values());
        let left = rows
            .iter()
            .filter(|&&row| values[row as usize * columns + cut.column] <= cut.threshold);
        let left = left.count();
        left.min(rows.len() - left) >= self.rows_at_leaf
    }
}
