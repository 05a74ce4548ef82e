//! What the rows of trained models share.

use anyhow::{Context as _, Result};
use noroshi_codegen::tiny::{Layout, host};
use noroshi_tiny::{Family, Intake, Model, Table};
use serde_json::Value;

use crate::claims::Claim;
use crate::datasets::Part;
use crate::peers::{self, Packages};
use crate::rows::Context;
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

/// That the model's C, compiled here where a warning is an error, answers every row of the test
/// part as the host does.
pub(super) fn source(context: &Context, name: &str, model: &Model, test: &Table) -> Result<Claim> {
    let folder = context.folder()?;
    let different = host::different(model, Layout::Tables, test.values(), &folder)?;
    let name = format!("{name}: rows that its C answers otherwise");
    Ok(Claim::at_most(&name, different as f64, 0.0).with("rows", test.len()))
}

/// What scikit-learn's classifiers reach on the same data.
pub(super) fn classic(arguments: &[&str]) -> Result<Value> {
    peers::run(Packages::Peers, "classic", arguments)
}

/// A figure of a peer that is told, not held against ours.
pub(super) fn told(name: &str, told: &Value, key: &str) -> Result<Claim> {
    let figure = told[key]
        .as_f64()
        .with_context(|| format!("the peer's {key}"))?;
    let claim = Claim::new(name, figure, "told", true);
    let more = told.as_object().into_iter().flatten();
    Ok(more.fold(claim, |claim, (name, value)| {
        claim.with(name, value.clone())
    }))
}
