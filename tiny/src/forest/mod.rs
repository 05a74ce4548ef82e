//! Decision trees and forests over bytes: what they are and how they answer.
//!
//! Trees lie in preorder without pointers: a node's left child follows it, and its `skip` is the
//! number of inner nodes on its left. So the walk knows how many inner nodes are left below it;
//! where none is, it stands at a leaf, whose number it has counted on the way. A node takes three
//! to five bytes, a leaf one byte (a vote) or one for each class (scores).

mod grow;
mod prune;
mod refine;
pub(crate) mod shape;
mod split;
mod trees;

pub use grow::{ForestSettings, Votes};
pub use prune::{PruneSettings, refine_and_prune};
pub use refine::{RefineSettings, refine};
pub use trees::Grown;

use crate::error::{Result, file};
use crate::format::bytes::{Reader, Writer};
use crate::model::Term;
use shape::Trees;

/// More trees than this are no tiny model.
pub const MAX_TREES: usize = 4096;

/// Trees whose leaves vote or score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forest {
    trees: Trees,
    leaves: Leaves,
}

/// An inner node: go right if the column's byte is above the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Which column.
    pub column: u16,
    /// The greatest byte that goes left.
    pub threshold: u8,
    /// Inner nodes below the left child, itself included.
    pub skip: u16,
}

/// What leaves say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leaves {
    /// A class each: one vote.
    Votes(Vec<u8>),
    /// A score for each class, leaf after leaf.
    Scores(Vec<i8>),
}

const VOTES: u8 = 0;
const SCORES: u8 = 1;

impl Forest {
    pub(crate) fn new(trees: Trees, leaves: Leaves) -> Self {
        Self { trees, leaves }
    }

    /// Inner nodes of each tree.
    pub fn inner(&self) -> &[u16] {
        &self.trees.inner
    }

    /// All inner nodes, tree after tree, each in preorder.
    pub fn nodes(&self) -> &[Node] {
        &self.trees.nodes
    }

    /// What the leaves say, tree after tree, from left to right.
    pub fn leaves(&self) -> &Leaves {
        &self.leaves
    }

    /// How many leaves there are.
    pub fn leaf_count(&self) -> usize {
        self.trees.leaf_count()
    }

    /// The sum over trees for each class.
    pub(crate) fn scores(&self, row: &[u8], classes: u16) -> Vec<i32> {
        let classes = usize::from(classes);
        let mut scores = vec![0i32; classes];
        self.walk(row, |leaf| match &self.leaves {
            Leaves::Votes(votes) => scores[usize::from(votes[leaf])] += 1,
            Leaves::Scores(values) => {
                let values = &values[leaf * classes..][..classes];
                for (score, &value) in scores.iter_mut().zip(values) {
                    *score += i32::from(value);
                }
            }
        });
        scores
    }

    /// Calls `visit` with the leaf that each tree reaches.
    pub(crate) fn walk(&self, row: &[u8], mut visit: impl FnMut(usize)) {
        self.trees.walk(row, |_, leaf| visit(leaf));
    }

    /// See [`Trees::explain`].
    pub(crate) fn explain(&self, row: &[u8], label: usize) -> Vec<Term> {
        let classes = match &self.leaves {
            Leaves::Votes(_) => 1,
            Leaves::Scores(values) => values.len() / self.leaf_count(),
        };
        self.trees.explain(row, 0.0, |_, leaf| match &self.leaves {
            Leaves::Votes(votes) => f64::from(u8::from(usize::from(votes[leaf]) == label)),
            Leaves::Scores(values) => f64::from(values[leaf * classes + label]),
        })
    }

    /// Bytes of a node's column and of its skip in file and flash.
    pub fn widths(&self, columns: u16) -> (usize, usize) {
        self.trees.widths(columns)
    }

    pub(crate) fn write(&self, writer: &mut Writer, columns: u16) {
        let inner = &self.trees.inner;
        writer.u16(inner.len() as u16);
        writer.u8(match self.leaves {
            Leaves::Votes(_) => VOTES,
            Leaves::Scores(_) => SCORES,
        });
        writer.u8(self.widths(columns).1 as u8);
        inner.iter().for_each(|&inner| writer.u16(inner));
        self.trees.write_nodes(writer, columns);
        match &self.leaves {
            Leaves::Votes(votes) => writer.bytes(votes),
            Leaves::Scores(values) => writer.i8s(values),
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>, columns: u16, classes: u16) -> Result<Self> {
        let trees = usize::from(reader.u16()?);
        let (leaves, wide) = (reader.u8()?, reader.u8()? == 2);
        if trees == 0 || trees > MAX_TREES {
            return Err(file(format!("{trees} trees")));
        }
        let inner = reader.many(trees, Reader::u16)?;
        let trees = Trees::read(reader, inner, columns, wide)?;
        let count = trees.leaf_count();
        let leaves = match leaves {
            VOTES => Leaves::Votes(read_votes(reader, count, classes)?),
            SCORES => Leaves::Scores(reader.i8s(count * usize::from(classes))?),
            other => return Err(file(format!("leaves of kind {other}"))),
        };
        Ok(Self::new(trees, leaves))
    }
}

fn read_votes(reader: &mut Reader<'_>, count: usize, classes: u16) -> Result<Vec<u8>> {
    let votes = reader.take(count)?;
    match votes.iter().find(|&&vote| u16::from(vote) >= classes) {
        Some(vote) => Err(file(format!("a leaf says class {vote} of {classes}"))),
        None => Ok(votes.to_vec()),
    }
}

#[cfg(test)]
mod tests;
