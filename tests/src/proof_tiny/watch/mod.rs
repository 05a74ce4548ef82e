//! The watch: seven exercises of ten people, each judged by models that were taught the nine
//! others; from samples to answers in whole numbers, on an emulated ATmega328P.
//!
//! Ours and scikit-learn's forest of 100 trees get the same features of the same windows. What our
//! model is, is chosen for each person by models that were taught some of the nine others and
//! judged by the rest of the nine: never by the person.

mod data;
mod kinds;

use std::path::Path;

use anyhow::{Context as _, Result};
use noroshi_codegen::tiny::stream::{self, Streamed};
use noroshi_tiny::Model;
use serde_json::{Value, json};

use super::learned::mean;
use crate::assets::workspace;
use crate::claims::{Claim, rounded};
use crate::peers::{self, Packages};
use crate::rows::seeds::Outcome;
use crate::rows::{Context, Row};
use data::{PEOPLE, Watch};

const FILE_BYTES: u64 = 8192;
/// 1.6 KB.
const MEMORY_BYTES: f64 = 1638.0;
/// 50 ms at 16 MHz.
const CYCLES: f64 = 800_000.0;
const TREES: &str = "100";
/// How much worse than the forest it may be.
const WORSE: f64 = 0.02;

pub(super) const ROW: Row = Row {
    name: "watch",
    settings: "watch 2",
    run,
};

fn run(context: &Context) -> Result<Vec<Claim>> {
    let watch = Watch::load()?;
    let chosen = chosen(context, &watch)?;
    let mut first: Vec<Model> = Vec::new();
    let settings = json!({ "features": watch.features(), "kinds": chosen });
    let judged = context.judge("leave one out", &settings, |seed| {
        let models = watch.models(&chosen, seed)?;
        let outcome = outcome(seed, &watch, &models)?;
        if seed == 1 {
            first = models;
        }
        Ok(outcome)
    })?;
    if first.is_empty() {
        first = watch.models(&chosen, 1)?;
    }
    let folder = context.folder()?;
    let peer = forest(&watch, &folder)?;
    let ours = people(judged.outcomes.iter().map(|one| &one.more["people"]))?;
    let theirs = people(peer["people"].as_array().context("the peer's people")?)?;
    let mut claims = vec![
        Claim::at_least(
            "watch: mean over people",
            mean(&ours),
            mean(&theirs) - WORSE,
        )
        .with("forest of 100 trees", rounded(mean(&theirs)))
        .with("of all windows", rounded(judged.mean()))
        .with("people", listed(&ours))
        .with("people, forest", listed(&theirs))
        .with("spread", rounded(deviation(&ours)))
        .with("spread, forest", rounded(deviation(&theirs)))
        .with("kinds", chosen)
        .with("windows", watch.len())
        .with("features", watch.features().columns()),
        Claim::at_most(
            "watch: bytes of the largest file",
            judged.bytes() as f64,
            FILE_BYTES as f64,
        )
        .with("features and steps", watch.intake_bytes()),
    ];
    claims.extend(on_target(&watch, &first, &folder)?);
    claims.extend(judged.claims);
    Ok(claims)
}

/// All ten models' answers to the people that they don't know, as they are shipped.
fn outcome(seed: u64, watch: &Watch, models: &[Model]) -> Result<Outcome> {
    let (mut answers, mut labels, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    let mut largest: Vec<u8> = Vec::new();
    for (person, model) in (1..=PEOPLE).zip(models) {
        let file = model.to_bytes();
        let (given, right) = watch.answers(&Model::from_bytes(&file)?, person)?;
        let same = given.iter().zip(&right).filter(|(a, b)| a == b).count();
        rates.push(same as f64 / right.len() as f64);
        answers.extend(given);
        labels.extend(right);
        if file.len() > largest.len() {
            largest = file;
        }
    }
    Ok(Outcome::new(seed, &answers, &labels, &largest)?.with("people", rates))
}

/// The mean of several seeds for each person.
fn people<'a>(seeds: impl IntoIterator<Item = &'a Value>) -> Result<Vec<f64>> {
    let seeds: Vec<Vec<f64>> = seeds
        .into_iter()
        .map(|one| Ok(serde_json::from_value(one.clone())?))
        .collect::<Result<_>>()?;
    let person = |at: usize| mean(&seeds.iter().map(|one| one[at]).collect::<Vec<_>>());
    Ok((0..usize::from(PEOPLE)).map(person).collect())
}

fn listed(rates: &[f64]) -> Vec<f64> {
    rates.iter().copied().map(rounded).collect()
}

/// Between people (sample standard deviation).
fn deviation(rates: &[f64]) -> f64 {
    let middle = mean(rates);
    let squares: f64 = rates.iter().map(|rate| (rate - middle).powi(2)).sum();
    (squares / (rates.len() as f64 - 1.0)).sqrt()
}

/// For each person the name of the kind that the nine others prefer: found in the long form and
/// checked in, taken from there in the short one.
fn chosen(context: &Context, watch: &Watch) -> Result<Vec<String>> {
    let path = workspace().join("tests/proof/tiny/watch_kinds.json");
    if !context.full() {
        let text = std::fs::read(&path).context("the kinds that the long form found")?;
        return Ok(serde_json::from_slice(&text)?);
    }
    let mut found = Vec::new();
    for person in 1..=PEOPLE {
        let part = format!("choice for {person}, {}", json!(watch.features()));
        let kind = context.remember(&part, || watch.choose(person))?;
        found.push(kind);
    }
    let text = serde_json::to_string_pretty(&found)? + "\n";
    std::fs::write(&path, text)?;
    Ok(found)
}

/// scikit-learn's forest on the same features and folds, with the seeds 1 to 5.
fn forest(watch: &Watch, folder: &Path) -> Result<Value> {
    let path = folder.join("features.bin");
    std::fs::write(&path, watch.exported())?;
    let columns = watch.features().columns().to_string();
    let path = path.display().to_string();
    peers::run(Packages::Peers, "watch_forest", &[&path, &columns, TREES])
}

/// Every person's samples through the source of the model that doesn't know them.
fn on_target(watch: &Watch, models: &[Model], folder: &Path) -> Result<Vec<Claim>> {
    let (mut host, mut samples) = (0, 0);
    let mut all: Vec<Streamed> = Vec::new();
    for (person, model) in (1..=PEOPLE).zip(models) {
        let stream = watch.stream(person);
        samples += stream.len() / 6;
        host += stream::different_on_host(model, &stream, folder)?;
        all.push(stream::on_avr(model, &stream, folder)?);
    }
    let most = |of: fn(&Streamed) -> f64| all.iter().map(of).fold(0.0, f64::max);
    let sum = |of: fn(&Streamed) -> u64| all.iter().map(of).sum::<u64>();
    let exact = |name: &str, different: u64| {
        Claim::at_most(name, different as f64, 0.0).with("samples", samples)
    };
    let windows = sum(|one| one.windows);
    Ok(vec![
        exact(
            "watch, ATmega328P: samples after which it says otherwise than the host",
            sum(|one| one.measured.different),
        )
        .with("windows", windows),
        exact(
            "watch, C on the host: samples after which it says otherwise",
            host,
        ),
        Claim::at_most(
            "watch, ATmega328P: bytes of memory, window and stack included",
            most(|one| (one.measured.variables + one.measured.stack) as f64),
            MEMORY_BYTES,
        )
        .with("stack", most(|one| one.measured.stack as f64)),
        Claim::at_most(
            "watch, ATmega328P: most cycles of a window, all its samples included",
            most(|one| one.window_cycles.1 as f64),
            CYCLES,
        )
        .with("mean", most(|one| one.window_cycles.0).round())
        .with(
            "of one sample at most",
            most(|one| one.measured.most_cycles as f64),
        )
        .with(
            "ms at 16 MHz",
            rounded(most(|one| one.window_cycles.1 as f64) / 16_000.0),
        ),
        Claim::new(
            "watch, ATmega328P: bytes of flash",
            most(|one| one.measured.text as f64),
            "told",
            true,
        ),
        control(watch, models, folder)?,
    ])
}

/// The comparison must see a feature that is off by one.
fn control(watch: &Watch, models: &[Model], folder: &Path) -> Result<Claim> {
    let folder = folder.join("control");
    std::fs::create_dir_all(&folder)?;
    let off = watch.off_by_one(&models[0])?;
    let stream = watch.stream(1);
    let different = stream::disagreements(&models[0], &off, &stream, &folder)?;
    Ok(Claim::new(
        "watch: control: one feature's low bound off by one",
        different,
        "must differ somewhere",
        different > 0,
    ))
}
