//! Rust without `std`.

use std::fmt::Display;

use noroshi_tiny::bonsai::{Bonsai, TANH};
use noroshi_tiny::boosted::Boosted;
use noroshi_tiny::forest::{Forest, Leaves, Node};
use noroshi_tiny::linear::Linear;
use noroshi_tiny::protonn::{EXPONENTIALS, ProtoNn};
use noroshi_tiny::{Family, Intake, Model};

use super::write::{filled, numbers};
use super::{File, intake_text, windows};

const HEAD: &str = include_str!("templates/head.rs.txt");

pub(super) fn file(model: &Model, name: &str) -> File {
    let (arrays, template, more) = match &model.family {
        Family::Forest(forest) => forest_parts(forest),
        Family::Boosted(one) => boosted(one),
        Family::ProtoNn(one) => protonn(one),
        Family::Bonsai(one) => bonsai(one),
        Family::Linear(one) => linear(one, model.columns),
        Family::Fastfood(_) | Family::Svm(_) | Family::ProtoNnFloat(_) | Family::BonsaiFloat(_) => {
            unreachable!("models in floating point and those for hosts are refused before")
        }
    };
    let mut values = more;
    values.extend([
        ("intake", intake_text(&model.intake).to_owned()),
        ("columns", model.columns.to_string()),
        ("classes", model.classes.to_string()),
    ]);
    let intake = match &model.intake {
        Intake::Bytes => String::new(),
        Intake::Scaled(scales) => {
            let lows = scales.iter().map(|scale| format!("{:e}", scale.low()));
            let steps = scales.iter().map(|scale| format!("{:e}", scale.step()));
            [
                array("f32", "LOWS", lows),
                array("f32", "STEPS", steps),
                include_str!("templates/intake.rs.txt").to_owned(),
            ]
            .concat()
        }
        Intake::Windows(windowed) => windows::rust(windowed),
    };
    let text = [HEAD, &arrays, template, &intake].concat();
    File {
        name: format!("{name}.rs"),
        text: filled(&text, &values),
    }
}

pub(super) fn array<T: Display>(
    kind: &str,
    name: &str,
    values: impl IntoIterator<Item = T>,
) -> String {
    let values: Vec<T> = values.into_iter().collect();
    let length = values.len();
    format!(
        "\nstatic {name}: [{kind}; {length}] = [{}\n];\n",
        numbers(values)
    )
}

type Parts = (String, &'static str, Vec<(&'static str, String)>);

fn forest_parts(forest: &Forest) -> Parts {
    let nodes = forest.nodes();
    let (leaves, leaf) = match forest.leaves() {
        Leaves::Votes(votes) => (
            array("u8", "LEAVES", votes.iter()),
            "scores[LEAVES[leaf] as usize] += 1;",
        ),
        Leaves::Scores(scores) => (
            array("i8", "LEAVES", scores.iter()),
            "for (score, &value) in scores.iter_mut().zip(&LEAVES[leaf * CLASSES..]) {\n            \
             *score += i32::from(value);\n        }",
        ),
    };
    let text = [shape(forest.inner(), nodes), leaves].concat();
    let values = vec![
        ("start", "scores.fill(0);".to_owned()),
        ("each", "for &inner in &INNER_NODES {".to_owned()),
        ("leaf", leaf.to_owned()),
        ("finish", String::new()),
    ];
    (text, include_str!("templates/forest.rs.txt"), values)
}

fn shape(inner: &[u16], nodes: &[Node]) -> String {
    [
        array("u16", "INNER_NODES", inner.iter()),
        array(
            "u16",
            "COLUMNS_OF_NODES",
            nodes.iter().map(|node| node.column),
        ),
        array("u8", "THRESHOLDS", nodes.iter().map(|node| node.threshold)),
        array("u16", "SKIPS", nodes.iter().map(|node| node.skip)),
    ]
    .concat()
}

fn boosted(model: &Boosted) -> Parts {
    let outputs = model.base().len();
    let text = [
        shape(model.inner(), model.nodes()),
        array("i8", "LEAVES", model.leaves()),
        array("u8", "MULTIPLIERS", model.multipliers()),
        array("u8", "OUTPUTS_OF_TREES", model.outputs_of_trees()),
        array("i32", "BASE", model.base()),
    ];
    let finish = opposite(outputs);
    let start = format!("scores[..{outputs}].copy_from_slice(&BASE);");
    let leaf = "scores[OUTPUTS_OF_TREES[tree] as usize] +=\n            \
                i32::from(LEAVES[leaf]) * i32::from(MULTIPLIERS[tree]);";
    let each = "for (tree, &inner) in INNER_NODES.iter().enumerate() {";
    let values = vec![
        ("each", each.to_owned()),
        ("start", start),
        ("leaf", leaf.to_owned()),
        ("finish", finish.to_owned()),
    ];
    (
        text.concat(),
        include_str!("templates/forest.rs.txt"),
        values,
    )
}

fn linear(model: &Linear, columns: u16) -> Parts {
    let counting = model.columns();
    let mut arrays = vec![
        array("i32", "BIAS", model.bias()),
        array("i8", "WEIGHTS", model.weights()),
    ];
    let all = counting.len() == usize::from(columns);
    if !all {
        arrays.push(array("u16", "COUNTING", counting));
    }
    let column = if all { "at" } else { "COUNTING[at] as usize" };
    let values = vec![
        ("counting", counting.len().to_string()),
        ("column", column.to_owned()),
        ("finish", opposite(model.bias().len()).to_owned()),
    ];
    (
        arrays.concat(),
        include_str!("templates/linear.rs.txt"),
        values,
    )
}

/// Where one output tells two classes apart: both scores of it.
fn opposite(outputs: usize) -> &'static str {
    if outputs == 1 {
        "scores[1] = scores[0];\n    scores[0] = -scores[1];\n    "
    } else {
        ""
    }
}

fn protonn(model: &ProtoNn) -> Parts {
    let arrays = [
        array("i8", "PROJECTION", model.projection().iter()),
        array("i32", "BIAS", model.bias().iter()),
        array("u16", "MULTIPLIERS", model.multipliers().iter()),
        array("i8", "PROTOTYPES", model.prototypes().iter()),
        array(
            "u8",
            "CLASSES_OF_VALUES",
            model.entries().iter().map(|entry| entry.class),
        ),
        array(
            "i8",
            "VALUES",
            model.entries().iter().map(|entry| entry.value),
        ),
        array("u8", "EXPONENTIALS", EXPONENTIALS),
    ];
    let values = vec![
        ("dimensions", model.dimensions().to_string()),
        ("each", model.entries_each().to_string()),
        ("shift", model.shift().to_string()),
        ("cutoff", model.cutoff().to_string()),
        ("factor", model.factor().to_string()),
        ("factor_shift", model.factor_shift().to_string()),
    ];
    (
        arrays.concat(),
        include_str!("templates/protonn.rs.txt"),
        values,
    )
}

fn bonsai(model: &Bonsai) -> Parts {
    let arrays = [
        array("u16", "COUNTS", model.counts().iter()),
        array("u8", "PACKED", model.packed()),
        array("i32", "BIAS", model.bias().iter()),
        array("u16", "MULTIPLIERS", model.multipliers().iter()),
        array("i8", "WEIGHTS", model.weights().iter()),
        array("i8", "GATES", model.gates().iter()),
        array("i8", "BRANCHES", model.branches().iter()),
        array("i8", "TANGENTS", TANH),
    ];
    let values = vec![
        ("dimensions", model.bias().len().to_string()),
        ("outputs", model.outputs().to_string()),
        ("depth", model.depth().to_string()),
        ("shift", model.shift().to_string()),
        ("gate", model.gate().to_string()),
        ("gate_shift", model.gate_shift().to_string()),
    ];
    (
        arrays.concat(),
        include_str!("templates/bonsai.rs.txt"),
        values,
    )
}
