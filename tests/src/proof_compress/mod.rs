//! `make proof-compress`: the bars of the compression of deep networks.

mod arithmetic;
mod attention;
mod binary;
mod binary_clothes;
mod binary_fleet;
mod bits;
mod compile;
mod curve;
mod distillation;
mod finetune;
mod fitnets;
mod kernels;
mod pruning;
mod ptq;
mod recipe;
mod softtree;
mod taught;

use crate::rows::{Proof, Row};

/// Every row; to add one, name it here and write it in a module of its own.
pub const PROOF: Proof = Proof {
    name: "compress",
    rows: ROWS,
    minutes: 60.0,
    minutes_per_row: 6.0,
};

const ROWS: &[Row] = &[
    Row {
        name: "arithmetic",
        settings: "",
        run: arithmetic::run,
    },
    ptq::QUALITY,
    ptq::TIME,
    Row {
        name: "compile",
        settings: compile::SETTINGS,
        run: compile::run,
    },
    Row {
        name: "distillation",
        settings: distillation::SETTINGS,
        run: distillation::run,
    },
    Row {
        name: "pruning",
        settings: pruning::SETTINGS,
        run: pruning::run,
    },
    Row {
        name: "fitnets",
        settings: fitnets::SETTINGS,
        run: fitnets::run,
    },
    Row {
        name: "softtree",
        settings: softtree::SETTINGS,
        run: softtree::run,
    },
    Row {
        name: "attention",
        settings: attention::SETTINGS,
        run: attention::run,
    },
    Row {
        name: "bits",
        settings: bits::SETTINGS,
        run: bits::run,
    },
    Row {
        name: "curve",
        settings: curve::SETTINGS,
        run: curve::run,
    },
    Row {
        name: "binary",
        settings: binary::SETTINGS,
        run: binary::run,
    },
    Row {
        name: "binary_clothes",
        settings: binary_clothes::SETTINGS,
        run: binary_clothes::run,
    },
    Row {
        name: "binary_fleet",
        settings: "",
        run: binary_fleet::run,
    },
    Row {
        name: "kernels",
        settings: "",
        run: kernels::run,
    },
    Row {
        name: "finetune",
        settings: finetune::SETTINGS,
        run: finetune::run,
    },
    Row {
        name: "recipe",
        settings: recipe::SETTINGS,
        run: recipe::run,
    },
];
