//! Decision trees and forests over bytes: what they are and how they answer.
//!
//! Trees lie in preorder without pointers: a node's left child follows it, and its `skip` is the
//! number of inner nodes on its left. So the walk knows how many inner nodes are left below it;
//! where none is, it stands at a leaf, whose number it has counted on the way. A node takes three
//! to five bytes, a leaf one byte (a vote) or one for each class (scores).

mod grow;
mod prune;
mod refine;
mod split;
mod trees;

pub use grow::{ForestSettings, Votes};
pub use prune::{PruneSettings, refine_and_prune};
pub use refine::{RefineSettings, refine};
pub use trees::Grown;

use crate::error::{Result, file};
use crate::format::bytes::{Reader, Writer};
use crate::model::{Part, Term};

/// More trees than this are no tiny model.
pub const MAX_TREES: usize = 4096;

/// Trees whose leaves vote or score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forest {
    /// Inner nodes of each tree; a tree has one leaf more.
    inner: Vec<u16>,
    nodes: Vec<Node>,
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

/// A node passed on the way down.
struct Step {
    node: usize,
    /// First leaf below it and one past the last.
    leaves: (usize, usize),
}

impl Forest {
    pub(crate) fn new(inner: Vec<u16>, nodes: Vec<Node>, leaves: Leaves) -> Self {
        Self {
            inner,
            nodes,
            leaves,
        }
    }

    /// Inner nodes of each tree.
    pub fn inner(&self) -> &[u16] {
        &self.inner
    }

    /// All inner nodes, tree after tree, each in preorder.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// What the leaves say, tree after tree, from left to right.
    pub fn leaves(&self) -> &Leaves {
        &self.leaves
    }

    /// How many leaves there are.
    pub fn leaf_count(&self) -> usize {
        self.nodes.len() + self.inner.len()
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
        let (mut first_node, mut first_leaf) = (0, 0);
        for &inner in &self.inner {
            let (mut node, mut leaf, mut left) = (first_node, first_leaf, usize::from(inner));
            while left > 0 {
                let at = self.nodes[node];
                let skip = usize::from(at.skip);
                if row[usize::from(at.column)] > at.threshold {
                    node += 1 + skip;
                    leaf += 1 + skip;
                    left -= 1 + skip;
                } else {
                    node += 1;
                    left = skip;
                }
            }
            visit(leaf);
            first_node += usize::from(inner);
            first_leaf += usize::from(inner) + 1;
        }
    }

    /// For each column the change of the class's mean leaf score at its nodes on the way; the
    /// base is the mean over all leaves of every tree. The sum telescopes to the score.
    pub(crate) fn explain(&self, row: &[u8], label: usize) -> Vec<Term> {
        let classes = match &self.leaves {
            Leaves::Votes(_) => 1,
            Leaves::Scores(values) => values.len() / self.leaf_count(),
        };
        let value = |leaf: usize| match &self.leaves {
            Leaves::Votes(votes) => f64::from(u8::from(usize::from(votes[leaf]) == label)),
            Leaves::Scores(values) => f64::from(values[leaf * classes + label]),
        };
        let mean = |(first, end): (usize, usize)| {
            (first..end).map(value).sum::<f64>() / (end - first) as f64
        };
        let mut base = 0.0;
        let mut columns = std::collections::BTreeMap::<u16, f64>::new();
        let (mut first_node, mut first_leaf) = (0, 0);
        for &inner in &self.inner {
            let inner = usize::from(inner);
            let mut before = mean((first_leaf, first_leaf + inner + 1));
            base += before;
            for step in self.steps(row, first_node, first_leaf, inner) {
                let after = mean(step.leaves);
                *columns.entry(self.nodes[step.node].column).or_default() += after - before;
                before = after;
            }
            first_node += inner;
            first_leaf += inner + 1;
        }
        let base = Term {
            part: Part::Base,
            value: base,
        };
        let columns = columns.into_iter().map(|(column, value)| Term {
            part: Part::Column(column),
            value,
        });
        std::iter::once(base).chain(columns).collect()
    }

    /// Each node passed, with the leaves below the child that was taken.
    fn steps(&self, row: &[u8], mut node: usize, mut leaf: usize, mut left: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        while left > 0 {
            let (passed, at) = (node, self.nodes[node]);
            let skip = usize::from(at.skip);
            if row[usize::from(at.column)] > at.threshold {
                (node, leaf, left) = (node + 1 + skip, leaf + 1 + skip, left - 1 - skip);
            } else {
                (node, left) = (node + 1, skip);
            }
            steps.push(Step {
                node: passed,
                leaves: (leaf, leaf + left + 1),
            });
        }
        steps
    }

    /// Bytes of a node's column and of its skip in file and flash.
    pub fn widths(&self, columns: u16) -> (usize, usize) {
        let wide = self.nodes.iter().any(|node| node.skip > 255);
        (1 + usize::from(columns > 256), 1 + usize::from(wide))
    }

    pub(crate) fn write(&self, writer: &mut Writer, columns: u16) {
        let (column_bytes, skip_bytes) = self.widths(columns);
        writer.u16(self.inner.len() as u16);
        writer.u8(match self.leaves {
            Leaves::Votes(_) => VOTES,
            Leaves::Scores(_) => SCORES,
        });
        writer.u8(skip_bytes as u8);
        self.inner.iter().for_each(|&inner| writer.u16(inner));
        for node in &self.nodes {
            writer.bytes(&node.column.to_le_bytes()[..column_bytes]);
            writer.u8(node.threshold);
            writer.bytes(&node.skip.to_le_bytes()[..skip_bytes]);
        }
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
        let count = inner.iter().copied().map(usize::from).sum();
        let nodes = reader.many(count, |reader| read_node(reader, columns, wide))?;
        let leaf_count = count + trees;
        let leaves = match leaves {
            VOTES => Leaves::Votes(read_votes(reader, leaf_count, classes)?),
            SCORES => Leaves::Scores(reader.i8s(leaf_count * usize::from(classes))?),
            other => return Err(file(format!("leaves of kind {other}"))),
        };
        check_shape(&inner, &nodes)?;
        Ok(Self::new(inner, nodes, leaves))
    }
}

fn read_node(reader: &mut Reader<'_>, columns: u16, wide: bool) -> Result<Node> {
    let column = if columns > 256 {
        reader.u16()?
    } else {
        u16::from(reader.u8()?)
    };
    if column >= columns {
        return Err(file(format!(
            "a tree asks for column {column} of {columns}"
        )));
    }
    Ok(Node {
        column,
        threshold: reader.u8()?,
        skip: if wide {
            reader.u16()?
        } else {
            u16::from(reader.u8()?)
        },
    })
}

fn read_votes(reader: &mut Reader<'_>, count: usize, classes: u16) -> Result<Vec<u8>> {
    let votes = reader.take(count)?;
    match votes.iter().find(|&&vote| u16::from(vote) >= classes) {
        Some(vote) => Err(file(format!("a leaf says class {vote} of {classes}"))),
        None => Ok(votes.to_vec()),
    }
}

/// Whether every `skip` stays inside its tree: then no walk can leave it.
fn check_shape(inner: &[u16], nodes: &[Node]) -> Result<()> {
    let mut open = Vec::new();
    let mut next = nodes.iter();
    for &inner in inner {
        open.push(usize::from(inner));
        while let Some(below) = open.pop() {
            if below == 0 {
                continue;
            }
            let skip = usize::from(next.next().map_or(u16::MAX, |node| node.skip));
            let right = (below - 1)
                .checked_sub(skip)
                .ok_or_else(|| file("a node of a tree points beyond it"))?;
            // Preorder: the left side comes first, so that it is popped first.
            open.push(right);
            open.push(skip);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
