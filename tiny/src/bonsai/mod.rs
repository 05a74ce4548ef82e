//! Bonsai (Kumar, Goyal, Varma, ICML 2017): one shallow tree over a sparse projection, whose
//! nodes on the way all have a say. ŷ = Σₖ Wₖp ∘ tanh(σVₖp) with p = Zx; to the right child where
//! θₖ·p > 0. Two classes need one output only: its sign.

mod integer;
mod parts;
mod teach;

pub use integer::{Bonsai, TANH};
pub use teach::{BonsaiSettings, Trained};

use std::ops::{AddAssign, Neg};

use crate::error::{Result, file};
use crate::format::bytes::{Reader, Writer};
use crate::model::{Part, Term};

/// Trees deeper than this are no tiny model.
pub const MAX_DEPTH: usize = 8;

/// A sparse matrix, row after row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sparse<T> {
    /// Entries of each row.
    pub counts: Vec<u16>,
    /// Column and value, columns ascending in a row.
    pub entries: Vec<(u16, T)>,
}

/// A Bonsai tree in floating point.
#[derive(Debug, Clone, PartialEq)]
pub struct BonsaiFloat {
    pub(crate) depth: usize,
    pub(crate) classes: usize,
    /// For bytes: means and deviations are inside.
    pub(crate) projection: Sparse<f32>,
    /// Added to each projected number.
    pub(crate) bias: Vec<f32>,
    /// `[node][output][dimension]`.
    pub(crate) weights: Vec<f32>,
    /// `[node][output][dimension]`, σ inside.
    pub(crate) gates: Vec<f32>,
    /// `[inner node][dimension]`.
    pub(crate) branches: Vec<f32>,
}

/// Nodes of a tree, inner and leaves.
pub(crate) fn node_count(depth: usize) -> usize {
    (2 << depth) - 1
}

/// Outputs: one for two classes.
pub(crate) fn output_count(classes: usize) -> usize {
    if classes == 2 { 1 } else { classes }
}

impl<T: Copy> Sparse<T> {
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[(u16, T)]> {
        let mut first = 0;
        self.counts.iter().map(move |&count| {
            let row = &self.entries[first..first + usize::from(count)];
            first += usize::from(count);
            row
        })
    }
}

impl BonsaiFloat {
    /// Levels below the root.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Entries of the projection that are not 0.
    pub fn entry_count(&self) -> usize {
        self.projection.entries.len()
    }

    /// Classes told apart.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// What each node on the way adds to each output.
    fn path(&self, row: &[u8]) -> Vec<(usize, Vec<f32>)> {
        let dimensions = self.bias.len();
        let outputs = output_count(self.classes);
        let projected: Vec<f32> = self
            .projection
            .rows()
            .zip(&self.bias)
            .map(|(entries, bias)| {
                let products = entries.iter();
                products.fold(*bias, |sum, &(column, weight)| {
                    sum + weight * f32::from(row[usize::from(column)])
                })
            })
            .collect();
        let product = |weights: &[f32]| {
            let pairs = weights.iter().zip(&projected);
            pairs.map(|(weight, value)| weight * value).sum::<f32>()
        };
        let said = |node: usize, output: usize| {
            let at = (node * outputs + output) * dimensions;
            let gate = product(&self.gates[at..at + dimensions]).tanh();
            product(&self.weights[at..at + dimensions]) * gate
        };
        walk(self.depth, outputs, said, |node| {
            product(&self.branches[node * dimensions..][..dimensions]) > 0.0
        })
    }

    pub(crate) fn scores(&self, row: &[u8]) -> Vec<f32> {
        sums(output_count(self.classes), self.path(row))
    }

    pub(crate) fn explain(&self, row: &[u8], label: usize) -> Vec<Term> {
        let path = self.path(row).into_iter();
        path.map(|(node, said)| Term {
            part: Part::Node(node as u16),
            value: signed(self.classes, label, |output| f64::from(said[output])),
        })
        .collect()
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u8(self.depth as u8);
        writer.u8(self.bias.len() as u8);
        self.projection
            .counts
            .iter()
            .for_each(|&count| writer.u16(count));
        for &(column, value) in &self.projection.entries {
            writer.u16(column);
            writer.f32(value);
        }
        for values in [&self.bias, &self.weights, &self.gates, &self.branches] {
            writer.f32s(values);
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>, columns: u16, classes: u16) -> Result<Self> {
        let (depth, dimensions) = read_shape(reader)?;
        let classes = usize::from(classes);
        let counts = reader.many(dimensions, Reader::u16)?;
        let mut entries = Vec::new();
        for &count in &counts {
            let row = reader.many(usize::from(count), |reader| {
                Ok((reader.u16()?, reader.f32()?))
            })?;
            check_columns(&row, columns)?;
            entries.extend(row);
        }
        let nodes = node_count(depth) * output_count(classes) * dimensions;
        Ok(Self {
            depth,
            classes,
            projection: Sparse { counts, entries },
            bias: reader.many(dimensions, Reader::f32)?,
            weights: reader.many(nodes, Reader::f32)?,
            gates: reader.many(nodes, Reader::f32)?,
            branches: reader.many((node_count(depth) / 2) * dimensions, Reader::f32)?,
        })
    }
}

/// What each node on the way adds to each output: from the root down, to the right where `right`.
fn walk<T>(
    depth: usize,
    outputs: usize,
    said: impl Fn(usize, usize) -> T,
    right: impl Fn(usize) -> bool,
) -> Vec<(usize, Vec<T>)> {
    let mut node = 0;
    let mut path = Vec::with_capacity(depth + 1);
    for level in 0..=depth {
        path.push((
            node,
            (0..outputs).map(|output| said(node, output)).collect(),
        ));
        if level < depth {
            node = 2 * node + 1 + usize::from(right(node));
        }
    }
    path
}

/// A score a class of what the nodes on the way say: one output stands for two classes.
fn sums<T>(outputs: usize, path: Vec<(usize, Vec<T>)>) -> Vec<T>
where
    T: Copy + Default + AddAssign + Neg<Output = T>,
{
    let mut sums = vec![T::default(); outputs];
    for (_, said) in path {
        sums.iter_mut()
            .zip(said)
            .for_each(|(sum, said)| *sum += said);
    }
    match sums[..] {
        [one] => vec![-one, one],
        _ => sums,
    }
}

/// The score of a class: with one output, its negative for class 0.
fn signed(classes: usize, label: usize, output: impl Fn(usize) -> f64) -> f64 {
    match (classes, label) {
        (2, 0) => -output(0),
        (2, _) => output(0),
        _ => output(label),
    }
}

fn read_shape(reader: &mut Reader<'_>) -> Result<(usize, usize)> {
    let (depth, dimensions) = (usize::from(reader.u8()?), usize::from(reader.u8()?));
    if depth <= MAX_DEPTH && dimensions > 0 {
        return Ok((depth, dimensions));
    }
    Err(file(format!(
        "a Bonsai tree of depth {depth} in {dimensions} dimensions"
    )))
}

/// Columns ascend and exist.
fn check_columns<T>(row: &[(u16, T)], columns: u16) -> Result<()> {
    let ascending = row.windows(2).all(|pair| pair[0].0 < pair[1].0);
    if ascending && row.last().is_none_or(|last| last.0 < columns) {
        return Ok(());
    }
    Err(file(
        "the columns of a projection are out of order or don't exist",
    ))
}

#[cfg(test)]
mod tests;
