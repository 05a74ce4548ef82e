//! Fastfood beside random kitchen sinks: as good, smaller, and when faster.

mod kernel;
mod speed;

use anyhow::{Context as _, Result};
use noroshi_tiny::baseline::{Samples, nearest};
use noroshi_tiny::fastfood::{self, Kind, Settings};
use serde::Deserialize;

use crate::claims::{Claim, rounded};
use crate::datasets::{self, Dataset, Part};
use crate::rows::seeds::{Judged, Outcome};
use crate::rows::{Context, Row};

pub(super) const ROW: Row = Row {
    name: "fastfood",
    // Every part that is kept names its own settings: a search outlives what it chooses.
    settings: "",
    run,
};

const SETTINGS: &str = include_str!("../../proof/tiny/fastfood.toml");
/// How much less than kitchen sinks Fastfood may be right.
const BEHIND: f64 = 0.005;
/// The table's figure for letter's nearest neighbour: the split and the labels are right.
const NEAREST: f64 = 0.9498;
/// Widths and strengths that are tried, the same for both.
const SIGMAS: [f32; 4] = [1.5, 2.0, 2.5, 3.0];
const LAMBDAS: [f64; 3] = [1e-7, 1e-6, 1e-5];
/// Settings are chosen on every so many rows of the training part.
const HOLDOUT: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
struct Tuned {
    sigma: f32,
    lambda: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Choice {
    pairs: usize,
    rounds: usize,
    kitchen_sinks: Tuned,
    fastfood: Tuned,
}

impl Choice {
    fn settings(&self, kind: Kind) -> Settings {
        let tuned = match kind {
            Kind::KitchenSinks => self.kitchen_sinks,
            Kind::Fastfood => self.fastfood,
        };
        Settings {
            kind,
            pairs: self.pairs,
            sigma: tuned.sigma,
            lambda: tuned.lambda,
            rounds: self.rounds,
        }
    }
}

fn run(context: &Context) -> Result<Vec<Claim>> {
    let choice: Choice = toml::from_str(SETTINGS).context("the row's settings")?;
    let letter = datasets::load("letter")?;
    let mut claims = vec![nearest_neighbour(&letter)?];
    if context.full() {
        for kind in [Kind::KitchenSinks, Kind::Fastfood] {
            claims.push(search(context, &letter, &choice, kind)?);
        }
        if !claims.iter().all(Claim::holds) {
            eprintln!("other settings are checked in: five seeds of them would say nothing");
            return Ok(claims);
        }
    }
    let kitchen_sinks = judge(context, &letter, &choice.settings(Kind::KitchenSinks))?;
    let fastfood = judge(context, &letter, &choice.settings(Kind::Fastfood))?;
    claims.extend(kitchen_sinks.claims.iter().chain(&fastfood.claims).cloned());
    claims.push(beside(&fastfood, &kitchen_sinks));
    claims.extend(kernel::claims(&letter, &choice.settings(Kind::Fastfood))?);
    claims.extend(speed::claims()?);
    Ok(claims)
}

fn samples<'a>(rows: &'a [f32], part: &'a Part, classes: usize) -> Samples<'a> {
    Samples {
        rows,
        columns: part.columns,
        labels: &part.labels,
        classes,
    }
}

fn nearest_neighbour(letter: &Dataset) -> Result<Claim> {
    let rows = letter.train.floats();
    let standard = fastfood::standard(&rows, letter.train.columns);
    let standardized = |rows: &[f32]| -> Vec<f32> {
        let columns = rows.iter().zip(standard.iter().cycle());
        columns
            .map(|(value, (mean, factor))| (value - mean) * factor)
            .collect()
    };
    let rows = standardized(&rows);
    let known = samples(&rows, &letter.train, letter.classes);
    let answers = nearest::classes(&known, &standardized(&letter.test.floats()), 1)?;
    let found = rounded(accuracy(&answers, &letter.test.labels));
    let holds = (found - NEAREST).abs() < 1e-9;
    let limit = format!("exactly {NEAREST}: the split is the table's");
    Ok(Claim::new(
        "letter: nearest neighbour",
        found,
        &limit,
        holds,
    ))
}

fn accuracy(answers: &[u16], labels: &[u16]) -> f64 {
    let right = answers.iter().zip(labels).filter(|(a, b)| a == b).count();
    right as f64 / labels.len() as f64
}

fn judge(context: &Context, letter: &Dataset, settings: &Settings) -> Result<Judged> {
    let rows = letter.train.floats();
    let unseen = letter.test.floats();
    let name = name(settings.kind);
    context.judge(name, settings, |seed| {
        let known = samples(&rows, &letter.train, letter.classes);
        let model = fastfood::train(&known, settings, seed)?;
        let answers = model.classes(&unseen)?;
        let outcome = Outcome::new(seed, &answers, &letter.test.labels, &model.to_bytes())?;
        eprintln!("{name}, seed {seed}: {:.4}", outcome.accuracy());
        Ok(outcome)
    })
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::KitchenSinks => "kitchen sinks",
        Kind::Fastfood => "fastfood",
    }
}

fn beside(fastfood: &Judged, kitchen_sinks: &Judged) -> Claim {
    let behind = kitchen_sinks.mean() - fastfood.mean();
    Claim::at_most(
        "letter, n = 1024: Fastfood behind kitchen sinks",
        behind,
        BEHIND,
    )
    .with("fastfood", rounded(fastfood.mean()))
    .with("deviation", rounded(fastfood.deviation()))
    .with("kitchen sinks", rounded(kitchen_sinks.mean()))
    .with(
        "deviation of kitchen sinks",
        rounded(kitchen_sinks.deviation()),
    )
    .with("file bytes", fastfood.bytes())
}

/// Whether the checked-in settings are what the holdout chooses.
fn search(context: &Context, letter: &Dataset, choice: &Choice, kind: Kind) -> Result<Claim> {
    let (kept, chosen) = letter.train.holdout(HOLDOUT);
    let (rows, unseen) = (kept.floats(), chosen.floats());
    let mut tried = Vec::new();
    for (sigma, lambda) in SIGMAS.iter().flat_map(|s| LAMBDAS.map(|l| (*s, l))) {
        let settings = Settings {
            sigma,
            lambda,
            ..choice.settings(kind)
        };
        let part = format!(
            "{} on the holdout: sigma {sigma}, lambda {lambda}, pairs {}, rounds {}",
            name(kind),
            settings.pairs,
            settings.rounds
        );
        let found: f64 = context.remember(&part, || {
            let known = samples(&rows, &kept, letter.classes);
            let answers = fastfood::train(&known, &settings, 1)?.classes(&unseen)?;
            Ok(accuracy(&answers, &chosen.labels))
        })?;
        eprintln!("{part}: {found:.4}");
        tried.push((found, Tuned { sigma, lambda }));
    }
    let best = tried.iter().fold(
        tried[0],
        |best, one| if one.0 > best.0 { *one } else { best },
    );
    let kept = choice.settings(kind);
    let same = best.1
        == Tuned {
            sigma: kept.sigma,
            lambda: kept.lambda,
        };
    let text = format!("sigma {}, lambda {}", best.1.sigma, best.1.lambda);
    Ok(Claim::new(
        &format!("{}: the holdout's choice", name(kind)),
        text,
        "what is checked in",
        same,
    )
    .with("accuracy on the holdout", rounded(best.0))
    .with("tried", tried.len()))
}
