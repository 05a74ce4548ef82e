//! Time and memory of the maps, one thread, beside a tuned matrix product in the same run.

#![expect(unsafe_code, reason = "gemm is called with pointers")]

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, Result};
use noroshi_compress::statistics::median;
use noroshi_tiny::fastfood::{Kind, Map, Plan, Room};

use crate::claims::{Claim, rounded};

/// The size that bars are about, and the one where nothing is gained.
const LARGE: (usize, usize) = (1024, 16_384);
const SMALL: (usize, usize) = (64, 1024);
/// Vectors of a batch.
const BATCH: usize = 64;
/// Rounds in which every way is measured in turn; the median of each counts.
const ROUNDS: usize = 9;
const ALONE: f64 = 24.0;
const BATCHED: f64 = 1.5;
const MEMORY: f64 = 256.0;

/// Microseconds a vector.
struct Times {
    fastfood: f64,
    alone: f64,
    batched: f64,
    /// Cosines and sines, which all ways share.
    turns: f64,
}

pub(super) fn claims() -> Result<Vec<Claim>> {
    let (inputs, pairs) = LARGE;
    let (times, memory) = measure(inputs, pairs)?;
    let size = format!("d = {inputs}, n = {pairs}");
    let mut claims = vec![
        faster(
            &format!("{size}: times faster than kitchen sinks on one vector"),
            &times,
            times.alone,
        )
        .decided(ALONE),
        faster(
            &format!("{size}: times faster than a batched product of {BATCH}"),
            &times,
            times.batched,
        )
        .decided(BATCHED),
        Claim::at_least(&format!("{size}: times less memory"), memory, MEMORY),
    ];
    let (inputs, pairs) = SMALL;
    let (times, memory) = measure(inputs, pairs)?;
    let size = format!("d = {inputs}, n = {pairs}");
    for (way, other) in [
        ("kitchen sinks on one vector", times.alone),
        ("a batched product", times.batched),
    ] {
        claims.push(faster(&format!("{size}: times faster than {way}"), &times, other).told());
    }
    claims.push(Claim::new(
        &format!("{size}: times less memory"),
        rounded(memory),
        "none: told as it is",
        true,
    ));
    Ok(claims)
}

/// A ratio of whole maps, features included, with the parts beside it.
struct Ratio {
    name: String,
    value: f64,
    figures: [(&'static str, f64); 4],
}

fn faster(name: &str, times: &Times, other: f64) -> Ratio {
    Ratio {
        name: name.to_owned(),
        value: (other + times.turns) / (times.fastfood + times.turns),
        figures: [
            ("fastfood us", times.fastfood),
            ("other us", other),
            ("cosines and sines us", times.turns),
            ("ratio without them", other / times.fastfood),
        ],
    }
}

impl Ratio {
    fn with_figures(&self, claim: Claim) -> Claim {
        let figures = self.figures.iter();
        figures.fold(claim, |claim, (name, value)| {
            claim.with(name, rounded(*value))
        })
    }

    /// Both with and without what the ways share.
    fn decided(&self, limit: f64) -> Claim {
        self.with_figures(Claim::at_least(&self.name, self.value, limit))
    }

    fn told(&self) -> Claim {
        let claim = Claim::new(&self.name, rounded(self.value), "none: told as it is", true);
        self.with_figures(claim)
    }
}

fn draw(kind: Kind, inputs: usize, pairs: usize) -> Result<Map> {
    let plan = Plan {
        kind,
        seed: 1,
        inputs,
        pairs,
        sigma: 10.0,
    };
    Ok(plan.draw()?)
}

fn measure(inputs: usize, pairs: usize) -> Result<(Times, f64)> {
    let fastfood = draw(Kind::Fastfood, inputs, pairs)?;
    let sinks = draw(Kind::KitchenSinks, inputs, pairs)?;
    let matrix = sinks.matrix().context("kitchen sinks are a matrix")?;
    let batch: Vec<f32> = (0..inputs * BATCH)
        .map(|i| (i as f32 * 0.37).sin())
        .collect();
    let row = &batch[..inputs];
    let mut room = Room::default();
    let mut angles = vec![0.0; pairs];
    let mut products = vec![0.0; pairs * BATCH];
    let mut features = vec![0.0; 2 * pairs];
    // Enough repetitions that a clock's step doesn't matter.
    let often = (4_000_000 / pairs / 10).max(4);
    let seldom = (400_000_000 / (pairs * inputs)).max(4);
    let mut found: [Vec<f64>; 5] = Default::default();
    for _ in 0..ROUNDS {
        found[0].push(each(often, || {
            fastfood.project(black_box(row), &mut room, &mut angles);
        }));
        found[1].push(each(seldom, || {
            sinks.project(black_box(row), &mut room, &mut angles);
        }));
        found[2].push(each(seldom, || {
            multiply(matrix, black_box(row), &mut products[..pairs], inputs);
        }));
        let batches = (seldom / 8).max(2);
        let batched = each(batches, || {
            multiply(matrix, black_box(&batch), &mut products, inputs);
        });
        found[3].push(batched / BATCH as f64);
        // A whole map less its projection.
        let whole = each(often, || {
            fastfood.apply(black_box(row), &mut room, &mut features);
        });
        found[4].push(whole);
        black_box((&angles, &products, &features));
    }
    let [fastfood_us, ours, theirs, batched, whole] =
        found.map(|times| median(&times).unwrap_or(f64::NAN));
    let times = Times {
        fastfood: fastfood_us,
        alone: ours.min(theirs),
        batched,
        turns: (whole - fastfood_us).max(0.0),
    };
    Ok((times, sinks.bytes() as f64 / fastfood.bytes() as f64))
}

/// `products` = `matrix` times each vector of `batch`, one after the other, by gemm on this thread.
fn multiply(matrix: &[f32], batch: &[f32], products: &mut [f32], inputs: usize) {
    let (rows, vectors) = (matrix.len() / inputs, batch.len() / inputs);
    assert!(products.len() >= rows * vectors);
    // SAFETY: rows of the matrix, vectors and products lie one after the other, so that every
    // index is inside its slice by the lengths just taken; `products` is borrowed alone.
    unsafe {
        gemm::gemm(
            rows,
            vectors,
            inputs,
            products.as_mut_ptr(),
            rows as isize,
            1,
            false,
            matrix.as_ptr(),
            1,
            inputs as isize,
            batch.as_ptr(),
            inputs as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Microseconds of one of `count` calls.
fn each(count: usize, mut call: impl FnMut()) -> f64 {
    let started = Instant::now();
    (0..count).for_each(|_| call());
    started.elapsed().as_secs_f64() * 1e6 / count as f64
}
