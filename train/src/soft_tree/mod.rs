//! Soft decision trees (Frosst and Hinton 2017, "Distilling a Neural Network Into a Soft Decision
//! Tree"): every inner node has a filter, and sends a sample right with probability
//! σ(filter · sample + bias); every leaf has a distribution of classes. Taught softly, answered
//! along the single likeliest path, which is also the reason: a few filters a person can look at.

mod descent;
mod file;
mod teach;
#[cfg(test)]
mod tests;

pub use teach::SoftTreeRecipe;

use crate::shape::Shape;
use crate::{Error, Result};

/// Deeper trees have more leaves than samples.
const MAX_DEPTH: usize = 12;

/// A soft decision tree. Node n has the children 2n + 1 and 2n + 2; leaves follow the inner nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct SoftTree {
    shape: Shape,
    depth: usize,
    classes: usize,
    /// `[node][input]`.
    filters: Vec<f32>,
    biases: Vec<f32>,
    /// `[leaf][class]`, before the softmax.
    leaves: Vec<f32>,
}

/// Why a tree answers as it does: the nodes from the root to a leaf.
#[derive(Debug, Clone, PartialEq)]
pub struct Way {
    /// The inner nodes, the root first.
    pub steps: Vec<Step>,
    /// The leaf, counted from the left.
    pub leaf: usize,
    /// What the leaf says of each class; sums to 1.
    pub shares: Vec<f32>,
}

/// A decision on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The node.
    pub node: usize,
    /// filter · sample + bias: above 0 it goes right. The terms are [`SoftTree::terms`].
    pub sum: f32,
    /// Classes that leaves on the left answer.
    pub left: Vec<usize>,
    /// Classes that leaves on the right answer.
    pub right: Vec<usize>,
}

impl SoftTree {
    /// Levels below the root.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Classes told apart.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Inner nodes.
    pub fn nodes(&self) -> usize {
        self.biases.len()
    }

    /// Learned numbers.
    pub fn parameters(&self) -> usize {
        self.filters.len() + self.biases.len() + self.leaves.len()
    }

    /// What a node looks for: a weight for each number of a sample.
    ///
    /// # Panics
    /// If there is no such inner node.
    pub fn filter(&self, node: usize) -> &[f32] {
        &self.filters[node * self.shape.len()..][..self.shape.len()]
    }

    /// What each number of a sample adds to a node's sum; its bias is the rest of [`Step::sum`].
    pub fn terms(&self, node: usize, sample: &[f32]) -> Vec<f32> {
        let pairs = self.filter(node).iter().zip(sample);
        pairs.map(|(weight, value)| weight * value).collect()
    }

    /// A node's bias.
    ///
    /// # Panics
    /// If there is no such inner node.
    pub fn bias(&self, node: usize) -> f32 {
        self.biases[node]
    }

    /// The classes along the single likeliest path of each sample.
    pub fn classify(&self, samples: &[f32]) -> Result<Vec<usize>> {
        let rows = self.rows(samples)?;
        Ok(rows
            .map(|sample| self.class_of(self.leaf(sample, |_, _| ())))
            .collect())
    }

    /// The classes by all leaves, each weighted by how likely it is reached: the soft answer,
    /// which costs as much as all paths.
    pub fn classify_softly(&self, samples: &[f32]) -> Result<Vec<usize>> {
        let rows = self.rows(samples)?;
        Ok(rows.map(|sample| self.soft_class(sample)).collect())
    }

    /// Why a sample is answered as it is.
    pub fn explain(&self, sample: &[f32]) -> Result<Way> {
        if sample.len() != self.shape.len() {
            return Err(self.wrong(sample.len()));
        }
        let mut steps = Vec::with_capacity(self.depth);
        let leaf = self.leaf(sample, |node, sum| {
            steps.push(Step {
                node,
                sum,
                left: self.below(2 * node + 1),
                right: self.below(2 * node + 2),
            });
        });
        Ok(Way {
            steps,
            leaf,
            shares: shares(self.logits(leaf)),
        })
    }

    fn rows<'a>(&self, samples: &'a [f32]) -> Result<impl Iterator<Item = &'a [f32]>> {
        if !samples.len().is_multiple_of(self.shape.len()) {
            return Err(self.wrong(samples.len()));
        }
        Ok(samples.chunks_exact(self.shape.len()))
    }

    fn wrong(&self, numbers: usize) -> Error {
        let (shape, wanted) = (self.shape, self.shape.len());
        Error::Data(format!(
            "{numbers} numbers are no samples of {shape} ({wanted} each)"
        ))
    }

    fn sum(&self, node: usize, sample: &[f32]) -> f32 {
        let products = self.filter(node).iter().zip(sample);
        products.map(|(a, b)| a * b).sum::<f32>() + self.biases[node]
    }

    /// The leaf that the likeliest path ends at; `visit` is told each node and its sum.
    fn leaf(&self, sample: &[f32], mut visit: impl FnMut(usize, f32)) -> usize {
        let mut node = 0;
        while node < self.nodes() {
            let sum = self.sum(node, sample);
            visit(node, sum);
            node = 2 * node + 1 + usize::from(sum > 0.0);
        }
        node - self.nodes()
    }

    fn soft_class(&self, sample: &[f32]) -> usize {
        let mut reach = vec![1.0f32; 2 * self.nodes() + 1];
        for node in 0..self.nodes() {
            let right = sigmoid(self.sum(node, sample));
            reach[2 * node + 1] = reach[node] * (1.0 - right);
            reach[2 * node + 2] = reach[node] * right;
        }
        let mut total = vec![0.0; self.classes];
        for (leaf, reach) in reach[self.nodes()..].iter().enumerate() {
            for (total, share) in total.iter_mut().zip(shares(self.logits(leaf))) {
                *total += reach * share;
            }
        }
        highest(&total)
    }

    fn logits(&self, leaf: usize) -> &[f32] {
        &self.leaves[leaf * self.classes..][..self.classes]
    }

    fn class_of(&self, leaf: usize) -> usize {
        highest(self.logits(leaf))
    }

    /// The classes that the leaves below a node answer, in order.
    fn below(&self, node: usize) -> Vec<usize> {
        let (mut first, mut last) = (node, node);
        while first < self.nodes() {
            (first, last) = (2 * first + 1, 2 * last + 2);
        }
        let leaves = first - self.nodes()..=last - self.nodes();
        let classes: std::collections::BTreeSet<usize> =
            leaves.map(|leaf| self.class_of(leaf)).collect();
        classes.into_iter().collect()
    }
}

fn sigmoid(sum: f32) -> f32 {
    1.0 / (1.0 + (-sum).exp())
}

/// Softmax.
fn shares(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|one| (one - most).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|one| one / sum).collect()
}

/// The index of the highest, the first of equals.
fn highest(values: &[f32]) -> usize {
    (1..values.len()).fold(
        0,
        |best, at| {
            if values[at] > values[best] { at } else { best }
        },
    )
}
