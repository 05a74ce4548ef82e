//! `make proof-tiny`: the bars of the models of a few kilobytes.

mod anomaly;
mod avr;
mod bonsai;
mod boosted;
mod boosted_bytes;
mod cortex;
mod data;
mod emlearn;
mod equal;
mod equal_table;
mod fastfood;
mod forest;
mod learned;
mod online;
mod protonn;
mod svm;
mod watch;

use crate::rows::{Proof, Row};

/// Every row; to add one, name it here and write it in a module of its own.
pub const PROOF: Proof = Proof {
    name: "tiny",
    rows: ROWS,
    minutes: 40.0,
    minutes_per_row: 15.0,
};

const ROWS: &[Row] = &[
    Row {
        name: "data",
        settings: "",
        run: data::run,
    },
    Row {
        name: "online",
        settings: "",
        run: online::run,
    },
    Row {
        name: "anomaly",
        settings: "",
        run: anomaly::run,
    },
    Row {
        name: "forest",
        settings: forest::SETTINGS,
        run: forest::run,
    },
    Row {
        name: "bonsai",
        settings: bonsai::SETTINGS,
        run: bonsai::run,
    },
    Row {
        name: "protonn",
        settings: protonn::SETTINGS,
        run: protonn::run,
    },
    Row {
        name: "avr",
        settings: avr::SETTINGS,
        run: avr::run,
    },
    fastfood::ROW,
    cortex::ROW,
    watch::ROW,
    Row {
        name: "boosted",
        settings: boosted::SETTINGS,
        run: boosted::run,
    },
    Row {
        name: "emlearn",
        settings: emlearn::SETTINGS,
        run: emlearn::run,
    },
    svm::ROW,
    equal_table::ROW,
];
