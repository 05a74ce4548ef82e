//! Shuttle: taught and calibrated on normal rows only, in at most 8 KB.

use anyhow::{Context as _, Result};
use noroshi_tiny::anomaly::{Envelope, ISOLATION_BYTES_AT_MOST, IsolationForest, limit};

use crate::claims::{Claim, rounded};
use crate::datasets::{self, Part};
use crate::peers::{self, Packages};
use crate::rows::seeds::SEEDS;

/// How much less than scikit-learn's area.
const LESS: f64 = 0.005;
const NORMAL: u16 = 0;
const RATE: f64 = 0.01;

pub(super) fn claims() -> Result<Vec<Claim>> {
    let set = datasets::load("shuttle")?;
    let columns = set.train.columns;
    let normal = normal(&set.train);
    let test = set.test.floats();
    let anomalous: Vec<bool> = set
        .test
        .labels
        .iter()
        .map(|label| *label != NORMAL)
        .collect();
    // Every fifth normal row sets the threshold, the others are learned.
    let (mut learned, mut held) = (Vec::new(), Vec::new());
    for (at, row) in normal.chunks(columns).enumerate() {
        if at % 5 == 0 { &mut held } else { &mut learned }.extend_from_slice(row);
    }
    let (mut ours, mut theirs, mut alarms, mut found) = (0.0, 0.0, 0.0, 0.0);
    let mut bytes = 0;
    for seed in SEEDS {
        let forest = IsolationForest::fit(&learned, columns, ISOLATION_BYTES_AT_MOST, seed)?;
        bytes = bytes.max(forest.to_bytes().len());
        let scores: Vec<f32> = test.chunks(columns).map(|row| forest.score(row)).collect();
        ours += area(&scores, &anomalous) / SEEDS.len() as f64;
        let held: Vec<f32> = held.chunks(columns).map(|row| forest.score(row)).collect();
        let limit = limit(&held, RATE)?;
        let passing = |kind: bool| {
            let of_kind = scores.iter().zip(&anomalous).filter(|(_, is)| **is == kind);
            let (passed, all) = of_kind.fold((0.0, 0.0), |(passed, all), (score, _)| {
                (passed + f64::from(u8::from(*score > limit)), all + 1.0)
            });
            passed / all / SEEDS.len() as f64
        };
        alarms += passing(false);
        found += passing(true);
        let peer = peers::run(Packages::Peers, "anomaly", &[seed.to_string()])?;
        theirs += peer["auc"].as_f64().context("the peer's area")? / SEEDS.len() as f64;
    }
    let envelope = Envelope::fit(&learned, columns, RATE)?;
    let scores: Vec<f32> = test
        .chunks(columns)
        .map(|row| envelope.score(row))
        .collect();
    Ok(vec![
        Claim::at_least(
            "shuttle: area under the curve, against scikit-learn's",
            ours - theirs,
            -LESS,
        )
        .with("ours", rounded(ours))
        .with("scikit-learn", rounded(theirs))
        .with("envelope", rounded(area(&scores, &anomalous))),
        Claim::at_most("shuttle: bytes of the file", bytes as f64, 8_000.0),
        Claim::at_most(
            "shuttle: false alarms at a threshold for .01",
            alarms,
            2.0 * RATE,
        )
        .with("anomalies found", rounded(found)),
    ])
}

fn normal(part: &Part) -> Vec<f32> {
    let rows = part.floats();
    let rows = rows.chunks(part.columns).zip(&part.labels);
    rows.filter(|(_, label)| **label == NORMAL)
        .flat_map(|(row, _)| row)
        .copied()
        .collect()
}

/// The chance that an anomaly scores above a normal row; ties count half.
fn area(scores: &[f32], anomalous: &[bool]) -> f64 {
    let mut sorted: Vec<(f32, bool)> = scores
        .iter()
        .copied()
        .zip(anomalous.iter().copied())
        .collect();
    sorted.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (mut below, mut pairs) = (0.0, 0.0);
    for equal in sorted.chunk_by(|one, other| one.0.total_cmp(&other.0).is_eq()) {
        let anomalies = equal.iter().filter(|(_, is)| *is).count() as f64;
        let normal = equal.len() as f64 - anomalies;
        pairs += anomalies * (below + normal / 2.0);
        below += normal;
    }
    let anomalies = anomalous.iter().filter(|is| **is).count() as f64;
    pairs / anomalies / (anomalous.len() as f64 - anomalies)
}
