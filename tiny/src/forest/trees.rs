//! Trees while they are grown and pruned: with pointers and what each leaf has seen.

use crate::error::{Result, settings};
use crate::forest::{Forest, Leaves, Node};

/// Trees with the counts of classes at their leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grown {
    pub(super) classes: usize,
    pub(super) trees: Vec<Vec<Branch>>,
}

/// A node; the root is the first of its tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Branch {
    Split {
        column: u16,
        threshold: u8,
        left: usize,
        right: usize,
    },
    /// How many rows of each class came here.
    Leaf(Vec<u32>),
}

impl Grown {
    /// How many leaves there are.
    pub fn leaf_count(&self) -> usize {
        // Pruning leaves branches behind that nothing leads to.
        self.trees.iter().map(|tree| below(tree)[0] + 1).sum()
    }

    /// A forest whose leaves say the class that most of their rows had.
    pub fn voting(&self) -> Result<Forest> {
        let mut votes = Vec::new();
        let (inner, nodes) = self.flatten(|counts| {
            votes.push(crate::model::first_of_highest(counts) as u8);
        })?;
        Ok(Forest::new(inner, nodes, Leaves::Votes(votes)))
    }

    /// A forest whose leaves say the share of each class, 127 for all.
    pub fn scoring(&self) -> Result<Forest> {
        let mut scores = Vec::new();
        let (inner, nodes) = self.flatten(|counts| {
            let total = counts.iter().sum::<u32>().max(1);
            let share = |&count: &u32| ((count * 127 + total / 2) / total) as i8;
            scores.extend(counts.iter().map(share));
        })?;
        Ok(Forest::new(inner, nodes, Leaves::Scores(scores)))
    }

    /// A forest with given leaves, in the order of [`Self::flatten`].
    pub(super) fn with_scores(&self, scores: Vec<i8>) -> Result<Forest> {
        let (inner, nodes) = self.flatten(|_| ())?;
        Ok(Forest::new(inner, nodes, Leaves::Scores(scores)))
    }

    /// Inner nodes in preorder; `leaf` is called for each leaf from left to right.
    fn flatten(&self, mut leaf: impl FnMut(&[u32])) -> Result<(Vec<u16>, Vec<Node>)> {
        let mut inner = Vec::with_capacity(self.trees.len());
        let mut nodes = Vec::new();
        for tree in &self.trees {
            let below = below(tree);
            let count = u16::try_from(below[0])
                .map_err(|_| settings("a tree has more than 65,535 nodes: limit its leaves"))?;
            inner.push(count);
            let mut open = vec![0];
            while let Some(at) = open.pop() {
                match &tree[at] {
                    Branch::Leaf(counts) => leaf(counts),
                    &Branch::Split {
                        column,
                        threshold,
                        left,
                        right,
                    } => {
                        nodes.push(Node {
                            column,
                            threshold,
                            skip: below[left] as u16,
                        });
                        open.push(right);
                        open.push(left);
                    }
                }
            }
        }
        Ok((inner, nodes))
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

/// Inner nodes at and below each node.
fn below(tree: &[Branch]) -> Vec<usize> {
    let mut below = vec![0; tree.len()];
    let mut order = Vec::with_capacity(tree.len());
    let mut open = vec![0];
    while let Some(at) = open.pop() {
        order.push(at);
        if let Branch::Split { left, right, .. } = tree[at] {
            open.extend([left, right]);
        }
    }
    for at in order.into_iter().rev() {
        if let Branch::Split { left, right, .. } = tree[at] {
            below[at] = 1 + below[left] + below[right];
        }
    }
    below
}
