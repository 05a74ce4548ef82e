//! How a figure that depends on chance is decided.
//!
//! The long form trains with the seeds 1 to 5 and checks in what came out; bars are held against
//! the mean of the five. The short form trains seed 1 again, which must come out as it is checked
//! in, and one seed that nobody chose, which must not be far worse than the mean.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Context;
use crate::claims::{Claim, rounded};

/// Seeds of the long form.
pub const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];
/// By how many rows of the test part a seed may differ when it is trained again.
const REPRODUCED: u32 = 4;
/// How much worse than the mean a seed that nobody chose may be, whatever the spread.
const WORSE: f64 = 0.025;
/// One character a class in checked-in predictions.
const CHARACTERS: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/";

/// What training with one seed gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Rows of the test part with the right class.
    pub correct: u32,
    /// Rows of the test part.
    pub total: u32,
    /// Size of the file that would be shipped.
    pub bytes: u64,
    /// SHA-256 of that file.
    pub digest: String,
    /// A character a row: classes 0 to 9, then a to z, A to Z, + and /.
    pub predictions: String,
    /// Other figures.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub more: Map<String, Value>,
}

/// One method's five seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// An outcome a seed, in the order of [`SEEDS`]; the short form measures the first only.
    pub outcomes: Vec<Outcome>,
    /// Whether the short form's conditions hold; empty in the long form.
    pub claims: Vec<Claim>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Record {
    settings: Value,
    outcomes: Vec<Outcome>,
}

type Records = BTreeMap<String, Record>;

impl Outcome {
    /// From the classes answered, the right ones and the file that would be shipped.
    pub fn new(seed: u64, answers: &[u16], labels: &[u16], file: &[u8]) -> Result<Self> {
        ensure!(
            answers.len() == labels.len(),
            "{} answers to {} rows",
            answers.len(),
            labels.len()
        );
        let right = answers.iter().zip(labels).filter(|(a, b)| a == b).count();
        let character = |class: &u16| CHARACTERS.get(usize::from(*class)).copied();
        let characters: Option<Vec<u8>> = answers.iter().map(character).collect();
        Ok(Self {
            seed,
            correct: u32::try_from(right)?,
            total: u32::try_from(labels.len())?,
            bytes: file.len() as u64,
            digest: noroshi_model::Digest::of(file).to_string(),
            predictions: String::from_utf8(characters.context("more than 64 classes")?)?,
            more: Map::new(),
        })
    }

    /// With another figure.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// The share of rows with the right class.
    pub fn accuracy(&self) -> f64 {
        f64::from(self.correct) / f64::from(self.total)
    }

    /// The classes answered.
    pub fn answers(&self) -> Vec<u16> {
        let class = |byte: u8| CHARACTERS.iter().position(|&known| known == byte);
        let bytes = self.predictions.bytes();
        bytes
            .map(|byte| class(byte).map_or(u16::MAX, |class| class as u16))
            .collect()
    }
}

impl Judged {
    /// The mean of the five accuracies.
    pub fn mean(&self) -> f64 {
        mean(&self.outcomes)
    }

    /// The spread of the five accuracies (sample standard deviation).
    pub fn deviation(&self) -> f64 {
        deviation(&self.outcomes)
    }

    /// The largest of the five files, in bytes.
    pub fn bytes(&self) -> u64 {
        self.outcomes.iter().map(|one| one.bytes).max().unwrap_or(0)
    }

    /// That the mean is at least `limit`, with the spread and seed 1 beside it.
    pub fn at_least(&self, name: &str, limit: f64) -> Claim {
        Claim::at_least(name, self.mean(), limit)
            .with("deviation", rounded(self.deviation()))
            .with("seed 1", rounded(self.outcomes[0].accuracy()))
            .with("seeds", self.outcomes.len())
    }
}

fn mean(outcomes: &[Outcome]) -> f64 {
    outcomes.iter().map(Outcome::accuracy).sum::<f64>() / outcomes.len() as f64
}

fn deviation(outcomes: &[Outcome]) -> f64 {
    let mean = mean(outcomes);
    let squares = outcomes.iter().map(|one| (one.accuracy() - mean).powi(2));
    (squares.sum::<f64>() / (outcomes.len() as f64 - 1.0).max(1.0)).sqrt()
}

impl Context {
    /// Trains `method` with five seeds and checks the outcomes in (long form), or trains seed 1
    /// and a drawn one and holds them against what is checked in (short form). `settings` is
    /// everything that decides the outcome: another value makes checked-in outcomes void.
    pub fn judge(
        &self,
        method: &str,
        settings: &impl Serialize,
        mut train: impl FnMut(u64) -> Result<Outcome>,
    ) -> Result<Judged> {
        let settings = serde_json::to_value(settings)?;
        if self.full {
            let mut outcomes = Vec::new();
            for seed in SEEDS {
                let part = format!("{method}, seed {seed}, {settings}");
                outcomes.push(self.remember(&part, || train(seed))?);
            }
            self.check_in(method, settings, &outcomes)?;
            return Ok(Judged {
                outcomes,
                claims: Vec::new(),
            });
        }
        let mut outcomes = self.checked_in(method, &settings)?;
        let drawn = train(self.drawn_seed()?)?;
        let again = train(SEEDS[0])?;
        let claims = vec![
            reproduced(method, &again, &outcomes[0]),
            not_far_worse(method, &drawn, &outcomes),
        ];
        outcomes[0] = again;
        Ok(Judged { outcomes, claims })
    }

    fn records(&self) -> Result<Records> {
        let path = self.record();
        if !path.exists() {
            return Ok(Records::new());
        }
        let text = std::fs::read_to_string(&path)?;
        serde_json::from_str(&text).with_context(|| format!("{}", path.display()))
    }

    fn check_in(&self, method: &str, settings: Value, outcomes: &[Outcome]) -> Result<()> {
        let mut records = self.records()?;
        let outcomes = outcomes.to_vec();
        records.insert(method.to_owned(), Record { settings, outcomes });
        let path = self.record();
        std::fs::create_dir_all(path.parent().context("a record lies in a folder")?)?;
        Ok(std::fs::write(
            &path,
            serde_json::to_string_pretty(&records)? + "\n",
        )?)
    }

    fn checked_in(&self, method: &str, settings: &Value) -> Result<Vec<Outcome>> {
        let record = self.records()?.remove(method);
        match record {
            Some(record)
                if record.settings == *settings && record.outcomes.len() == SEEDS.len() =>
            {
                Ok(record.outcomes)
            }
            found => bail!(
                "{} has {} for {method}: run `make proof-{} ONLY={} FULL=1` and commit it",
                self.record().display(),
                found.map_or("nothing", |_| "other settings"),
                self.proof,
                self.row
            ),
        }
    }
}

fn reproduced(method: &str, again: &Outcome, kept: &Outcome) -> Claim {
    let apart = again.correct.abs_diff(kept.correct);
    let name = format!("{method}: seed 1 trained again, rows apart");
    Claim::at_most(&name, f64::from(apart), f64::from(REPRODUCED))
        .with("accuracy", rounded(again.accuracy()))
        .with("same file", again.digest == kept.digest)
}

fn not_far_worse(method: &str, drawn: &Outcome, five: &[Outcome]) -> Claim {
    let limit = mean(five) - WORSE.max(4.0 * deviation(five));
    let name = format!("{method}: a drawn seed");
    Claim::at_least(&name, drawn.accuracy(), rounded(limit))
        .with("seed", drawn.seed)
        .with("mean of five", rounded(mean(five)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(seed: u64, wrong: usize) -> Outcome {
        let labels = vec![11; 1000];
        let mut answers = labels.clone();
        answers[..wrong].fill(63);
        Outcome::new(seed, &answers, &labels, b"file").unwrap()
    }

    #[test]
    fn predictions_are_a_character_each() {
        let outcome = outcome(1, 1);
        assert!(outcome.predictions.starts_with("/b"));
        assert_eq!(outcome.answers()[..2], [63, 11]);
        assert!((outcome.accuracy() - 0.999).abs() < 1e-9);
    }

    #[test]
    fn a_drawn_seed_may_be_worse_but_not_far() {
        let five: Vec<_> = SEEDS.map(|seed| outcome(seed, 100)).to_vec();
        assert!(not_far_worse("m", &outcome(9, 124), &five).holds());
        assert!(!not_far_worse("m", &outcome(9, 126), &five).holds());
        assert!(reproduced("m", &outcome(1, 104), &five[0]).holds());
        assert!(!reproduced("m", &outcome(1, 95), &five[0]).holds());
    }
}
