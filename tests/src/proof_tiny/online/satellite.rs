//! Classes: satellite, whose labels rotate in the middle, and a million samples of no change.

use std::path::Path;

use anyhow::{Context as _, Result};
use noroshi_tiny::online::{Answer, Label, OnlineForest, Settings};
use serde_json::Value;

use super::streams::{Chance, rotated};
use super::{Explained, SEEDS, arena, mean, peer, seeds_of, without_root_alarm, write};
use crate::claims::{Claim, rounded};
use crate::datasets::{self, Dataset};

/// The bars: a window of so many samples has this accuracy again at most so many samples on.
const WINDOW: usize = 100;
const ACCURACY: f64 = 0.75;
const BACK_WITHIN: f64 = 400.0;
const FALSE_RESETS: f64 = 1.0;
/// Samples without any change.
const FEW: u32 = 100_000;
const MANY: u32 = 1_000_000;
/// Accuracy is the mean of ten measurements, a thousand samples apart: one depends on what the
/// last few samples were.
const MEASUREMENTS: u32 = 10;

#[derive(Debug, Clone, Default)]
struct Followed {
    back: usize,
    before: f64,
    after: f64,
    false_resets: u32,
    explained: Explained,
    bytes: usize,
}

pub(super) fn claims(folder: &Path) -> Result<Vec<Claim>> {
    let set = datasets::load("satellite")?;
    let mut ours = Vec::new();
    let mut bare = Vec::new();
    for seed in SEEDS {
        let samples = rotated(&set, seed);
        let settings = settings(&set, seed);
        let one = followed(settings, &set, &samples)?;
        eprintln!("satellite, seed {seed}: back after {}", one.back);
        ours.push(one);
        bare.push(followed(without_root_alarm(settings), &set, &samples)?);
    }
    let path = folder.join("satellite.f32");
    write(&path, &rotated(&set, SEEDS[0]))?;
    let peers = peer("satellite", &path, set.train.columns)?;
    let of = |figure: fn(&Followed) -> f64, all: &[Followed]| -> Vec<f64> {
        all.iter().map(figure).collect()
    };
    let back = of(|one| one.back as f64, &ours);
    let resets = of(|one| f64::from(one.false_resets), &ours);
    let worst_resets = resets.iter().copied().fold(0.0, f64::max);
    let mut explained = Explained::default();
    for one in &ours {
        explained.add(&one.explained);
    }
    let mut claims = vec![
        arena("satellite", ours[0].bytes),
        Claim::at_most(
            "satellite: samples until .75 is back",
            mean(&back),
            BACK_WITHIN,
        )
        .with("seeds", seeds_of(&back))
        .with("before", rounded(mean(&of(|one| one.before, &ours))))
        .with("last thousand", rounded(mean(&of(|one| one.after, &ours))))
        .with(
            "river's adaptive forest",
            peers["adaptive forest"]["back"].clone(),
        )
        .with("river's linear model", peers["linear"]["back"].clone()),
        Claim::at_most("satellite: false resets before", worst_resets, FALSE_RESETS),
    ];
    claims.extend(explained.claims("satellite"));
    claims.extend(controls(&of(|one| one.back as f64, &bare), &peers)?);
    claims.extend(stationary(&set)?);
    Ok(claims)
}

fn settings(set: &Dataset, seed: u64) -> Settings {
    Settings::classification(set.train.columns as u16, set.classes as u8, seed)
}

fn controls(bare: &[f64], peers: &Value) -> Result<Vec<Claim>> {
    let limit = "more than 400 samples, or never";
    let name = "satellite, control: no root alarm: samples until .75";
    let late = mean(bare) > BACK_WITHIN;
    let mut claims =
        vec![Claim::new(name, rounded(mean(bare)), limit, late).with("seeds", seeds_of(bare))];
    for name in ["adaptive tree", "static forest"] {
        let back = peers[name]["back"]
            .as_f64()
            .with_context(|| format!("the peer's {name}"))?;
        let claim = format!("satellite, control: {name} of a package: samples until .75");
        claims.push(Claim::new(&claim, rounded(back), limit, back > BACK_WITHIN));
    }
    Ok(claims)
}

fn followed(settings: Settings, set: &Dataset, samples: &[(Vec<f32>, f32)]) -> Result<Followed> {
    let mut forest = OnlineForest::new(settings)?;
    let mut chance = Chance::new(settings.seed ^ 0xdef);
    let medians = medians(set);
    let half = samples.len() / 2;
    let mut right = Vec::with_capacity(samples.len());
    let mut followed = Followed::default();
    for (at, (row, label)) in samples.iter().enumerate() {
        let label = *label as u8;
        let answer = forest.answer(row)?;
        right.push(matches!(answer, Answer::Class { class, .. } if class == label));
        if at > 1_000 && at % 20 == 0 {
            let other = |limit| chance.below(limit);
            followed.explained.tell(&forest, row, &medians, other)?;
        }
        if at == half {
            followed.false_resets = forest.counters().alarms;
        }
        forest.learn(row, Label::Class(label))?;
    }
    let share = |from: usize, to: usize| {
        let count = right[from..to].iter().filter(|right| **right).count();
        count as f64 / (to - from) as f64
    };
    // Windows that hold samples after the rotation only.
    let ends = half + WINDOW..=right.len();
    let back = ends
        .into_iter()
        .find(|&end| share(end - WINDOW, end) >= ACCURACY);
    followed.back = back.map_or(samples.len(), |end| end - half);
    followed.before = share(half - 1_000, half);
    followed.after = share(right.len() - 1_000, right.len());
    followed.bytes = forest.arena_bytes();
    Ok(followed)
}

fn medians(set: &Dataset) -> Vec<f32> {
    let rows = set.train.floats();
    let median = |column: usize| {
        let mut values: Vec<f32> = rows
            .iter()
            .skip(column)
            .step_by(set.train.columns)
            .copied()
            .collect();
        values.sort_by(f32::total_cmp);
        values[values.len() / 2]
    };
    (0..set.train.columns).map(median).collect()
}

/// Rows of the training part, drawn again and again; accuracy on the test part.
fn stationary(set: &Dataset) -> Result<Vec<Claim>> {
    let rows = set.train.floats();
    let columns = set.train.columns;
    let (mut few, mut many, mut resets) = (Vec::new(), Vec::new(), Vec::new());
    let mut grown = 0;
    for seed in SEEDS {
        let mut chance = Chance::new(seed ^ 0x123);
        let mut forest = OnlineForest::new(settings(set, seed))?;
        let bytes = forest.arena_bytes();
        let (mut early, mut late) = (0.0, 0.0);
        for at in 1..=MANY {
            let row = chance.below(set.train.len());
            let label = Label::Class(set.train.labels[row] as u8);
            forest.learn(&rows[row * columns..(row + 1) * columns], label)?;
            let measured = at % 1_000 == 0;
            if measured && at <= FEW && at > FEW - 1_000 * MEASUREMENTS {
                early += accuracy(&forest, set)?;
            }
            if measured && at > MANY - 1_000 * MEASUREMENTS {
                late += accuracy(&forest, set)?;
            }
        }
        few.push(early / f64::from(MEASUREMENTS));
        many.push(late / f64::from(MEASUREMENTS));
        resets.push(f64::from(forest.counters().alarms));
        grown += forest.arena_bytes() - bytes;
        eprintln!("stationary, seed {seed}: {few:.4?} {many:.4?}");
    }
    let name = "satellite: accuracy after a million samples, over that after 100,000";
    Ok(vec![
        Claim::at_least(name, mean(&many) - mean(&few), 0.0)
            .with("after 100,000", seeds_of(&few))
            .with("after 1,000,000", seeds_of(&many))
            .with("resets", seeds_of(&resets)),
        Claim::at_most(
            "satellite: bytes by which the arena grew",
            grown as f64,
            0.0,
        ),
    ])
}

fn accuracy(forest: &OnlineForest, set: &Dataset) -> Result<f64> {
    let rows = set.test.floats();
    let mut right = 0;
    for (row, label) in rows.chunks(set.test.columns).zip(&set.test.labels) {
        let answer = forest.answer(row)?;
        right +=
            u32::from(matches!(answer, Answer::Class { class, .. } if u16::from(class) == *label));
    }
    Ok(f64::from(right) / set.test.len() as f64)
}
