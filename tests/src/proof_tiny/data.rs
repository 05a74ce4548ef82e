//! The data sets are what all figures are about: the splits of the table of claims.

use anyhow::Result;

use crate::claims::Claim;
use crate::datasets::{self, Dataset};
use crate::rows::Context;

/// Name, rows to learn from, rows to be judged by, columns, classes.
const SHAPES: [(&str, [usize; 4]); 6] = [
    ("mnist10k", [8_000, 2_000, 784, 10]),
    ("letter", [15_000, 5_000, 16, 26]),
    ("satellite", [4_435, 2_000, 36, 6]),
    ("dna", [2_000, 1_186, 180, 3]),
    ("shuttle", [43_500, 14_500, 9, 7]),
    ("fashion", [60_000, 10_000, 784, 10]),
];
/// Recordings, samples of all, exercises, people.
const WATCH: [usize; 4] = [140, 244_102, 7, 10];

pub(super) fn run(_: &Context) -> Result<Vec<Claim>> {
    let mut claims = Vec::new();
    for (name, expected) in SHAPES {
        claims.push(shape(name, shape_of(&datasets::load(name)?), expected));
    }
    claims.push(shape("watch", watch()?, WATCH));
    Ok(claims)
}

fn shape(name: &str, found: [usize; 4], expected: [usize; 4]) -> Claim {
    let limit = format!("{expected:?}");
    Claim::new(
        &format!("{name}: shape"),
        found.to_vec(),
        &limit,
        found == expected,
    )
}

fn shape_of(set: &Dataset) -> [usize; 4] {
    [
        set.train.len(),
        set.test.len(),
        set.train.columns,
        set.classes,
    ]
}

fn watch() -> Result<[usize; 4]> {
    let recordings = datasets::watch()?;
    let numbers: usize = recordings.iter().map(|one| one.samples.len()).sum();
    let distinct = |values: Vec<u16>| {
        values
            .into_iter()
            .collect::<std::collections::BTreeSet<_>>()
    };
    let labels = distinct(recordings.iter().map(|one| one.label).collect());
    let people = distinct(recordings.iter().map(|one| one.subject).collect());
    Ok([
        recordings.len(),
        numbers / datasets::WATCH_AXES,
        labels.len(),
        people.len(),
    ])
}
