//! Functions of each number, and their gradients.

use rayon::prelude::*;

use crate::layer::Activation;
use crate::weights::{SMALLEST_STEP, round, sign};

/// Numbers of one task; so many that a task costs more than handing it out.
const CHUNK: usize = 1 << 15;

/// The lowest and the highest level of a learned step.
pub(crate) fn levels(bits: u8, signed: bool) -> (f32, f32) {
    if signed {
        let most = ((1i32 << (bits - 1)) - 1) as f32;
        (-most, most)
    } else {
        (0.0, ((1i32 << bits) - 1) as f32)
    }
}

/// `out = function(input)`; `step` is the learned one, where there is one.
pub(crate) fn forward(function: Activation, step: f32, input: &[f32], out: &mut [f32]) {
    match function {
        Activation::Relu => each(input, out, |x| x.max(0.0)),
        Activation::Clip { low, high } => each(input, out, |x| x.max(low).min(high)),
        Activation::Sigmoid => each(input, out, |x| 1.0 / (1.0 + (-x).exp())),
        Activation::HardSigmoid => each(input, out, hard_sigmoid),
        Activation::HardSwish => each(input, out, |x| x * hard_sigmoid(x)),
        Activation::Sign => each(input, out, sign),
        Activation::Levels { bits, limit } => {
            let most = ((1u32 << bits) - 1) as f32;
            let (up, down) = (most / limit, limit / most);
            each(input, out, |x| round(x.max(0.0).min(limit) * up) * down);
        }
        Activation::LearnedStep { bits, signed } => {
            let (low, high) = levels(bits, signed);
            let step = step.max(SMALLEST_STEP);
            let inverse = 1.0 / step;
            each(input, out, |x| {
                round((x * inverse).max(low).min(high)) * step
            });
        }
    }
}

/// `target = gradient of the input` from that of the output. Gives the gradient of the learned
/// step, already scaled for `features` numbers a sample, or 0.
pub(crate) fn backward(
    function: Activation,
    step: f32,
    features: usize,
    input: &[f32],
    gradient: &[f32],
    target: &mut [f32],
) -> f32 {
    let sources = (input, gradient);
    match function {
        Activation::Relu => both(sources, target, |x, g| if x > 0.0 { g } else { 0.0 }),
        Activation::Clip { low, high } => {
            both(
                sources,
                target,
                |x, g| if x > low && x < high { g } else { 0.0 },
            );
        }
        Activation::Sigmoid => both(sources, target, |x, g| {
            let y = 1.0 / (1.0 + (-x).exp());
            g * y * (1.0 - y)
        }),
        Activation::HardSigmoid => {
            both(
                sources,
                target,
                |x, g| if x.abs() < 3.0 { g / 6.0 } else { 0.0 },
            );
        }
        Activation::HardSwish => both(sources, target, |x, g| {
            let inside = if x.abs() < 3.0 { x / 3.0 + 0.5 } else { 0.0 };
            g * if x >= 3.0 { 1.0 } else { inside }
        }),
        Activation::Sign => both(sources, target, |x, g| if x.abs() <= 1.0 { g } else { 0.0 }),
        Activation::Levels { limit, .. } => {
            both(sources, target, |x, g| {
                if x >= 0.0 && x <= limit { g } else { 0.0 }
            });
        }
        Activation::LearnedStep { bits, signed } => {
            let bounds = levels(bits, signed);
            return learned(bounds, step, features, sources, target);
        }
    }
    0.0
}

/// LSQ, equations 3 and 5, with the gradient's scale 1/√(numbers · highest level).
fn learned(
    (low, high): (f32, f32),
    step: f32,
    features: usize,
    (input, gradient): (&[f32], &[f32]),
    target: &mut [f32],
) -> f32 {
    let inverse = 1.0 / step.max(SMALLEST_STEP);
    let sums: Vec<f32> = target
        .par_chunks_mut(CHUNK)
        .zip(input.par_chunks(CHUNK).zip(gradient.par_chunks(CHUNK)))
        .map(|(target, (input, gradient))| {
            let values = input.iter().zip(gradient);
            let terms = target.iter_mut().zip(values).map(|(t, (x, g))| {
                let level = x * inverse;
                let inside = level > low && level < high;
                *t = if inside { *g } else { 0.0 };
                let bound = if level <= low { low } else { high };
                g * if inside { round(level) - level } else { bound }
            });
            crate::kernel::sum(terms, input.len())
        })
        .collect();
    sums.iter().sum::<f32>() / (features as f32 * high).sqrt()
}

fn hard_sigmoid(x: f32) -> f32 {
    (x / 6.0 + 0.5).clamp(0.0, 1.0)
}

fn each(input: &[f32], out: &mut [f32], function: impl Fn(f32) -> f32 + Sync) {
    out.par_chunks_mut(CHUNK)
        .zip(input.par_chunks(CHUNK))
        .for_each(|(out, input)| {
            out.iter_mut()
                .zip(input)
                .for_each(|(o, &x)| *o = function(x));
        });
}

fn both(
    (input, gradient): (&[f32], &[f32]),
    target: &mut [f32],
    function: impl Fn(f32, f32) -> f32 + Sync,
) {
    target
        .par_chunks_mut(CHUNK)
        .zip(input.par_chunks(CHUNK).zip(gradient.par_chunks(CHUNK)))
        .for_each(|(target, (input, gradient))| {
            let values = input.iter().zip(gradient);
            target
                .iter_mut()
                .zip(values)
                .for_each(|(t, (&x, &g))| *t = function(x, g));
        });
}
