//! The gradient of a soft tree's cost over a batch, and the step down it.

use super::teach::SoftTreeRecipe;
use super::{SoftTree, shares, sigmoid};
use crate::examples::Examples;
use crate::kernel::matrix::{Threads, View, multiply};
use crate::random::Random;

/// Deviation of the filters at first.
const SPREAD: f32 = 0.05;
/// How far from 0 and 1 the share that a node sends right is taken to be, in the penalty.
const EDGE: f32 = 1e-3;

/// A tree that is being taught, its filters for samples less their mean.
pub(super) struct Teaching<'a> {
    recipe: &'a SoftTreeRecipe,
    inputs: usize,
    classes: usize,
    nodes: usize,
    mean: Vec<f32>,
    filters: Learned,
    biases: Learned,
    leaves: Learned,
    steps: i32,
}

/// What a batch came to on its way down.
struct Batch {
    samples: Vec<f32>,
    count: usize,
    /// `[sample][node]`: how likely it goes right.
    right: Vec<f32>,
    /// `[sample][node or leaf]`: how likely it comes there.
    reach: Vec<f32>,
}

impl<'a> Teaching<'a> {
    pub(super) fn new(data: &Examples, classes: usize, recipe: &'a SoftTreeRecipe) -> Self {
        let inputs = data.shape().len();
        let nodes = (1usize << recipe.depth) - 1;
        let mut mean = vec![0f64; inputs];
        for sample in data.inputs().chunks_exact(inputs) {
            for (mean, &value) in mean.iter_mut().zip(sample) {
                *mean += f64::from(value);
            }
        }
        let mut random = Random::of(recipe.seed, &[0x7472_6565]);
        let mut drawn = |count: usize, spread: f32| {
            Learned::new((0..count).map(|_| random.normal() * spread).collect())
        };
        Self {
            recipe,
            inputs,
            classes,
            nodes,
            mean: mean
                .into_iter()
                .map(|sum| (sum / data.len() as f64) as f32)
                .collect(),
            filters: drawn(nodes * inputs, SPREAD),
            biases: Learned::new(vec![0.0; nodes]),
            leaves: drawn((nodes + 1) * classes, 0.01),
            steps: 0,
        }
    }

    /// One step down the gradient; the mean cost before it.
    pub(super) fn step(&mut self, samples: Vec<f32>, wanted: &[f32], rate: f32) -> f32 {
        let batch = self.down(samples);
        let (cost, leaf_slopes) = self.costs(&batch, wanted);
        let leaves = self.leaf_gradient(&batch, wanted);
        let slopes = self.up(&batch, leaf_slopes);
        let (count, nodes, inputs) = (batch.count, self.nodes, self.inputs);
        let mut filters = self.filters.values.clone();
        filters
            .iter_mut()
            .for_each(|one| *one *= self.recipe.weight_decay);
        let by_node = View::new(&slopes, count, nodes).transposed();
        let by_sample = View::new(&batch.samples, count, inputs);
        multiply(&mut filters, by_node, by_sample, true, Threads::One);
        let mut biases = vec![0.0; nodes];
        for row in slopes.chunks_exact(nodes) {
            biases
                .iter_mut()
                .zip(row)
                .for_each(|(sum, one)| *sum += one);
        }
        self.steps += 1;
        self.filters.step(&filters, rate, self.steps);
        self.biases.step(&biases, rate, self.steps);
        self.leaves.step(&leaves, rate, self.steps);
        cost
    }

    fn down(&self, mut samples: Vec<f32>) -> Batch {
        let (nodes, count) = (self.nodes, samples.len() / self.inputs);
        for sample in samples.chunks_exact_mut(self.inputs) {
            sample
                .iter_mut()
                .zip(&self.mean)
                .for_each(|(value, mean)| *value -= mean);
        }
        let mut right = vec![0.0; count * nodes];
        let filters = View::new(&self.filters.values, nodes, self.inputs).transposed();
        let rows = View::new(&samples, count, self.inputs);
        multiply(&mut right, rows, filters, false, Threads::One);
        let mut reach = vec![1.0; count * (2 * nodes + 1)];
        let rows = right
            .chunks_exact_mut(nodes)
            .zip(reach.chunks_exact_mut(2 * nodes + 1));
        for (right, reach) in rows {
            for node in 0..nodes {
                right[node] = sigmoid(right[node] + self.biases.values[node]);
                reach[2 * node + 1] = reach[node] * (1.0 - right[node]);
                reach[2 * node + 2] = reach[node] * right[node];
            }
        }
        Batch {
            samples,
            count,
            right,
            reach,
        }
    }

    /// The mean cost, and each leaf's cross entropy `[sample][leaf]` as a share of the batch.
    fn costs(&self, batch: &Batch, wanted: &[f32]) -> (f32, Vec<f32>) {
        let (nodes, classes) = (self.nodes, self.classes);
        let logs: Vec<f32> = self
            .leaves
            .values
            .chunks_exact(classes)
            .flat_map(|logits| {
                let shares = shares(logits);
                shares.into_iter().map(|one| -one.max(1e-12).ln())
            })
            .collect();
        let mut entropies = vec![0.0; batch.count * (nodes + 1)];
        let by_sample = View::new(wanted, batch.count, classes);
        let by_leaf = View::new(&logs, nodes + 1, classes).transposed();
        multiply(&mut entropies, by_sample, by_leaf, false, Threads::One);
        let share = 1.0 / batch.count as f32;
        let mut cost = 0.0;
        let rows = entropies
            .chunks_exact_mut(nodes + 1)
            .zip(batch.reach.chunks_exact(2 * nodes + 1));
        for (row, reach) in rows {
            for (entropy, reach) in row.iter_mut().zip(&reach[nodes..]) {
                *entropy *= share;
                cost += *entropy * reach;
            }
        }
        (cost, entropies)
    }

    fn leaf_gradient(&self, batch: &Batch, wanted: &[f32]) -> Vec<f32> {
        let (nodes, classes) = (self.nodes, self.classes);
        let share = 1.0 / batch.count as f32;
        let reached: Vec<f32> = batch
            .reach
            .chunks_exact(2 * nodes + 1)
            .flat_map(|reach| reach[nodes..].iter().map(|one| one * share))
            .collect();
        let mut gradient = vec![0.0; (nodes + 1) * classes];
        let by_leaf = View::new(&reached, batch.count, nodes + 1).transposed();
        let by_sample = View::new(wanted, batch.count, classes);
        multiply(&mut gradient, by_leaf, by_sample, false, Threads::One);
        let mut totals = vec![0.0; nodes + 1];
        for row in reached.chunks_exact(nodes + 1) {
            totals
                .iter_mut()
                .zip(row)
                .for_each(|(sum, one)| *sum += one);
        }
        let rows = gradient
            .chunks_exact_mut(classes)
            .zip(self.leaves.values.chunks_exact(classes));
        for ((row, logits), total) in rows.zip(totals) {
            for (one, share) in row.iter_mut().zip(shares(logits)) {
                *one = total * share - *one;
            }
        }
        gradient
    }

    /// The slope of the cost by each node's sum, `[sample][node]`.
    fn up(&self, batch: &Batch, leaf_slopes: Vec<f32>) -> Vec<f32> {
        let nodes = self.nodes;
        let penalties = self.penalties(batch);
        let mut slopes = vec![0.0; batch.count * nodes];
        let mut below = vec![0.0; 2 * nodes + 1];
        let rows = slopes
            .chunks_exact_mut(nodes)
            .zip(batch.right.chunks_exact(nodes))
            .zip(batch.reach.chunks_exact(2 * nodes + 1))
            .zip(leaf_slopes.chunks_exact(nodes + 1));
        for (((slopes, right), reach), leaves) in rows {
            below[nodes..].copy_from_slice(leaves);
            for node in (0..nodes).rev() {
                let (left_slope, right_slope) = (below[2 * node + 1], below[2 * node + 2]);
                let share = right[node];
                below[node] = left_slope * (1.0 - share) + right_slope * share;
                let by_share = reach[node] * (right_slope - left_slope + penalties[node]);
                slopes[node] = by_share * share * (1.0 - share);
            }
        }
        slopes
    }

    /// The slope of each node's penalty −λ/2 (ln α + ln(1 − α)) by the share that a sample is
    /// sent right, per how likely the sample comes there; the way to the node is held as it is.
    fn penalties(&self, batch: &Batch) -> Vec<f32> {
        let nodes = self.nodes;
        let mut came = vec![1e-6f32; nodes];
        let mut went = vec![0f32; nodes];
        let rows = batch
            .reach
            .chunks_exact(2 * nodes + 1)
            .zip(batch.right.chunks_exact(nodes));
        for (reach, right) in rows {
            for node in 0..nodes {
                came[node] += reach[node];
                went[node] += reach[node] * right[node];
            }
        }
        (0..nodes)
            .map(|node| {
                let level = (node + 1).ilog2();
                let weight = self.recipe.balance / (1u32 << level) as f32;
                let alpha = (went[node] / came[node]).clamp(EDGE, 1.0 - EDGE);
                -weight / 2.0 * (1.0 / alpha - 1.0 / (1.0 - alpha)) / came[node]
            })
            .collect()
    }

    /// With the mean inside the biases.
    pub(super) fn finish(self, data: &Examples) -> SoftTree {
        let filters = self.filters.values.chunks_exact(self.inputs);
        let biases = filters
            .zip(&self.biases.values)
            .map(|(filter, bias)| {
                let products = filter.iter().zip(&self.mean);
                bias - products.map(|(a, b)| a * b).sum::<f32>()
            })
            .collect();
        SoftTree {
            shape: data.shape(),
            depth: self.recipe.depth,
            classes: self.classes,
            biases,
            filters: self.filters.values,
            leaves: self.leaves.values,
        }
    }
}

/// Numbers that Adam moves.
struct Learned {
    values: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Learned {
    fn new(values: Vec<f32>) -> Self {
        Self {
            first: vec![0.0; values.len()],
            second: vec![0.0; values.len()],
            values,
        }
    }

    /// Adam (Kingma and Ba 2015, algorithm 1), with β₁ = 0.9, β₂ = 0.999, ε = 1e-8.
    fn step(&mut self, gradient: &[f32], rate: f32, steps: i32) {
        let (one, two) = (1.0 - 0.9f32.powi(steps), 1.0 - 0.999f32.powi(steps));
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((value, slope), (first, second)) in self.values.iter_mut().zip(gradient).zip(moments) {
            *first += 0.1 * (slope - *first);
            *second += 0.001 * (slope * slope - *second);
            *value -= rate * (*first / one) / ((*second / two).sqrt() + 1e-8);
        }
    }
}
