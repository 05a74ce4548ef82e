//! How far the features' inner products are from the kernel, on average and at all.

use anyhow::Result;
use noroshi_tiny::fastfood::{Kind, Plan, Settings, features, standard};

use crate::claims::{Claim, rounded};
use crate::datasets::Dataset;

/// Maps drawn: a map's errors hang together, so many are needed.
const MAPS: u64 = 100;
/// Rows whose pairs are compared: near and far, from all of the training part.
const ROWS: usize = 40;
const BIAS: f64 = 0.003;
const SPREAD: f64 = 1.5;

/// Mean and root mean square of the errors over maps and pairs.
struct Errors {
    bias: f64,
    spread: f64,
    /// Whether the kernel is taken as twice as wide: must be found out.
    control: f64,
}

pub(super) fn claims(letter: &Dataset, settings: &Settings) -> Result<Vec<Claim>> {
    let all = letter.train.floats();
    let columns = letter.train.columns;
    let standard = standard(&all, columns);
    let step = letter.train.len() / ROWS;
    let rows: Vec<f32> = all
        .chunks_exact(columns)
        .step_by(step)
        .take(ROWS)
        .flatten()
        .copied()
        .collect();
    let fastfood = errors(&rows, &standard, settings, Kind::Fastfood)?;
    let sinks = errors(&rows, &standard, settings, Kind::KitchenSinks)?;
    Ok(vec![
        Claim::at_most("kernel: Fastfood's bias", fastfood.bias.abs(), BIAS)
            .with("maps", MAPS)
            .with("pairs", ROWS * (ROWS - 1) / 2)
            .with("kitchen sinks", rounded(sinks.bias.abs())),
        Claim::at_most(
            "kernel: Fastfood's error beside kitchen sinks'",
            fastfood.spread / sinks.spread,
            SPREAD,
        )
        .with("fastfood", rounded(fastfood.spread))
        .with("kitchen sinks", rounded(sinks.spread)),
        Claim::new(
            "kernel, control: bias against a kernel twice as wide",
            rounded(fastfood.control.abs()),
            &format!("more than {BIAS}"),
            fastfood.control.abs() > BIAS,
        ),
    ])
}

fn errors(
    rows: &[f32],
    standard: &[(f32, f32)],
    settings: &Settings,
    kind: Kind,
) -> Result<Errors> {
    let columns = standard.len();
    let (kernel, wide) = (
        kernel(rows, standard, settings.sigma),
        kernel(rows, standard, 2.0 * settings.sigma),
    );
    let (mut sum, mut squares, mut control, mut count) = (0.0, 0.0, 0.0, 0.0);
    for seed in 1..=MAPS {
        let plan = Plan {
            kind,
            seed,
            inputs: columns,
            pairs: settings.pairs,
            sigma: settings.sigma,
        };
        let features = features(&plan.draw()?, standard, rows);
        let products = products(&features, plan.outputs());
        for ((product, kernel), wide) in products.iter().zip(&kernel).zip(&wide) {
            let error = product - kernel;
            sum += error;
            squares += error * error;
            control += product - wide;
            count += 1.0;
        }
    }
    Ok(Errors {
        bias: sum / count,
        spread: f64::sqrt(squares / count),
        control: control / count,
    })
}

/// The inner product of every pair of different rows.
fn products(rows: &[f32], width: usize) -> Vec<f64> {
    pairs(rows, width, |a, b| {
        a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum()
    })
}

fn kernel(rows: &[f32], standard: &[(f32, f32)], sigma: f32) -> Vec<f64> {
    pairs(rows, standard.len(), |a, b| {
        let apart = a.iter().zip(b).zip(standard);
        let square: f64 = apart
            .map(|((a, b), (_, factor))| f64::from((a - b) * factor).powi(2))
            .sum();
        (-square / (2.0 * f64::from(sigma).powi(2))).exp()
    })
}

fn pairs(rows: &[f32], width: usize, value: impl Fn(&[f32], &[f32]) -> f64) -> Vec<f64> {
    let rows: Vec<&[f32]> = rows.chunks_exact(width).collect();
    let later = rows.iter().enumerate();
    later
        .flat_map(|(at, a)| rows[at + 1..].iter().map(move |b| (*a, *b)))
        .map(|(a, b)| value(a, b))
        .collect()
}
