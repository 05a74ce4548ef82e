//! What the rows of trained models share.

use anyhow::{Context as _, Result};
use noroshi_tiny::{Family, Intake, Model, Table};

use crate::datasets::Part;
use crate::rows::seeds::{Judged, Outcome};

/// The part as a table of bytes, with `label` of each label.
pub(super) fn table(part: &Part, classes: usize, label: impl Fn(u16) -> u16) -> Result<Table> {
    let bytes = part.bytes().context("the data set is no bytes")?;
    let labels = part.labels.iter().map(|&one| label(one)).collect();
    Ok(Table::new(part.columns, classes, bytes.to_vec(), labels)?)
}

pub(super) fn model(table: &Table, family: Family) -> Model {
    Model {
        intake: Intake::Bytes,
        columns: table.columns() as u16,
        classes: table.classes() as u16,
        family,
    }
}

/// The outcome of a model, read back from the file that would be shipped.
pub(super) fn outcome(seed: u64, model: &Model, test: &Table) -> Result<Outcome> {
    let file = model.to_bytes();
    let answers = Model::from_bytes(&file)?.labels(test.values())?;
    Outcome::new(seed, &answers, test.labels(), &file)
}

pub(super) fn accuracy(model: &Model, test: &Table) -> Result<f64> {
    let answers = model.labels(test.values())?;
    let right = answers.iter().zip(test.labels()).filter(|(a, b)| a == b);
    Ok(right.count() as f64 / test.len() as f64)
}

/// A further figure of all seeds.
pub(super) fn figures(judged: &Judged, name: &str) -> Vec<f64> {
    let figure = |one: &Outcome| one.more.get(name).and_then(serde_json::Value::as_f64);
    judged
        .outcomes
        .iter()
        .map(|one| figure(one).unwrap_or(f64::NAN))
        .collect()
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The greatest; NaN if one is missing, so that no claim holds on a figure that isn't there.
pub(super) fn most(values: &[f64]) -> f64 {
    if values.iter().any(|value| value.is_nan()) {
        return f64::NAN;
    }
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}
