//! `make proof-compress`: the bars of the compression of deep networks.

mod arithmetic;
mod ptq;

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
];
