//! Windows over channels: the largest number, or the mean of those inside the image.

use rayon::prelude::*;

use super::{add, total};
use crate::layer::Pool;
use crate::shape::Shape;

/// A pool with its sizes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) pool: &'a Pool,
    pub(crate) input: Shape,
    pub(crate) output: Shape,
}

impl Plan<'_> {
    /// Rows and columns of the window at (oy, ox) that lie inside the image.
    fn window(&self, oy: usize, ox: usize) -> [std::ops::Range<usize>; 2] {
        let [height, width] = [self.input.height, self.input.width];
        let side = |place: usize, axis: usize, size: usize| {
            let start = place * self.pool.stride[axis];
            let padding = self.pool.padding[axis];
            let end = (start + self.pool.kernel[axis])
                .saturating_sub(padding)
                .min(size);
            start.saturating_sub(padding).min(size)..end
        };
        [side(oy, 0, height), side(ox, 1, width)]
    }
}

/// The largest number of each window, and where in its channel it stands.
pub(crate) fn max(plan: &Plan<'_>, input: &[f32], out: &mut [f32], places: &mut [u32]) {
    let (in_plane, out_plane) = (plan.input.plane(), plan.output.plane());
    let channels = plan.input.channels;
    out.par_chunks_mut(out_plane * channels)
        .zip(places.par_chunks_mut(out_plane * channels))
        .zip(input.par_chunks(in_plane * channels))
        .for_each(|((out, places), input)| {
            let planes = out
                .chunks_exact_mut(out_plane)
                .zip(places.chunks_exact_mut(out_plane));
            for ((out, places), input) in planes.zip(input.chunks_exact(in_plane)) {
                max_plane(plan, input, out, places);
            }
        });
}

fn max_plane(plan: &Plan<'_>, input: &[f32], out: &mut [f32], places: &mut [u32]) {
    let width = plan.input.width;
    for oy in 0..plan.output.height {
        for ox in 0..plan.output.width {
            let [rows, columns] = plan.window(oy, ox);
            let (mut best, mut place) = (f32::NEG_INFINITY, rows.start * width + columns.start);
            for y in rows {
                for x in columns.clone() {
                    let value = input[y * width + x];
                    if value > best {
                        (best, place) = (value, y * width + x);
                    }
                }
            }
            let target = oy * plan.output.width + ox;
            (out[target], places[target]) = (input[place], place as u32);
        }
    }
}

/// Brings each gradient to the number that was the largest.
pub(crate) fn max_backward(plan: &Plan<'_>, places: &[u32], out: &[f32], target: &mut [f32]) {
    let (in_plane, out_plane) = (plan.input.plane(), plan.output.plane());
    target
        .par_chunks_mut(in_plane)
        .zip(out.par_chunks(out_plane).zip(places.par_chunks(out_plane)))
        .for_each(|(target, (out, places))| {
            target.fill(0.0);
            for (&gradient, &place) in out.iter().zip(places) {
                target[place as usize] += gradient;
            }
        });
}

/// The mean of each window's numbers inside the image.
pub(crate) fn average(plan: &Plan<'_>, input: &[f32], out: &mut [f32]) {
    let (in_plane, out_plane) = (plan.input.plane(), plan.output.plane());
    let width = plan.input.width;
    out.par_chunks_mut(out_plane)
        .zip(input.par_chunks(in_plane))
        .for_each(|(out, input)| {
            for (place, out) in out.iter_mut().enumerate() {
                let [rows, columns] =
                    plan.window(place / plan.output.width, place % plan.output.width);
                let count = (rows.len() * columns.len()).max(1) as f32;
                let row = |y: usize| input[y * width..][columns.clone()].iter().sum::<f32>();
                *out = rows.map(row).sum::<f32>() / count;
            }
        });
}

/// Shares each gradient among the numbers of its window.
pub(crate) fn average_backward(plan: &Plan<'_>, out: &[f32], target: &mut [f32]) {
    let (in_plane, out_plane) = (plan.input.plane(), plan.output.plane());
    let width = plan.input.width;
    target
        .par_chunks_mut(in_plane)
        .zip(out.par_chunks(out_plane))
        .for_each(|(target, out)| {
            target.fill(0.0);
            for (place, gradient) in out.iter().enumerate() {
                let [rows, columns] =
                    plan.window(place / plan.output.width, place % plan.output.width);
                let share = gradient / (rows.len() * columns.len()).max(1) as f32;
                for y in rows {
                    target[y * width..][columns.clone()]
                        .iter_mut()
                        .for_each(|t| *t += share);
                }
            }
        });
}

/// The mean of each channel of `plane` numbers.
pub(crate) fn global(input: &[f32], plane: usize, out: &mut [f32]) {
    for (out, input) in out.iter_mut().zip(input.chunks_exact(plane)) {
        *out = total(input) / plane as f32;
    }
}

/// Shares each gradient among its channel.
pub(crate) fn global_backward(out: &[f32], plane: usize, target: &mut [f32]) {
    for (gradient, target) in out.iter().zip(target.chunks_exact_mut(plane)) {
        target.fill(gradient / plane as f32);
    }
}

/// `out = left · right`, where the right has one number a channel of `plane` numbers.
pub(crate) fn scale(left: &[f32], right: &[f32], out: &mut [f32]) {
    let plane = left.len() / right.len();
    let channels = left.chunks_exact(plane).zip(right);
    for (out, (left, &right)) in out.chunks_exact_mut(plane).zip(channels) {
        out.iter_mut().zip(left).for_each(|(o, l)| *o = l * right);
    }
}

/// The gradient of [`scale`]'s right side.
pub(crate) fn scale_backward(left: &[f32], out: &[f32], target: &mut [f32]) {
    let plane = left.len() / target.len();
    let channels = left.chunks_exact(plane).zip(out.chunks_exact(plane));
    for (target, (left, out)) in target.iter_mut().zip(channels) {
        *target = super::dot(left, out);
    }
}

/// Multiplies each channel of `plane` numbers by its scale.
pub(crate) fn scale_channels(out: &mut [f32], scales: &[f32], plane: usize) {
    for (place, out) in out.chunks_exact_mut(plane).enumerate() {
        let scale = scales[place % scales.len()];
        out.iter_mut().for_each(|o| *o *= scale);
    }
}

/// Adds a bias a channel of `plane` numbers.
pub(crate) fn add_bias(out: &mut [f32], bias: &[f32], plane: usize) {
    if plane == 1 {
        out.chunks_exact_mut(bias.len())
            .for_each(|row| add(row, bias));
        return;
    }
    for (place, out) in out.chunks_exact_mut(plane).enumerate() {
        let shift = bias[place % bias.len()];
        out.iter_mut().for_each(|o| *o += shift);
    }
}

/// The gradient of a bias: the sum over samples and pixels.
pub(crate) fn bias_gradient(out: &[f32], plane: usize, gradient: &mut [f32]) {
    gradient.fill(0.0);
    if plane == 1 {
        out.chunks_exact(gradient.len())
            .for_each(|row| add(gradient, row));
        return;
    }
    let channels = gradient.len();
    for (place, out) in out.chunks_exact(plane).enumerate() {
        gradient[place % channels] += total(out);
    }
}
