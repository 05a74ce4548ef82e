//! Numbers: Friedman's function, whose features change places and come back.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use noroshi_tiny::online::{Answer, Label, OnlineForest, Settings};

use super::streams::{Chance, FRIEDMAN_FEATURES, PHASE, PHASES, friedman};
use super::{Explained, SEEDS, arena, mean, peer, seeds_of, without_root_alarm, write};
use crate::claims::{Claim, rounded};

/// The bars: error after a change, against before, against online linear regression.
const AFTER: f64 = 2.65;
const AGAINST_BEFORE: f64 = 1.15;
const AGAINST_LINEAR: f64 = 0.95;
/// Samples at the end of a phase that decide.
const LAST: usize = 2_000;

type Errors = [f64; PHASES];
type Samples = [(Vec<f32>, f32)];

pub(super) fn claims(folder: &Path) -> Result<Vec<Claim>> {
    let mut ours = Vec::new();
    let mut bare = Vec::new();
    let mut linear = Vec::new();
    let mut explained = Explained::default();
    let mut bytes = 0;
    for seed in SEEDS {
        let samples = friedman(seed);
        let settings = Settings::regression(FRIEDMAN_FEATURES as u16, seed);
        let (errors, told, arena_bytes) = learned(settings, &samples)?;
        eprintln!("friedman, seed {seed}: {errors:.3?}");
        explained.add(&told);
        bytes = arena_bytes;
        ours.push(errors);
        bare.push(learned(without_root_alarm(settings), &samples)?.0);
        linear.push(descent(&samples));
    }
    let path = folder.join("friedman.f32");
    write(&path, &friedman(SEEDS[0]))?;
    let peers = peer("friedman", &path, FRIEDMAN_FEATURES)?;
    let of_peer = |name: &str, phase: usize| {
        let value = peers[name][phase].as_f64();
        value.with_context(|| format!("the peer's {name} in phase {phase}"))
    };
    let of =
        |all: &[Errors], phase: usize| -> Vec<f64> { all.iter().map(|one| one[phase]).collect() };
    let before = mean(&of(&ours, 0));
    let mut claims = vec![arena("friedman", bytes)];
    for (phase, name) in [(1, "after"), (2, "after it came back")] {
        let errors = of(&ours, phase);
        let after = mean(&errors);
        let rival = mean(&of(&linear, phase)).min(of_peer("linear", phase)?);
        let what = |rest: &str| format!("friedman {name}: {rest}");
        claims.push(
            Claim::at_most(&what("error"), after, AFTER)
                .with("seeds", seeds_of(&errors))
                .with(
                    "river's adaptive tree",
                    rounded(of_peer("adaptive tree", phase)?),
                )
                .with("without a root alarm", rounded(mean(&of(&bare, phase)))),
        );
        let claim = Claim::at_most(&what("against before"), after / before, AGAINST_BEFORE);
        claims.push(claim.with("before", rounded(before)));
        let claim = Claim::at_most(&what("against linear"), after / rival, AGAINST_LINEAR);
        claims.push(claim.with("linear", rounded(rival)));
    }
    claims.extend(explained.claims("friedman"));
    let fixed = of_peer("static forest", 1)?;
    claims.push(fails(
        "a static forest",
        fixed,
        of_peer("static forest", 0)?,
        &of(&linear, 1),
    ));
    let linear_before = mean(&of(&linear, 0));
    claims.push(fails(
        "a linear model",
        mean(&of(&linear, 1)),
        linear_before,
        &of(&linear, 1),
    ));
    Ok(claims)
}

/// A control must miss a bar.
fn fails(name: &str, after: f64, before: f64, linear: &[f64]) -> Claim {
    let missed =
        after > AFTER || after > AGAINST_BEFORE * before || after > AGAINST_LINEAR * mean(linear);
    Claim::new(
        &format!("friedman, control: {name} misses a bar"),
        rounded(after),
        "an error, or one against before or linear, above its bar",
        missed,
    )
    .with("before", rounded(before))
}

fn learned(settings: Settings, samples: &Samples) -> Result<(Errors, Explained, usize)> {
    let mut forest = OnlineForest::new(settings)?;
    let mut chance = Chance::new(settings.seed ^ 0xabc);
    let mut explained = Explained::default();
    let medians = [0.5; FRIEDMAN_FEATURES];
    let mut said = Vec::with_capacity(samples.len());
    for (at, (row, value)) in samples.iter().enumerate() {
        let Answer::Number(number) = forest.answer(row)? else {
            bail!("a class");
        };
        said.push(number);
        if at % PHASE >= PHASE - LAST && at % 20 == 0 {
            explained.tell(&forest, row, &medians, |limit| chance.below(limit))?;
        }
        forest.learn(row, Label::Number(*value))?;
    }
    Ok((errors(&said, samples), explained, forest.arena_bytes()))
}

/// Online linear regression by gradient descent on features of deviation 1.
fn descent(samples: &Samples) -> Errors {
    const RATE: f32 = 0.01;
    let deviation = (1.0_f32 / 12.0).sqrt();
    let mut weights = [0.0_f32; FRIEDMAN_FEATURES + 1];
    let mut said = Vec::with_capacity(samples.len());
    for (row, value) in samples {
        let input = row.iter().map(|number| (number - 0.5) / deviation);
        let input: Vec<f32> = input.chain([1.0]).collect();
        let number: f32 = input
            .iter()
            .zip(&weights)
            .map(|(x, weight)| x * weight)
            .sum();
        said.push(number);
        for (weight, x) in weights.iter_mut().zip(&input) {
            *weight += RATE * (value - number) * x;
        }
    }
    errors(&said, samples)
}

/// Root of the mean square over the last samples of each phase.
fn errors(said: &[f32], samples: &Samples) -> Errors {
    std::array::from_fn(|phase| {
        let last = (phase + 1) * PHASE - LAST..(phase + 1) * PHASE;
        let squares = last.map(|at| f64::from(said[at] - samples[at].1).powi(2));
        (squares.sum::<f64>() / LAST as f64).sqrt()
    })
}
