//! Bonsai on an ATmega328P: digits 0 to 4 against 5 to 9.

use anyhow::{Context as _, Result};
use noroshi_codegen::tiny::avr;
use noroshi_tiny::Family;
use noroshi_tiny::bonsai::BonsaiSettings;
use serde_json::json;

use super::learned::{accuracy, classic, figures, mean, model, most, outcome, source, table};
use crate::claims::Claim;
use crate::datasets;
use crate::rows::Context;

/// Size and shape are those of the reference in the table of claims.
pub(super) const SETTINGS: &str = "5 dimensions, depth 2, 205 entries, damping 0.45, 60 epochs";
/// Rows that the build in floating point answers: it is slow, and only its cycles are asked.
const FLOAT_ROWS: usize = 100;

fn settings(seed: u64) -> BonsaiSettings {
    BonsaiSettings {
        damping: 0.45,
        epochs: 60,
        ..BonsaiSettings::new(5, 2, 205, seed)
    }
}

pub(super) fn run(context: &Context) -> Result<Vec<Claim>> {
    let set = datasets::load("mnist10k")?;
    let high = |label| u16::from(label > 4);
    let train = table(&set.train, 2, high)?;
    let test = table(&set.test, 2, high)?;
    let folder = context.folder()?;
    let mut compiled = None;
    let judged = context.judge("0-4 against 5-9", &json!(SETTINGS), |seed| {
        let trained = settings(seed).train(&train)?;
        let float = model(&train, Family::BonsaiFloat(trained.float));
        let integer = model(&train, Family::Bonsai(trained.integer));
        compiled = Some(source(context, "Bonsai", &integer, &test)?);
        let measured = avr::measure(&integer, test.values(), &folder)?;
        let rows = &test.values()[..FLOAT_ROWS * test.columns()];
        let soft = avr::measure(&float, rows, &folder)?;
        Ok(outcome(seed, &integer, &test)?
            .with("float", accuracy(&float, &test)?)
            .with("rows", measured.rows)
            .with("different", measured.different)
            .with("text", measured.text)
            .with("memory", measured.variables + measured.stack)
            .with("cycles", measured.cycles)
            .with("times fewer than float", soft.cycles / measured.cycles))
    })?;
    let all = |name| figures(&judged, name);
    let least = |name| -most(&all(name).iter().map(|value| -value).collect::<Vec<_>>());
    let linear = classic(&["linear"])?;
    let linear = linear["linear"].as_f64().context("the linear model")?;
    let mut claims = vec![
        judged
            .at_least("Bonsai, ATmega328P: accuracy", 0.888)
            .with("float", mean(&all("float"))),
        Claim::at_least(
            "Bonsai: better than a linear model by",
            judged.mean() - linear,
            0.03,
        )
        .with("scikit-learn's logistic regression", linear),
        Claim::at_most("Bonsai: bytes of the file", judged.bytes() as f64, 600.0),
        Claim::at_least(
            "Bonsai: rows answered on the emulator",
            least("rows"),
            2000.0,
        ),
        Claim::at_most(
            "Bonsai: rows answered otherwise than by the host",
            most(&all("different")),
            0.0,
        ),
        Claim::at_most("Bonsai: bytes of text", most(&all("text")), 2048.0),
        Claim::at_most("Bonsai: bytes of memory", most(&all("memory")), 1024.0),
        Claim::at_most("Bonsai: cycles", most(&all("cycles")), 16_000.0),
        Claim::at_least(
            "Bonsai: times fewer cycles than in floating point",
            least("times fewer than float"),
            4.0,
        ),
    ];
    claims.extend(compiled);
    claims.extend(judged.claims);
    Ok(claims)
}
