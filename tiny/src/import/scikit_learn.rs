//! What `scripts/dump_sklearn.py` writes of scikit-learn's decision trees, random forests, extra
//! trees, gradient boosting and histogram gradient boosting. scikit-learn has no open format of
//! its own: its pickles are programs.
//!
//! ```text
//! {"kind": "forest" or "boosted", "columns": n, "classes": k, "base": [… of each output],
//!  "trees": [{"output": o, "column": [… −1 at leaves], "threshold": […], "left": […],
//!             "right": […], "value": [[a share for each class, or one number] …]} …]}
//! ```

use serde::Deserialize;

use super::tree::{Raw, Rule, build};
use super::{Shape, in_tree, wrong};
use crate::boosted::FloatTree;
use crate::error::Result;
use crate::forest::shape::{Branch, Trees};
use crate::forest::{Forest, Leaves, MAX_TREES, Votes};
use crate::model::{Family, Intake, Model, first_of_highest};

#[derive(Deserialize)]
pub(super) struct Dump {
    kind: Kind,
    columns: usize,
    classes: usize,
    #[serde(default)]
    base: Vec<f64>,
    trees: Vec<Tree>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Forest,
    Boosted,
}

#[derive(Deserialize)]
struct Tree {
    #[serde(default)]
    output: usize,
    column: Vec<i64>,
    threshold: Vec<f64>,
    left: Vec<i64>,
    right: Vec<i64>,
    value: Vec<Vec<f64>>,
}

pub(super) fn model(dump: Dump, intake: &Intake, votes: Votes) -> Result<Model> {
    let shape = Shape::new(dump.columns, dump.classes, intake)?;
    if dump.trees.is_empty() || dump.trees.len() > MAX_TREES {
        return Err(wrong(format!(
            "{} trees: 1 to {MAX_TREES} are possible",
            dump.trees.len()
        )));
    }
    if dump.kind == Kind::Forest {
        let forest = forest(&dump.trees, &shape, intake, votes)?;
        return Ok(shape.model(intake, Family::Forest(forest)));
    }
    let outputs = dump.base.len();
    let possible = outputs == dump.classes || (outputs == 1 && dump.classes == 2);
    if !possible {
        return Err(wrong(format!(
            "{outputs} outputs for {} classes",
            dump.classes
        )));
    }
    let mut trees = Vec::new();
    for (number, tree) in dump.trees.iter().enumerate() {
        if tree.output >= outputs {
            let output = tree.output;
            return Err(wrong(format!(
                "tree {number} adds to output {output} of {outputs}"
            )));
        }
        trees.push(FloatTree {
            output: tree.output as u8,
            branches: branches(tree, &shape, intake, 1, |value| value[0])
                .map_err(|error| in_tree(number, error))?,
        });
    }
    shape.boosted(intake, dump.base, trees)
}

fn forest(trees: &[Tree], shape: &Shape, intake: &Intake, votes: Votes) -> Result<Forest> {
    let classes = usize::from(shape.classes);
    let mut shapes = Trees::default();
    let (mut chosen, mut scores) = (Vec::new(), Vec::new());
    for (number, tree) in trees.iter().enumerate() {
        let branches = branches(tree, shape, intake, classes, <[f64]>::to_vec)
            .map_err(|error| in_tree(number, error))?;
        shapes.push(&branches, |shares: &Vec<f64>| {
            chosen.push(first_of_highest(shares) as u8);
            let total = shares.iter().sum::<f64>().max(f64::MIN_POSITIVE);
            let score = |share: &f64| (share / total * 127.0).round().clamp(0.0, 127.0) as i8;
            scores.extend(shares.iter().map(score));
        })?;
    }
    let leaves = match votes {
        Votes::Hard => Leaves::Votes(chosen),
        Votes::Soft => Leaves::Scores(scores),
    };
    Ok(Forest::new(shapes, leaves))
}

fn branches<L: Clone>(
    tree: &Tree,
    shape: &Shape,
    intake: &Intake,
    numbers: usize,
    leaf: impl Fn(&[f64]) -> L,
) -> Result<Vec<Branch<L>>> {
    let nodes = tree.column.len();
    let lengths = [
        tree.threshold.len(),
        tree.left.len(),
        tree.right.len(),
        tree.value.len(),
    ];
    if lengths != [nodes; 4] {
        return Err(wrong(format!("lists of {lengths:?} for {nodes} nodes")));
    }
    let place = |index: i64| usize::try_from(index).unwrap_or(usize::MAX);
    let node = |node: usize| {
        if tree.column[node] >= 0 {
            return Ok(Raw::Split {
                column: place(tree.column[node]),
                threshold: tree.threshold[node],
                left: place(tree.left[node]),
                right: place(tree.right[node]),
            });
        }
        let value = &tree.value[node];
        if value.len() != numbers || value.iter().any(|number| !number.is_finite()) {
            return Err(wrong(format!(
                "a leaf says {value:?}, not {numbers} numbers"
            )));
        }
        Ok(Raw::Leaf(leaf(value)))
    };
    let raw = (0..nodes).map(node).collect::<Result<Vec<_>>>()?;
    build(&raw, Rule::UpTo, shape.columns, intake)
}
