//! How real weights are seen by the forward pass, and how the gradient comes back to them.
//!
//! The optimizer keeps real numbers; the network computes with what [`see`] makes of them. The
//! gradient goes straight through the rounding.

use serde::{Deserialize, Serialize};

use crate::kernel;
use crate::random::Random;

/// A step that shrank to nothing would divide by zero.
pub(crate) const SMALLEST_STEP: f32 = 1e-8;

/// The view of a layer's weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weights {
    /// As they are.
    #[default]
    Float,
    /// Their sign, sign(0) = +1 (Courbariaux et al. 2015, BinaryConnect, 2.3). Real weights are
    /// kept in −1..1.
    Sign,
    /// Their sign times the mean magnitude of the output channel (Rastegari et al. 2016,
    /// XNOR-Net, 3.1).
    ScaledSign,
    /// Whole steps, one learned step an output channel (Esser et al. 2020, LSQ, 2.1).
    LearnedStep {
        /// 2 to 8.
        bits: u8,
    },
}

impl Weights {
    /// The lowest and highest whole step; symmetric, so that no weight is its own exception.
    pub(crate) fn steps(bits: u8) -> f32 {
        ((1i32 << (bits - 1)) - 1) as f32
    }

    /// Whether real weights beyond −1..1 would never change their sign again.
    pub(crate) const fn is_binary(self) -> bool {
        matches!(self, Self::Sign | Self::ScaledSign)
    }
}

/// Rounds to the nearest whole number, halves to even, for |x| < 2²²: what `QuantizeLinear` does,
/// in two additions that vectorize.
pub(crate) fn round(value: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0;
    (value + MAGIC) - MAGIC
}

/// +1 for zero and above, else −1.
pub(crate) fn sign(value: f32) -> f32 {
    if value >= 0.0 { 1.0 } else { -1.0 }
}

/// The first step of a channel: covers its weights as LSQ (2.1) proposes, 2·mean|w|/√steps.
pub(crate) fn first_step(weights: &[f32], steps: f32) -> f32 {
    let mean = weights.iter().map(|w| w.abs()).sum::<f32>() / weights.len().max(1) as f32;
    (2.0 * mean / steps.sqrt()).max(1e-6)
}

/// What the forward pass computes with, for `[outputs, …]` weights and `[outputs]` steps.
pub(crate) fn see(mode: Weights, real: &[f32], steps: &[f32], outputs: usize, seen: &mut [f32]) {
    let row = real.len() / outputs.max(1);
    match mode {
        Weights::Float => seen.copy_from_slice(real),
        Weights::Sign => seen.iter_mut().zip(real).for_each(|(s, &w)| *s = sign(w)),
        Weights::ScaledSign => {
            for (seen, real) in seen.chunks_exact_mut(row).zip(real.chunks_exact(row)) {
                let scale = mean_magnitude(real);
                seen.iter_mut()
                    .zip(real)
                    .for_each(|(s, &w)| *s = sign(w) * scale);
            }
        }
        Weights::LearnedStep { bits } => {
            let most = Weights::steps(bits);
            let rows = seen.chunks_exact_mut(row).zip(real.chunks_exact(row));
            for ((seen, real), &step) in rows.zip(steps) {
                let (step, inverse) = (step.max(SMALLEST_STEP), 1.0 / step.max(SMALLEST_STEP));
                for (s, &w) in seen.iter_mut().zip(real) {
                    *s = round((w * inverse).clamp(-most, most)) * step;
                }
            }
        }
    }
}

/// The whole numbers that the forward pass computes with before [`scales`] are multiplied in.
pub(crate) fn whole(mode: Weights, real: &[f32], steps: &[f32], outputs: usize, seen: &mut [f32]) {
    match mode {
        Weights::Float => see(mode, real, steps, outputs, seen),
        Weights::Sign | Weights::ScaledSign => see(Weights::Sign, real, steps, outputs, seen),
        Weights::LearnedStep { bits } => {
            let (row, most) = (real.len() / outputs.max(1), Weights::steps(bits));
            let rows = seen.chunks_exact_mut(row).zip(real.chunks_exact(row));
            for ((seen, real), &step) in rows.zip(steps) {
                let inverse = 1.0 / step.max(SMALLEST_STEP);
                for (s, &w) in seen.iter_mut().zip(real) {
                    *s = round((w * inverse).clamp(-most, most));
                }
            }
        }
    }
}

/// What a whole number of each output's weights stands for.
pub(crate) fn scales(mode: Weights, real: &[f32], steps: &[f32], outputs: usize) -> Vec<f32> {
    match mode {
        Weights::Float | Weights::Sign => vec![1.0; outputs],
        Weights::ScaledSign => real
            .chunks_exact((real.len() / outputs.max(1)).max(1))
            .map(mean_magnitude)
            .collect(),
        Weights::LearnedStep { .. } => steps.iter().map(|step| step.max(SMALLEST_STEP)).collect(),
    }
}

/// Draws a sign for each weight, +1 with the probability (w + 1)/2 (BinaryConnect, equations 2
/// and 3).
pub(crate) fn draw(real: &[f32], random: &mut Random, seen: &mut [f32]) {
    for (s, &w) in seen.iter_mut().zip(real) {
        *s = if random.unit() < f32::midpoint(w, 1.0) {
            1.0
        } else {
            -1.0
        };
    }
}

/// The mean magnitude of a channel's weights.
pub(crate) fn mean_magnitude(weights: &[f32]) -> f32 {
    kernel::sum(weights.iter().map(|w| w.abs()), weights.len()) / weights.len().max(1) as f32
}

/// Turns the gradient of the seen weights into that of the real ones, in place, and writes that of
/// the steps.
pub(crate) fn unsee(
    mode: Weights,
    real: &[f32],
    steps: &[f32],
    outputs: usize,
    gradient: &mut [f32],
    step_gradient: &mut [f32],
) {
    let row = real.len() / outputs.max(1);
    match mode {
        Weights::Float | Weights::Sign => {}
        // W̃ᵢ = α·sign(wᵢ) with α = mean|w|: both factors depend on wᵢ (Rastegari, 3.1, eq. 11).
        Weights::ScaledSign => {
            for (gradient, real) in gradient.chunks_exact_mut(row).zip(real.chunks_exact(row)) {
                let scale = mean_magnitude(real);
                let signed = gradient.iter().zip(real).map(|(g, &w)| g * sign(w));
                let shared = kernel::sum(signed, row) / row as f32;
                for (g, &w) in gradient.iter_mut().zip(real) {
                    *g = *g * scale + shared * sign(w);
                }
            }
        }
        Weights::LearnedStep { bits } => {
            let most = Weights::steps(bits);
            let scale = 1.0 / (row as f32 * most).sqrt();
            let rows = gradient.chunks_exact_mut(row).zip(real.chunks_exact(row));
            for (((gradient, real), &step), sum) in rows.zip(steps).zip(step_gradient) {
                let inverse = 1.0 / step.max(SMALLEST_STEP);
                let mut total = 0.0;
                for (g, &w) in gradient.iter_mut().zip(real) {
                    let level = w * inverse;
                    if level.abs() < most {
                        total += *g * (round(level) - level);
                    } else {
                        total += *g * most.copysign(level);
                        *g = 0.0;
                    }
                }
                *sum = total * scale;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_to_even_like_onnx() {
        for (value, rounded) in [
            (0.5, 0.0),
            (1.5, 2.0),
            (-2.5, -2.0),
            (2.49, 2.0),
            (-0.6, -1.0),
        ] {
            assert_eq!(round(value), rounded, "{value}");
        }
    }

    #[test]
    fn drawn_signs_are_right_in_the_mean() {
        let real = [-1.5f32, -1.0, -0.5, 0.0, 0.7, 1.0];
        let (mut sums, mut random) = ([0.0f32; 6], Random::new(3));
        for _ in 0..4000 {
            let mut seen = [0.0; 6];
            draw(&real, &mut random, &mut seen);
            sums.iter_mut().zip(seen).for_each(|(sum, s)| *sum += s);
        }
        for (sum, w) in sums.iter().zip(real) {
            let (mean, wanted) = (sum / 4000.0, w.clamp(-1.0, 1.0));
            assert!((mean - wanted).abs() < 0.06, "{w}: {mean}");
        }
    }

    #[test]
    fn zero_is_seen_as_plus_one() {
        let mut seen = [0.0; 4];
        see(Weights::Sign, &[0.0, -0.0, 0.3, -0.3], &[], 1, &mut seen);
        assert_eq!(seen, [1.0, 1.0, 1.0, -1.0]);
        see(
            Weights::ScaledSign,
            &[0.5, -0.5, 0.2, -0.4],
            &[],
            2,
            &mut seen,
        );
        assert_eq!(seen, [0.5, -0.5, 0.3, -0.3]);
    }

    /// The gradient of Σ cᵢ·W̃ᵢ against differences, where the view is differentiable.
    #[test]
    fn the_scale_of_signs_has_its_gradient() {
        let real = [0.5f32, -0.7, 0.2, -0.4, 0.9, -0.1];
        let factors = [1.0f32, -2.0, 0.5, 0.25, -1.0, 3.0];
        let value = |real: &[f32]| {
            let mut seen = [0.0; 6];
            see(Weights::ScaledSign, real, &[], 2, &mut seen);
            seen.iter().zip(factors).map(|(s, f)| s * f).sum::<f32>()
        };
        let mut gradient = factors;
        unsee(Weights::ScaledSign, &real, &[], 2, &mut gradient, &mut []);
        for place in 0..6 {
            let mut moved = real;
            moved[place] += 1e-2;
            let slope = (value(&moved) - value(&real)) / 1e-2;
            // The straight-through part, scale · factor, is not in the true slope.
            let scale = real[place / 3 * 3..][..3]
                .iter()
                .map(|w| w.abs())
                .sum::<f32>()
                / 3.0;
            let through = gradient[place] - scale * factors[place];
            assert!((through - slope).abs() < 1e-3, "{place}: {through} {slope}");
        }
    }

    #[test]
    fn a_learned_step_has_its_gradient() {
        let real = [0.11f32, -0.26, 0.9, -0.34];
        let mut gradient = [1.0f32; 4];
        let mut step = [0.0];
        unsee(
            Weights::LearnedStep { bits: 3 },
            &real,
            &[0.1],
            1,
            &mut gradient,
            &mut step,
        );
        assert_eq!(gradient, [1.0, 1.0, 0.0, 0.0]);
        // (1 − 1.1) + (−3 + 2.6) + 3 − 3, over √(4·3).
        assert!(
            (step[0] - (-0.5 / 12f32.sqrt())).abs() < 1e-5,
            "{}",
            step[0]
        );
    }
}
