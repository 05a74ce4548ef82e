//! ProtoNN on an ATmega328P: six kinds of land in satellite pictures.

use anyhow::Result;
use noroshi_codegen::tiny::avr;
use noroshi_tiny::Family;
use noroshi_tiny::protonn::ProtoNnSettings;
use serde_json::json;

use super::learned::{classic, figures, model, most, outcome, table, told};
use crate::claims::Claim;
use crate::datasets;
use crate::rows::Context;

/// Size and shape are those of the reference in the table of claims.
pub(super) const SETTINGS: &str = "10 dimensions, 48 prototypes, 6 scores each, 40 epochs";
/// The exponentials are in flash beside the file's numbers.
const TABLE_BYTES: u64 = 256;

pub(super) fn run(context: &Context) -> Result<Vec<Claim>> {
    let set = datasets::load("satellite")?;
    let train = table(&set.train, set.classes, |label| label)?;
    let test = table(&set.test, set.classes, |label| label)?;
    let folder = context.folder()?;
    let judged = context.judge("satellite", &json!(SETTINGS), |seed| {
        let trained = ProtoNnSettings::new(10, 48, seed).train(&train)?;
        let integer = model(&train, Family::ProtoNn(trained.integer));
        let measured = avr::measure(&integer, test.values(), &folder)?;
        let beyond_input = measured.variables + measured.stack - test.columns() as u64;
        Ok(outcome(seed, &integer, &test)?
            .with("rows", measured.rows)
            .with("different", measured.different)
            .with("text", measured.text)
            .with("memory", beyond_input)
            .with("cycles", measured.cycles))
    })?;
    let all = |name| figures(&judged, name);
    let bytes = (judged.bytes() + TABLE_BYTES) as f64;
    let mut claims = vec![
        judged.at_least("ProtoNN, ATmega328P: accuracy", 0.885),
        Claim::at_most(
            "ProtoNN, ATmega328P: bytes of the file and the table",
            bytes,
            1536.0,
        ),
        Claim::at_most(
            "ProtoNN, ATmega328P: bytes of memory beyond the input",
            most(&all("memory")),
            128.0,
        ),
        Claim::at_most(
            "ProtoNN, ATmega328P: cycles",
            most(&all("cycles")),
            72_000.0,
        ),
        Claim::at_most(
            "ProtoNN, ATmega328P: rows answered otherwise than by the host",
            most(&all("different")),
            0.0,
        ),
    ];
    claims.push(told(
        "scikit-learn's nearest neighbour, satellite: accuracy",
        &classic(&["neighbours", "satellite"])?,
        "neighbours",
    )?);
    claims.extend(judged.claims);
    Ok(claims)
}
