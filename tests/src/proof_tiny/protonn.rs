//! ProtoNN on letter: in floating point and in whole numbers, and how long training takes.

use std::time::Instant;

use anyhow::Result;
use noroshi_tiny::Family;
use noroshi_tiny::protonn::ProtoNnSettings;
use serde_json::json;

use super::equal;
use super::learned::{accuracy, classic, figures, mean, model, most, outcome, source, table, told};
use crate::claims::Claim;
use crate::datasets;
use crate::rows::Context;

/// Chosen on every fifth row of the training part: 380 and 440 prototypes were tried.
pub(super) const SETTINGS: &str = "15 dimensions, 380 prototypes, 4 scores each, 60 epochs";

fn settings(seed: u64) -> ProtoNnSettings {
    ProtoNnSettings {
        entries: 4,
        epochs: 60,
        ..ProtoNnSettings::new(15, 380, seed)
    }
}

pub(super) fn run(context: &Context) -> Result<Vec<Claim>> {
    let set = datasets::load("letter")?;
    let train = table(&set.train, set.classes, |label| label)?;
    let test = table(&set.test, set.classes, |label| label)?;
    let mut compiled = None;
    let judged = context.judge("letter", &json!(SETTINGS), |seed| {
        let started = Instant::now();
        let trained = settings(seed).train(&train)?;
        let seconds = started.elapsed().as_secs_f64();
        let float = model(&train, Family::ProtoNnFloat(trained.float));
        let integer = model(&train, Family::ProtoNn(trained.integer));
        compiled = Some(source(context, "ProtoNN, letter", &integer, &test)?);
        Ok(outcome(seed, &integer, &test)?
            .with("float", accuracy(&float, &test)?)
            .with("float bytes", float.to_bytes().len())
            .with("seconds", seconds))
    })?;
    let float = |name| figures(&judged, name);
    let mut claims = vec![
        Claim::at_least(
            "ProtoNN, letter, f32: accuracy",
            mean(&float("float")),
            0.971,
        ),
        Claim::at_most(
            "ProtoNN, letter, f32: bytes",
            most(&float("float bytes")),
            64_920.0,
        ),
        judged.at_least("ProtoNN, letter, int8: accuracy", 0.970),
        Claim::at_most(
            "ProtoNN, letter, int8: bytes",
            judged.bytes() as f64,
            12_288.0,
        ),
        Claim::at_most(
            "ProtoNN, letter: seconds of training",
            most(&float("seconds")),
            60.0,
        ),
    ];
    claims.extend(compiled);
    claims.push(told(
        "scikit-learn's nearest neighbour, letter: accuracy",
        &classic(&["neighbours", "letter"])?,
        "neighbours",
    )?);
    claims.extend(judged.claims);
    claims.extend(equal::claims(context)?);
    Ok(claims)
}
