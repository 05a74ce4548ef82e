//! Global refinement of a forest (Ren, Cao, Wei, Sun: "Global Refinement of Random Forest",
//! CVPR 2015): the leaves that a row reaches are its features, and the scores of all leaves are
//! learned together, as linear support vector machines of one class against the rest.
//!
//! Solved in the dual by coordinate descent (Hsieh and others, ICML 2008): every row has as many
//! ones as there are trees, so each step is as cheap as an answer.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Result, settings};
use crate::forest::{Forest, Grown};
use crate::random::Random;
use crate::table::Table;

/// How leaves are refined.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RefineSettings {
    /// Weight of a mistake against the size of the scores (the C of a support vector machine).
    pub cost: f32,
    /// Passes over the rows at most.
    pub passes: usize,
    /// Ends when no step of a pass was larger than this share of the margin.
    pub tolerance: f32,
    /// Where chance starts.
    pub seed: u64,
}

impl RefineSettings {
    /// Settings that suit forests of some dozen trees.
    pub fn new(cost: f32, seed: u64) -> Self {
        Self {
            cost,
            passes: 60,
            tolerance: 0.05,
            seed,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.cost > 0.0 && self.cost.is_finite() && self.passes > 0 {
            return Ok(());
        }
        Err(settings(
            "refining needs a positive cost and at least one pass",
        ))
    }
}

/// The scores of all leaves, learned together; int8 with one unit for all.
pub fn refine(grown: &Grown, table: &Table, settings: &RefineSettings) -> Result<Forest> {
    settings.check()?;
    let mut machines = Machines::new(grown, table)?;
    machines.learn(table, settings);
    grown.with_scores(machines.scores())
}

/// One machine for each class.
pub(super) struct Machines {
    trees: usize,
    pub(super) leaf_count: usize,
    /// The leaves that each row reaches, `trees` for each row.
    reached: Vec<u32>,
    classes: Vec<Machine>,
}

struct Machine {
    /// One for each row, from 0 to the cost.
    dual: Vec<f32>,
    /// One for each leaf.
    weights: Vec<f32>,
}

impl Machines {
    pub(super) fn new(grown: &Grown, table: &Table) -> Result<Self> {
        let trees = grown.trees.len();
        let leaf_count = grown.leaf_count();
        let machine = || Machine {
            dual: vec![0.0; table.len()],
            weights: vec![0.0; leaf_count],
        };
        Ok(Self {
            trees,
            leaf_count,
            reached: reached(grown, table)?,
            classes: (0..grown.classes).map(|_| machine()).collect(),
        })
    }

    pub(super) fn learn(&mut self, table: &Table, settings: &RefineSettings) {
        let (reached, trees, labels) = (&self.reached, self.trees, table.labels());
        self.classes
            .par_iter_mut()
            .enumerate()
            .for_each(|(class, machine)| {
                machine.learn(class as u16, reached, trees, labels, settings);
            });
    }

    /// The sum of squares of a leaf's scores.
    pub(super) fn weight(&self, leaf: usize) -> f64 {
        let squares = self
            .classes
            .iter()
            .map(|class| f64::from(class.weights[leaf]).powi(2));
        squares.sum()
    }

    /// Leaves took new numbers, some became one: the same duals over what is left.
    pub(super) fn renumber(&mut self, numbers: &[u32], leaf_count: usize, labels: &[u16]) {
        for leaf in &mut self.reached {
            *leaf = numbers[*leaf as usize];
        }
        self.leaf_count = leaf_count;
        let (reached, trees) = (&self.reached, self.trees);
        self.classes
            .par_iter_mut()
            .enumerate()
            .for_each(|(class, machine)| {
                machine.weights = vec![0.0; leaf_count];
                for (row, leaves) in reached.chunks(trees).enumerate() {
                    let side = side(labels[row], class as u16);
                    for &leaf in leaves {
                        machine.weights[leaf as usize] += side * machine.dual[row];
                    }
                }
            });
    }

    /// Leaf after leaf, a score for each class, in units of the largest / 127.
    pub(super) fn scores(&self) -> Vec<i8> {
        let all = self.classes.iter().flat_map(|class| &class.weights);
        let largest = all.fold(f32::MIN_POSITIVE, |largest, weight| {
            largest.max(weight.abs())
        });
        let score = |leaf: usize, class: &Machine| (class.weights[leaf] / largest * 127.0).round();
        (0..self.leaf_count)
            .flat_map(|leaf| {
                self.classes
                    .iter()
                    .map(move |class| score(leaf, class) as i8)
            })
            .collect()
    }
}

impl Machine {
    fn learn(
        &mut self,
        class: u16,
        reached: &[u32],
        trees: usize,
        labels: &[u16],
        settings: &RefineSettings,
    ) {
        let mut random = Random::new(settings.seed, u64::from(class));
        let mut order: Vec<u32> = (0..labels.len() as u32).collect();
        for _ in 0..settings.passes {
            random.shuffle(&mut order);
            let mut largest = 0f32;
            for &row in &order {
                let row = row as usize;
                let leaves = &reached[row * trees..(row + 1) * trees];
                let step = self.step(row, leaves, side(labels[row], class), settings.cost);
                largest = largest.max(step);
            }
            if largest < settings.tolerance {
                break;
            }
        }
    }

    /// One row's dual to its best value with the others as they are; how far the margin was off.
    fn step(&mut self, row: usize, leaves: &[u32], side: f32, cost: f32) -> f32 {
        let sum: f32 = leaves.iter().map(|&leaf| self.weights[leaf as usize]).sum();
        let slope = side * sum - 1.0;
        let before = self.dual[row];
        let after = (before - slope / leaves.len() as f32).clamp(0.0, cost);
        let change = after - before;
        if change == 0.0 {
            return 0.0;
        }
        self.dual[row] = after;
        for &leaf in leaves {
            self.weights[leaf as usize] += side * change;
        }
        (change * leaves.len() as f32).abs()
    }
}

fn side(label: u16, class: u16) -> f32 {
    if label == class { 1.0 } else { -1.0 }
}

fn reached(grown: &Grown, table: &Table) -> Result<Vec<u32>> {
    let forest = grown.voting()?;
    let rows: Vec<Vec<u32>> = (0..table.len())
        .into_par_iter()
        .map(|row| {
            let mut leaves = Vec::with_capacity(grown.trees.len());
            forest.walk(table.row(row), |leaf| leaves.push(leaf as u32));
            leaves
        })
        .collect();
    Ok(rows.concat())
}
