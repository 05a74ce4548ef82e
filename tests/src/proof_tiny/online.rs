//! Learning on the device: an online forest of 19,200 bytes that follows a changing world and
//! explains itself. All five seeds run in every form of the proof.
//!
//! A control must miss one of the row's bars: the linear model those on numbers, the tree without
//! a root alarm those on rotated labels (it passes the others, as printed), a static forest both.

mod friedman;
mod satellite;
pub(super) mod streams;

use std::path::Path;

use anyhow::Result;
use noroshi_tiny::online::{ARENA_BYTES_AT_MOST, Answer, OnlineForest, Settings};
use serde_json::Value;

use crate::claims::{Claim, rounded};
use crate::peers::{self, Packages};
use crate::rows::Context;
use crate::rows::seeds::SEEDS;

/// The bars on explanations.
const SUMS_WITHIN: f64 = 1e-6;
const TOP_MATTERS: f64 = 0.8;

pub(super) fn run(context: &Context) -> Result<Vec<Claim>> {
    let folder = context.folder()?;
    let mut claims = friedman::claims(&folder)?;
    claims.extend(satellite::claims(&folder)?);
    Ok(claims)
}

/// How explanations did.
#[derive(Debug, Clone, Copy, Default)]
struct Explained {
    told: u32,
    top_mattered: u32,
    worst_sum: f64,
}

impl Explained {
    /// Explains the answer to `row`, then puts its top feature, and another drawn by `other`, at
    /// the median and compares how far the answer moves.
    fn tell(
        &mut self,
        forest: &OnlineForest,
        row: &[f32],
        medians: &[f32],
        other: impl FnOnce(usize) -> usize,
    ) -> Result<()> {
        let told = forest.explain(row)?;
        let answer = |row: &[f32]| -> Result<f64> {
            Ok(f64::from(match (told.class, forest.answer(row)?) {
                (None, Answer::Number(number)) => number,
                (class, _) => forest.share(row, class.unwrap_or(0)),
            }))
        };
        let before = answer(row)?;
        let sum = told.ordinary + told.terms.iter().map(|term| term.value).sum::<f64>();
        self.worst_sum = self.worst_sum.max((sum - before).abs());
        let Some(top) = told.terms.first().map(|term| usize::from(term.feature)) else {
            return Ok(());
        };
        let moved = |feature: usize| -> Result<f64> {
            let mut changed = row.to_vec();
            changed[feature] = medians[feature];
            Ok((answer(&changed)? - before).abs())
        };
        let drawn = other(row.len() - 1);
        let drawn = drawn + usize::from(drawn >= top);
        self.told += 1;
        self.top_mattered += u32::from(moved(top)? > moved(drawn)?);
        Ok(())
    }

    fn add(&mut self, other: &Self) {
        self.told += other.told;
        self.top_mattered += other.top_mattered;
        self.worst_sum = self.worst_sum.max(other.worst_sum);
    }

    fn claims(&self, what: &str) -> Vec<Claim> {
        let share = f64::from(self.top_mattered) / f64::from(self.told.max(1));
        let name = format!("{what}: the explanation's top feature moves the answer more");
        let sum = format!("{what}: an explanation's terms miss the answer by");
        vec![
            Claim::at_least(&name, share, TOP_MATTERS).with("explanations", self.told),
            Claim::new(
                &sum,
                self.worst_sum,
                "at most 1e-6",
                self.worst_sum <= SUMS_WITHIN,
            ),
        ]
    }
}

/// The seeds' figures: their mean decides.
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn seeds_of(values: &[f64]) -> Vec<Value> {
    values.iter().map(|value| rounded(*value).into()).collect()
}

/// A single tree whose subtrees adapt, but without a root that watches.
fn without_root_alarm(settings: Settings) -> Settings {
    Settings {
        trees: 1,
        root_alarm: false,
        ..settings
    }
}

fn arena(what: &str, bytes: usize) -> Claim {
    let name = format!("{what}: bytes of the arena, statistics and detectors included");
    Claim::at_most(&name, bytes as f64, f64::from(ARENA_BYTES_AT_MOST))
}

/// Packages' answers to the stream of `seed`, which lies in `path`.
fn peer(task: &str, path: &Path, features: usize) -> Result<Value> {
    let arguments = [
        task.as_ref(),
        path.as_os_str(),
        features.to_string().as_ref(),
    ]
    .map(std::ffi::OsStr::to_os_string);
    peers::run(Packages::Peers, "online", &arguments)
}

/// Writes rows and labels as floats, a sample after the other.
fn write(path: &Path, samples: &[(Vec<f32>, f32)]) -> Result<()> {
    let mut bytes = Vec::new();
    for (row, label) in samples {
        bytes.extend(
            row.iter()
                .chain([label])
                .flat_map(|number| number.to_le_bytes()),
        );
    }
    Ok(std::fs::write(path, bytes)?)
}
