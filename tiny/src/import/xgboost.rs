//! XGBoost's JSON model (`save_model("model.json")`) of its tree booster.

use serde::Deserialize;

use super::tree::{Raw, Rule, build};
use super::{Shape, in_tree, wrong};
use crate::boosted::FloatTree;
use crate::error::Result;
use crate::forest::MAX_TREES;
use crate::forest::shape::Branch;
use crate::model::{Intake, Model};

#[derive(Deserialize)]
pub(super) struct Dump {
    learner: Learner,
}

#[derive(Deserialize)]
struct Learner {
    gradient_booster: Booster,
    learner_model_param: Parameters,
    objective: Objective,
}

#[derive(Deserialize)]
struct Objective {
    name: String,
}

/// Numbers are text there.
#[derive(Deserialize)]
struct Parameters {
    base_score: String,
    num_class: String,
    num_feature: String,
    #[serde(default)]
    num_target: Option<String>,
}

#[derive(Deserialize)]
struct Booster {
    name: String,
    model: Option<Trees>,
}

#[derive(Deserialize)]
struct Trees {
    trees: Vec<Tree>,
    /// The output of each tree.
    tree_info: Vec<u32>,
}

#[derive(Deserialize)]
struct Tree {
    left_children: Vec<i64>,
    right_children: Vec<i64>,
    split_indices: Vec<usize>,
    /// Thresholds; at leaves what they say.
    split_conditions: Vec<f64>,
    #[serde(default)]
    split_type: Vec<u8>,
}

pub(super) fn model(dump: Dump, intake: &Intake) -> Result<Model> {
    let learner = dump.learner;
    let booster = &learner.gradient_booster;
    let model = match (&*booster.name, &booster.model) {
        ("gbtree", Some(model)) => model,
        (other, _) => {
            return Err(wrong(format!(
                "its booster is {other:.20}: gbtree is known"
            )));
        }
    };
    let parameters = &learner.learner_model_param;
    let named = number::<usize>(&parameters.num_class, "num_class")?;
    let (outputs, classes) = match &*learner.objective.name {
        "binary:logistic" | "binary:logitraw" | "reg:logistic" => (1, 2),
        "multi:softprob" | "multi:softmax" => (named, named),
        other => {
            return Err(wrong(format!(
                "its objective is {other:.40}: binary:logistic, binary:logitraw, reg:logistic, \
                 multi:softprob and multi:softmax are known"
            )));
        }
    };
    if parameters
        .num_target
        .as_ref()
        .is_some_and(|count| count != "1")
    {
        return Err(wrong("it has several targets"));
    }
    let columns = number::<usize>(&parameters.num_feature, "num_feature")?;
    let shape = Shape::new(columns, classes, intake)?;
    let base = base(parameters, outputs, &learner.objective.name)?;
    if model.trees.len() != model.tree_info.len() || model.trees.len() > MAX_TREES {
        return Err(wrong(format!(
            "{} trees that add to {} outputs: at most {MAX_TREES} are possible, one each",
            model.trees.len(),
            model.tree_info.len()
        )));
    }
    let mut trees = Vec::new();
    for (number, (tree, &output)) in model.trees.iter().zip(&model.tree_info).enumerate() {
        if output as usize >= outputs {
            return Err(wrong(format!(
                "tree {number} adds to output {output} of {outputs}"
            )));
        }
        trees.push(FloatTree {
            output: output as u8,
            branches: branches(tree, shape.columns, intake)
                .map_err(|error| in_tree(number, error))?,
        });
    }
    shape.boosted(intake, base, trees)
}

/// The base of each output, as it is before the objective's function. Older versions write one
/// number, newer ones a list in brackets; for two classes it is a probability.
fn base(parameters: &Parameters, outputs: usize, objective: &str) -> Result<Vec<f64>> {
    let text = parameters.base_score.trim();
    let text = text.strip_prefix('[').unwrap_or(text);
    let text = text.strip_suffix(']').unwrap_or(text);
    let numbers: Vec<f64> = text
        .split(',')
        .map(|one| number(one.trim(), "base_score"))
        .collect::<Result<_>>()?;
    let numbers = match numbers[..] {
        [one] => vec![one; outputs],
        _ if numbers.len() == outputs => numbers,
        _ => return Err(wrong(format!("{} bases for {outputs}", numbers.len()))),
    };
    if objective != "binary:logistic" && objective != "reg:logistic" {
        return Ok(numbers);
    }
    let odds = |share: f64| {
        if share > 0.0 && share < 1.0 {
            return Ok((share / (1.0 - share)).ln());
        }
        Err(wrong(format!("a base of {share}: it is between 0 and 1")))
    };
    numbers.into_iter().map(odds).collect()
}

fn branches(tree: &Tree, columns: u16, intake: &Intake) -> Result<Vec<Branch<f64>>> {
    let nodes = tree.left_children.len();
    let lengths = [
        tree.right_children.len(),
        tree.split_indices.len(),
        tree.split_conditions.len(),
    ];
    if lengths != [nodes; 3] {
        return Err(wrong(format!("lists of {lengths:?} for {nodes} nodes")));
    }
    if tree.split_type.iter().any(|kind| *kind != 0) {
        return Err(wrong(
            "it splits by categories: encode them as numbers before",
        ));
    }
    let place = |child: i64| usize::try_from(child).unwrap_or(usize::MAX);
    let node = |node: usize| {
        let condition = tree.split_conditions[node];
        if tree.left_children[node] == -1 {
            if !condition.is_finite() {
                return Err(wrong(format!("a leaf says {condition}")));
            }
            return Ok(Raw::Leaf(condition));
        }
        Ok(Raw::Split {
            column: tree.split_indices[node],
            threshold: condition,
            left: place(tree.left_children[node]),
            right: place(tree.right_children[node]),
        })
    };
    let raw = (0..nodes).map(node).collect::<Result<Vec<_>>>()?;
    build(&raw, Rule::Below, columns, intake)
}

fn number<T: std::str::FromStr>(text: &str, name: &str) -> Result<T> {
    text.parse()
        .map_err(|_| wrong(format!("{name} is {text:.40}")))
}
