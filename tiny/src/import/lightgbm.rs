//! LightGBM's text model (`Booster.save_model`): `key=value` lines, a block for each tree.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::tree::{Raw, Rule, build};
use super::{Shape, in_tree, wrong};
use crate::boosted::FloatTree;
use crate::error::Result;
use crate::forest::MAX_TREES;
use crate::forest::shape::Branch;
use crate::model::{Intake, Model};

/// In `decision_type`: the node asks for categories.
const CATEGORIES: u8 = 1;
/// In `decision_type`: zeros count as missing and go their own way.
const ZERO_IS_MISSING: u8 = 4;

type Lines<'a> = BTreeMap<&'a str, &'a str>;

pub(super) fn import(dump: &[u8], intake: &Intake) -> Result<Model> {
    let text = std::str::from_utf8(dump).map_err(|_| wrong("it is no UTF-8 text"))?;
    // What follows the trees (importances, parameters, categories of pandas) decides nothing.
    let (text, _) = text
        .split_once("end of trees")
        .ok_or_else(|| wrong("\"end of trees\" is missing: it was cut"))?;
    let mut blocks = text.split("\nTree=");
    let head = lines(blocks.next().unwrap_or_default());
    let outputs = one::<usize>(&head, "num_tree_per_iteration")?;
    let classes = classes(&head)?;
    if outputs
        != if classes == 2 {
            outputs.clamp(1, 2)
        } else {
            classes
        }
    {
        return Err(wrong(format!(
            "{outputs} trees a round for {classes} classes"
        )));
    }
    let columns = one::<usize>(&head, "max_feature_idx")?.saturating_add(1);
    let shape = Shape::new(columns, classes, intake)?;
    let mut trees = Vec::new();
    for (number, block) in blocks.enumerate() {
        if number >= MAX_TREES {
            return Err(wrong(format!("it has more than {MAX_TREES} trees")));
        }
        trees.push(FloatTree {
            output: (number % outputs) as u8,
            branches: tree(&lines(block), shape.columns, intake)
                .map_err(|error| in_tree(number, error))?,
        });
    }
    shape.boosted(intake, vec![0.0; outputs], trees)
}

/// By the objective; what it does to raw scores keeps their order.
fn classes(head: &Lines<'_>) -> Result<usize> {
    let objective = head.get("objective").copied().unwrap_or_default();
    match objective.split(' ').next() {
        Some("binary" | "cross_entropy") => Ok(2),
        Some("multiclass" | "multiclassova") => one(head, "num_class"),
        _ => Err(wrong(format!(
            "its objective is {objective:?}: binary, multiclass and multiclassova are known"
        ))),
    }
}

fn tree(lines: &Lines<'_>, columns: u16, intake: &Intake) -> Result<Vec<Branch<f64>>> {
    if lines.get("is_linear").is_some_and(|is| *is != "0") {
        return Err(wrong("its leaves are linear: train with linear_tree=false"));
    }
    let values: Vec<f64> = many(lines, "leaf_value")?;
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        return Err(wrong(format!("a leaf says {value}")));
    }
    let nodes = values.len().saturating_sub(1);
    if values.len() != one::<usize>(lines, "num_leaves")? {
        return Err(wrong("num_leaves is not the number of its leaves"));
    }
    if nodes == 0 {
        let leaf = values.into_iter().map(Raw::Leaf).collect::<Vec<_>>();
        return build(&leaf, Rule::UpTo, columns, intake);
    }
    let column: Vec<usize> = many(lines, "split_feature")?;
    let threshold: Vec<f64> = many(lines, "threshold")?;
    let kind: Vec<u8> = many(lines, "decision_type")?;
    let left: Vec<i64> = many(lines, "left_child")?;
    let right: Vec<i64> = many(lines, "right_child")?;
    let lengths = [
        column.len(),
        threshold.len(),
        kind.len(),
        left.len(),
        right.len(),
    ];
    if lengths != [nodes; 5] {
        return Err(wrong(format!("lists of {lengths:?} for {nodes} nodes")));
    }
    if kind.iter().any(|kind| kind & CATEGORIES != 0) {
        return Err(wrong(
            "it splits by categories: encode them as numbers before",
        ));
    }
    if kind.iter().any(|kind| kind & ZERO_IS_MISSING != 0) {
        return Err(wrong(
            "zeros are missing there: train with zero_as_missing=false",
        ));
    }
    // A negative child −1 − n is leaf n, which lies behind the nodes here.
    let place = |child: i64| {
        let place = if child < 0 {
            nodes as i64 + (-1 - child)
        } else {
            child
        };
        usize::try_from(place).unwrap_or(usize::MAX)
    };
    let mut raw: Vec<Raw<f64>> = (0..nodes)
        .map(|node| Raw::Split {
            column: column[node],
            threshold: threshold[node],
            left: place(left[node]),
            right: place(right[node]),
        })
        .collect();
    raw.extend(values.into_iter().map(Raw::Leaf));
    build(&raw, Rule::UpTo, columns, intake)
}

fn lines(block: &str) -> Lines<'_> {
    block
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key, value.trim_end()))
        .collect()
}

fn one<T: FromStr>(lines: &Lines<'_>, key: &str) -> Result<T> {
    let text = lines
        .get(key)
        .ok_or_else(|| wrong(format!("{key} is missing")))?;
    text.parse()
        .map_err(|_| wrong(format!("{key} is {text:.40}")))
}

fn many<T: FromStr>(lines: &Lines<'_>, key: &str) -> Result<Vec<T>> {
    let text = lines
        .get(key)
        .ok_or_else(|| wrong(format!("{key} is missing")))?;
    let numbers = text.split(' ').filter(|number| !number.is_empty());
    numbers
        .map(|number| {
            number
                .parse()
                .map_err(|_| wrong(format!("{key} has {number:.40}")))
        })
        .collect()
}
