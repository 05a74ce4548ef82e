//! Trees while they are grown and pruned: with pointers and what each leaf has seen.

use crate::error::Result;
use crate::forest::shape::{self, Trees, below};
use crate::forest::{Forest, Leaves};

/// Trees with the counts of classes at their leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grown {
    pub(super) classes: usize,
    pub(super) trees: Vec<Vec<Branch>>,
}

/// A node, at a leaf with how many rows of each class came there.
pub(super) type Branch = shape::Branch<Vec<u32>>;

impl Grown {
    /// How many leaves there are.
    pub fn leaf_count(&self) -> usize {
        // Pruning leaves branches behind that nothing leads to.
        self.trees.iter().map(|tree| below(tree)[0] + 1).sum()
    }

    /// A forest whose leaves say the class that most of their rows had.
    pub fn voting(&self) -> Result<Forest> {
        let mut votes = Vec::new();
        let trees = self.flatten(|counts| {
            votes.push(crate::model::first_of_highest(counts) as u8);
        })?;
        Ok(Forest::new(trees, Leaves::Votes(votes)))
    }

    /// A forest whose leaves say the share of each class, 127 for all.
    pub fn scoring(&self) -> Result<Forest> {
        let mut scores = Vec::new();
        let trees = self.flatten(|counts| {
            let total = counts.iter().sum::<u32>().max(1);
            let share = |&count: &u32| ((count * 127 + total / 2) / total) as i8;
            scores.extend(counts.iter().map(share));
        })?;
        Ok(Forest::new(trees, Leaves::Scores(scores)))
    }

    /// A forest with given leaves, in the order of [`Self::flatten`].
    pub(super) fn with_scores(&self, scores: Vec<i8>) -> Result<Forest> {
        let trees = self.flatten(|_| ())?;
        Ok(Forest::new(trees, Leaves::Scores(scores)))
    }

    /// Their shape; `leaf` is called for each leaf from left to right.
    fn flatten(&self, mut leaf: impl FnMut(&[u32])) -> Result<Trees> {
        let mut trees = Trees::default();
        for tree in &self.trees {
            trees.push(tree, |counts| leaf(counts))?;
        }
        Ok(trees)
    }

    /// The number of the leaf that `row` reaches in each tree; numbers are those of `flatten`.
    pub(super) fn leaf_numbers(&self) -> Vec<Vec<usize>> {
        let mut next = 0;
        let number = |tree: &Vec<Branch>, next: &mut usize| {
            let mut numbers = vec![usize::MAX; tree.len()];
            let mut open = vec![0];
            while let Some(at) = open.pop() {
                match &tree[at] {
                    Branch::Leaf(_) => {
                        numbers[at] = *next;
                        *next += 1;
                    }
                    &Branch::Split { left, right, .. } => open.extend([right, left]),
                }
            }
            numbers
        };
        self.trees
            .iter()
            .map(|tree| number(tree, &mut next))
            .collect()
    }
}
