//! Gradient-boosted trees with leaves of a byte: what they are and how they answer.
//!
//! A tree adds to one output; its leaves are signed bytes in a unit of the tree, a multiplier of
//! a byte times the unit of the model. So an answer takes a product of two bytes and a sum of 32
//! bits for each tree. They are not trained here: [`crate::import`] takes over what LightGBM,
//! XGBoost and scikit-learn learned.

mod parts;

use crate::error::{Result, TinyError, settings};
use crate::forest::shape::{Branch, Trees};
use crate::forest::{MAX_TREES, Node};
use crate::model::Term;

/// Largest absolute base of an output; with all trees no sum leaves its 32 bits.
const BASE_AT_MOST: i32 = 1 << 30;
// Every tree at its largest, and a base.
const _: () = assert!(MAX_TREES as i64 * 128 * 255 + (BASE_AT_MOST as i64) < i32::MAX as i64);

/// Trees that add up.
#[derive(Debug, Clone, PartialEq)]
pub struct Boosted {
    trees: Trees,
    /// What an output is without trees. One output tells two classes apart: above 0 it is the
    /// second. Otherwise there is one for each class.
    base: Vec<i32>,
    /// The output that each tree adds to.
    outputs: Vec<u8>,
    multipliers: Vec<u8>,
    leaves: Vec<i8>,
    unit: f32,
}

/// A tree in floating point, and the output that it adds to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FloatTree {
    pub output: u8,
    pub branches: Vec<Branch<f64>>,
}

/// A tree that is more than a constant, its leaves around 0.
struct Centred {
    output: u8,
    branches: Vec<Branch<f64>>,
    largest: f64,
}

impl Boosted {
    /// Rounds the leaves of `trees` to bytes. What is the same at both ends of a tree's leaves is
    /// taken out of them and added to the base: the steps become as fine as they can.
    pub(crate) fn new(mut base: Vec<f64>, trees: Vec<FloatTree>) -> Result<Self> {
        let centred: Vec<Centred> = trees
            .into_iter()
            .filter_map(|tree| centred(tree, &mut base))
            .collect();
        if centred.is_empty() {
            return Err(settings("no tree asks for any column: there is no model"));
        }
        let largest = centred
            .iter()
            .fold(0f64, |largest, tree| largest.max(tree.largest));
        // The base has the unit too, and may be far larger than any leaf.
        let farthest = base
            .iter()
            .fold(0f64, |farthest, base| farthest.max(base.abs()));
        let unit = (largest / (127.0 * 255.0)).max(farthest / f64::from(BASE_AT_MOST)) as f32;
        if !(unit.is_finite() && unit > 0.0) {
            return Err(TinyError::Diverged(format!(
                "a step of the leaves comes out as {unit}"
            )));
        }
        let unit_exact = f64::from(unit);
        let mut made = Self {
            trees: Trees::default(),
            base: base
                .iter()
                .map(|base| (base / unit_exact).round() as i32)
                .collect(),
            outputs: Vec::new(),
            multipliers: Vec::new(),
            leaves: Vec::new(),
            unit,
        };
        for tree in &centred {
            let multiplier = (tree.largest / 127.0 / unit_exact).ceil().clamp(1.0, 255.0);
            let step = multiplier * unit_exact;
            let leaves = &mut made.leaves;
            made.trees.push(&tree.branches, |leaf: &f64| {
                leaves.push((leaf / step).round().clamp(-127.0, 127.0) as i8);
            })?;
            made.outputs.push(tree.output);
            made.multipliers.push(multiplier as u8);
        }
        made.check()?;
        Ok(made)
    }

    /// Inner nodes of each tree.
    pub fn inner(&self) -> &[u16] {
        &self.trees.inner
    }

    /// All inner nodes, tree after tree, each in preorder.
    pub fn nodes(&self) -> &[Node] {
        &self.trees.nodes
    }

    /// The leaves, tree after tree, from left to right.
    pub fn leaves(&self) -> &[i8] {
        &self.leaves
    }

    /// The output that each tree adds to.
    pub fn outputs_of_trees(&self) -> &[u8] {
        &self.outputs
    }

    /// What the leaves of each tree are multiplied by.
    pub fn multipliers(&self) -> &[u8] {
        &self.multipliers
    }

    /// What each output is without trees: one for each class, or one for two classes, which is
    /// above 0 for the second.
    pub fn base(&self) -> &[i32] {
        &self.base
    }

    /// What a score of 1 stands for: the raw score of the trained model.
    pub fn unit(&self) -> f64 {
        f64::from(self.unit)
    }

    /// By how much rounding leaves to bytes can have moved a raw score, at most: half a step of
    /// every tree that adds to it. Where leaves of one tree lie far apart (a training that went
    /// astray, a rate too high) this is much, and the model answers otherwise than its program.
    pub fn rounding(&self) -> f64 {
        let steps = |output: usize| {
            let trees = self.outputs.iter().zip(&self.multipliers);
            let own = trees.filter(|(of, _)| usize::from(**of) == output);
            own.map(|(_, &multiplier)| f64::from(multiplier))
                .sum::<f64>()
        };
        let most = (0..self.base.len()).map(steps).fold(0.0, f64::max);
        // The base is rounded to a unit too.
        f64::midpoint(most, 1.0) * self.unit()
    }

    /// Bytes of a node's column and of its skip in file and flash.
    pub fn widths(&self, columns: u16) -> (usize, usize) {
        self.trees.widths(columns)
    }

    /// The score of each class; where one output tells two apart, it and its opposite.
    pub(crate) fn scores(&self, row: &[u8]) -> Vec<i32> {
        let mut scores = self.base.clone();
        self.trees.walk(row, |tree, leaf| {
            let leaf = i32::from(self.leaves[leaf]);
            scores[usize::from(self.outputs[tree])] += leaf * i32::from(self.multipliers[tree]);
        });
        if let [score] = scores[..] {
            return vec![-score, score];
        }
        scores
    }

    /// See [`Trees::explain`].
    pub(crate) fn explain(&self, row: &[u8], label: usize) -> Vec<Term> {
        let single = self.base.len() == 1;
        let sign = if single && label == 0 { -1.0 } else { 1.0 };
        let output = if single { 0 } else { label };
        let value = |tree: usize, leaf: usize| {
            if usize::from(self.outputs[tree]) != output {
                return 0.0;
            }
            let units = i32::from(self.leaves[leaf]) * i32::from(self.multipliers[tree]);
            sign * f64::from(units) * self.unit()
        };
        let base = sign * f64::from(self.base[output]) * self.unit();
        self.trees.explain(row, base, value)
    }

    /// What a file may say wrongly.
    fn check(&self) -> Result<()> {
        let trees = self.trees.inner.len();
        if trees == 0 || trees > MAX_TREES {
            return Err(settings(format!(
                "{trees} trees: 1 to {MAX_TREES} are possible"
            )));
        }
        if let Some(base) = self
            .base
            .iter()
            .find(|base| base.unsigned_abs() > BASE_AT_MOST.unsigned_abs())
        {
            return Err(settings(format!(
                "a base of {base} could leave its 32 bits"
            )));
        }
        let outputs = self.base.len();
        if let Some(output) = self
            .outputs
            .iter()
            .find(|&&output| usize::from(output) >= outputs)
        {
            return Err(settings(format!(
                "a tree adds to output {output} of {outputs}"
            )));
        }
        Ok(())
    }
}

/// The tree with the middle of its leaves taken out; none if it is a constant.
fn centred(mut tree: FloatTree, base: &mut [f64]) -> Option<Centred> {
    let ends = tree.branches.iter().filter_map(|branch| match branch {
        Branch::Leaf(value) => Some(*value),
        Branch::Split { .. } => None,
    });
    let (least, most) = ends.fold(
        (f64::INFINITY, f64::NEG_INFINITY),
        |(least, most), value| (least.min(value), most.max(value)),
    );
    let middle = least.midpoint(most);
    base[usize::from(tree.output)] += middle;
    for branch in &mut tree.branches {
        if let Branch::Leaf(value) = branch {
            *value -= middle;
        }
    }
    (most > least).then_some(Centred {
        output: tree.output,
        branches: tree.branches,
        largest: (most - least) / 2.0,
    })
}
