//! Batch normalization over channels of `plane` numbers (Ioffe and Szegedy 2015).

use rayon::prelude::*;

use super::{add, dot, total};

/// Mean and variance of each channel of a batch.
pub(crate) fn statistics(input: &[f32], channels: usize, plane: usize) -> (Vec<f32>, Vec<f32>) {
    let samples = (input.len() / (channels * plane)).max(1);
    let count = (samples * plane) as f32;
    if plane == 1 {
        return rows(input, channels, count);
    }
    (0..channels)
        .into_par_iter()
        .map(|channel| {
            let planes =
                || (0..samples).map(|s| &input[(s * channels + channel) * plane..][..plane]);
            let mean = planes().map(total).sum::<f32>() / count;
            let squares = |values: &[f32]| {
                super::sum(values.iter().map(|v| (v - mean) * (v - mean)), values.len())
            };
            (mean, planes().map(squares).sum::<f32>() / count)
        })
        .unzip()
}

fn rows(input: &[f32], channels: usize, count: f32) -> (Vec<f32>, Vec<f32>) {
    let mut mean = vec![0.0; channels];
    input
        .chunks_exact(channels)
        .for_each(|row| add(&mut mean, row));
    mean.iter_mut().for_each(|m| *m /= count);
    let mut variance = vec![0.0; channels];
    for row in input.chunks_exact(channels) {
        for ((v, x), m) in variance.iter_mut().zip(row).zip(&mean) {
            *v += (x - m) * (x - m);
        }
    }
    variance.iter_mut().for_each(|v| *v /= count);
    (mean, variance)
}

/// Multiplier and shift of each channel, so that the whole is one multiply-and-add.
pub(crate) fn affine(
    scale: &[f32],
    shift: &[f32],
    mean: &[f32],
    variance: &[f32],
    epsilon: f32,
) -> (Vec<f32>, Vec<f32>) {
    let factor = |(s, v): (&f32, &f32)| s / (v + epsilon).sqrt();
    let factors: Vec<f32> = scale.iter().zip(variance).map(factor).collect();
    let offset = |((b, m), f): ((&f32, &f32), &f32)| b - m * f;
    let offsets = shift.iter().zip(mean).zip(&factors).map(offset).collect();
    (factors, offsets)
}

/// `out = input · factor + offset` for each channel.
pub(crate) fn apply(
    input: &[f32],
    factors: &[f32],
    offsets: &[f32],
    plane: usize,
    out: &mut [f32],
) {
    let channels = factors.len();
    let sample = channels * plane;
    let samples = super::share(out.len() / sample) * sample;
    out.par_chunks_mut(samples)
        .zip(input.par_chunks(samples))
        .for_each(|(out, input)| {
            if plane == 1 {
                for (out, input) in out
                    .chunks_exact_mut(channels)
                    .zip(input.chunks_exact(channels))
                {
                    let affine = factors.iter().zip(offsets);
                    for ((o, x), (f, b)) in out.iter_mut().zip(input).zip(affine) {
                        *o = x * f + b;
                    }
                }
                return;
            }
            let planes = out
                .chunks_exact_mut(plane)
                .zip(input.chunks_exact(plane))
                .enumerate();
            for (place, (out, input)) in planes {
                let (f, b) = (factors[place % channels], offsets[place % channels]);
                out.iter_mut().zip(input).for_each(|(o, x)| *o = x * f + b);
            }
        });
}

/// What the backward pass of a normalization by the batch's own statistics needs.
pub(crate) struct Batch<'a> {
    pub(crate) input: &'a [f32],
    pub(crate) scale: &'a [f32],
    pub(crate) mean: &'a [f32],
    pub(crate) variance: &'a [f32],
    pub(crate) epsilon: f32,
    pub(crate) plane: usize,
}

/// Gradients of scale and shift, and of the input where asked for.
pub(crate) fn backward(
    batch: &Batch<'_>,
    out: &[f32],
    scale_gradient: &mut [f32],
    shift_gradient: &mut [f32],
    target: Option<&mut [f32]>,
) {
    let (channels, plane) = (batch.scale.len(), batch.plane);
    let inverse: Vec<f32> = batch
        .variance
        .iter()
        .map(|v| 1.0 / (v + batch.epsilon).sqrt())
        .collect();
    sums(batch, out, &inverse, scale_gradient, shift_gradient);
    let Some(target) = target else { return };
    let count = (out.len() / channels) as f32;
    // dx = γ/σ · (dy − mean(dy) − x̂·mean(dy·x̂)), written as one multiply-and-add of dy and x.
    let mut factors = Vec::with_capacity(channels);
    for c in 0..channels {
        let outer = batch.scale[c] * inverse[c];
        let slope = -outer * inverse[c] * scale_gradient[c] / count;
        let offset = -outer * shift_gradient[c] / count - slope * batch.mean[c];
        factors.push((outer, slope, offset));
    }
    let samples = super::share(out.len() / (channels * plane)) * channels * plane;
    target
        .par_chunks_mut(samples)
        .zip(out.par_chunks(samples).zip(batch.input.par_chunks(samples)))
        .for_each(|(target, (out, input))| {
            if plane == 1 {
                let rows = out.chunks_exact(channels).zip(input.chunks_exact(channels));
                for (target, (out, input)) in target.chunks_exact_mut(channels).zip(rows) {
                    let values = out.iter().zip(input).zip(&factors);
                    for (t, ((dy, x), (outer, slope, offset))) in target.iter_mut().zip(values) {
                        *t = dy * outer + x * slope + offset;
                    }
                }
                return;
            }
            let planes = out
                .chunks_exact(plane)
                .zip(input.chunks_exact(plane))
                .enumerate();
            for (target, (place, (out, input))) in target.chunks_exact_mut(plane).zip(planes) {
                let (outer, slope, offset) = factors[place % channels];
                for ((t, dy), x) in target.iter_mut().zip(out).zip(input) {
                    *t = dy * outer + x * slope + offset;
                }
            }
        });
}

/// Σ dy·x̂ and Σ dy of each channel.
fn sums(
    batch: &Batch<'_>,
    out: &[f32],
    inverse: &[f32],
    scale_gradient: &mut [f32],
    shift_gradient: &mut [f32],
) {
    let (channels, plane) = (inverse.len(), batch.plane);
    if plane == 1 {
        scale_gradient.fill(0.0);
        shift_gradient.fill(0.0);
        for (out, input) in out
            .chunks_exact(channels)
            .zip(batch.input.chunks_exact(channels))
        {
            add(shift_gradient, out);
            let centered = input.iter().zip(batch.mean).map(|(x, m)| x - m);
            for ((s, dy), x) in scale_gradient.iter_mut().zip(out).zip(centered) {
                *s += dy * x;
            }
        }
        scale_gradient
            .iter_mut()
            .zip(inverse)
            .for_each(|(s, i)| *s *= i);
        return;
    }
    scale_gradient
        .par_iter_mut()
        .zip(shift_gradient.par_iter_mut())
        .enumerate()
        .for_each(|(channel, (scale, shift))| {
            let (mut products, mut plain) = (0.0, 0.0);
            for place in (channel..out.len() / plane).step_by(channels) {
                let (out, input) = (
                    &out[place * plane..][..plane],
                    &batch.input[place * plane..],
                );
                products += dot(out, &input[..plane]);
                plain += total(out);
            }
            *shift = plain;
            *scale = (products - plain * batch.mean[channel]) * inverse[channel];
        });
}
