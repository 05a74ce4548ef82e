//! Depthwise convolution: one kernel a channel, as runs of multiply-and-add along rows.

use rayon::prelude::*;

use super::convolution::{Plan, span};
use super::{add, dot, share};

/// A run of pixels that one kernel number meets.
struct Run {
    tap: usize,
    source: usize,
    target: usize,
    length: usize,
}

/// Every run of one channel, in a fixed order.
fn runs(plan: &Plan<'_>) -> Vec<Run> {
    let ([height, width], [down, right]) = (plan.conv.kernel, plan.conv.stride);
    let (input, output, padding) = (plan.input, plan.output, plan.conv.padding);
    let mut runs = Vec::new();
    for ky in 0..height {
        let (first_row, end_row) = span(input.height, output.height, ky, down, padding[0]);
        for kx in 0..width {
            let (start, end) = span(input.width, output.width, kx, right, padding[1]);
            if start == end {
                continue;
            }
            for oy in first_row..end_row {
                let row = oy * down + ky - padding[0];
                runs.push(Run {
                    tap: ky * width + kx,
                    source: row * input.width + start * right + kx - padding[1],
                    target: oy * output.width + start,
                    length: end - start,
                });
            }
        }
    }
    runs
}

/// `out[samples, C·m, windows]`, each input channel with `m` kernels of its own.
pub(crate) fn forward(plan: &Plan<'_>, input: &[f32], weights: &[f32], out: &mut [f32]) {
    let runs = runs(plan);
    let stride = plan.conv.stride[1];
    let (in_plane, out_plane) = (plan.input.plane(), plan.output.plane());
    let (taps, kernels) = (weights.len() / plan.output.channels, plan.output.channels);
    let each = kernels / plan.input.channels;
    out.par_chunks_mut(plan.output.len())
        .zip(input.par_chunks(plan.input.len()))
        .for_each(|(out, input)| {
            for (kernel, out) in out.chunks_exact_mut(out_plane).enumerate() {
                let weights = &weights[kernel * taps..][..taps];
                let input = &input[kernel / each * in_plane..][..in_plane];
                out.fill(0.0);
                for run in &runs {
                    let (weight, source) = (weights[run.tap], &input[run.source..]);
                    let target = &mut out[run.target..][..run.length];
                    if stride == 1 {
                        let pixels = &source[..run.length];
                        target
                            .iter_mut()
                            .zip(pixels)
                            .for_each(|(t, s)| *t += weight * s);
                    } else {
                        let pixels = source.iter().step_by(stride);
                        target
                            .iter_mut()
                            .zip(pixels)
                            .for_each(|(t, s)| *t += weight * s);
                    }
                }
            }
        });
}

/// The gradient of the weights and, where asked for, of the input.
pub(crate) fn backward(
    plan: &Plan<'_>,
    input: &[f32],
    weights: &[f32],
    out_gradient: &[f32],
    weight_gradient: &mut [f32],
    input_gradient: Option<&mut [f32]>,
) {
    let runs = runs(plan);
    let (in_size, out_size) = (plan.input.len(), plan.output.len());
    let samples = share(out_gradient.len() / out_size);
    let sums: Vec<Vec<f32>> = input
        .par_chunks(samples * in_size)
        .zip(out_gradient.par_chunks(samples * out_size))
        .map(|(input, out)| {
            let mut sum = vec![0.0; weights.len()];
            for (input, out) in input.chunks_exact(in_size).zip(out.chunks_exact(out_size)) {
                gather(plan, &runs, input, out, &mut sum);
            }
            sum
        })
        .collect();
    weight_gradient.fill(0.0);
    sums.iter().for_each(|sum| add(weight_gradient, sum));
    if let Some(target) = input_gradient {
        target
            .par_chunks_mut(in_size)
            .zip(out_gradient.par_chunks(out_size))
            .for_each(|(target, out)| scatter(plan, &runs, weights, out, target));
    }
}

fn gather(plan: &Plan<'_>, runs: &[Run], input: &[f32], out: &[f32], sum: &mut [f32]) {
    let stride = plan.conv.stride[1];
    let (in_plane, out_plane) = (plan.input.plane(), plan.output.plane());
    let taps = sum.len() / plan.output.channels;
    let each = plan.output.channels / plan.input.channels;
    for (kernel, out) in out.chunks_exact(out_plane).enumerate() {
        let input = &input[kernel / each * in_plane..][..in_plane];
        let sum = &mut sum[kernel * taps..][..taps];
        for run in runs {
            let (source, out) = (&input[run.source..], &out[run.target..][..run.length]);
            sum[run.tap] += if stride == 1 {
                dot(&source[..run.length], out)
            } else {
                source
                    .iter()
                    .step_by(stride)
                    .zip(out)
                    .map(|(s, o)| s * o)
                    .sum()
            };
        }
    }
}

fn scatter(plan: &Plan<'_>, runs: &[Run], weights: &[f32], out: &[f32], target: &mut [f32]) {
    let stride = plan.conv.stride[1];
    let (in_plane, out_plane) = (plan.input.plane(), plan.output.plane());
    let taps = weights.len() / plan.output.channels;
    let each = plan.output.channels / plan.input.channels;
    target.fill(0.0);
    for (kernel, out) in out.chunks_exact(out_plane).enumerate() {
        let target = &mut target[kernel / each * in_plane..][..in_plane];
        let weights = &weights[kernel * taps..][..taps];
        for run in runs {
            let (weight, out) = (weights[run.tap], &out[run.target..][..run.length]);
            let pixels = &mut target[run.source..];
            if stride == 1 {
                pixels
                    .iter_mut()
                    .zip(out)
                    .for_each(|(t, o)| *t += weight * o);
            } else {
                let pixels = pixels.iter_mut().step_by(stride);
                pixels.zip(out).for_each(|(t, o)| *t += weight * o);
            }
        }
    }
}
