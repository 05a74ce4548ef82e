//! Convolution as a product: the windows of one sample become columns, the kernels are rows.

use rayon::prelude::*;

use super::matrix::{Threads, View, multiply};
use super::{add, share};
use crate::layer::Conv;
use crate::shape::Shape;

/// A convolution with its sizes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) conv: &'a Conv,
    pub(crate) input: Shape,
    pub(crate) output: Shape,
}

impl Plan<'_> {
    /// Numbers of one group's windows: kernel numbers × windows.
    fn window(&self) -> (usize, usize) {
        let [height, width] = self.conv.kernel;
        let channels = self.input.channels / self.conv.groups;
        (channels * height * width, self.output.plane())
    }

    /// Whether a window is one pixel, so that the sample is its own matrix of columns.
    fn is_pointwise(&self) -> bool {
        self.conv.kernel == [1, 1] && self.conv.stride == [1, 1] && self.conv.padding == [0; 4]
    }

    /// Output columns whose pixel at kernel column `kx` lies inside the image.
    fn columns(&self, kx: usize) -> (usize, usize) {
        span(
            self.input.width,
            self.output.width,
            kx,
            self.conv.stride[1],
            self.conv.padding[1],
        )
    }

    /// The image row under output row `oy` at kernel row `ky`, if it is inside.
    fn row(&self, oy: usize, ky: usize) -> Option<usize> {
        let row = oy * self.conv.stride[0] + ky;
        row.checked_sub(self.conv.padding[0])
            .filter(|&row| row < self.input.height)
    }

    /// Calls `visit(row of the matrix, image row, first column, end column, oy)` for every run of
    /// pixels; `oy` without an image row is all border.
    fn each_row(&self, mut visit: impl FnMut(usize, Option<usize>, usize, usize, usize)) {
        let [height, width] = self.conv.kernel;
        for ky in 0..height {
            for kx in 0..width {
                let (start, end) = self.columns(kx);
                for oy in 0..self.output.height {
                    visit(ky * width + kx, self.row(oy, ky), start, end, oy);
                }
            }
        }
    }
}

/// Places in an axis whose pixel is inside: start..end.
pub(crate) fn span(
    input: usize,
    output: usize,
    offset: usize,
    stride: usize,
    padding: usize,
) -> (usize, usize) {
    let start = padding.saturating_sub(offset).div_ceil(stride).min(output);
    let last = (input + padding).saturating_sub(offset);
    let end = last.div_ceil(stride).min(output);
    (start, end.max(start))
}

/// Writes the windows of one group of one sample: `columns[c·k + y·w + x][window]`.
fn unfold(plan: &Plan<'_>, image: &[f32], columns: &mut [f32]) {
    let (plane, windows) = (plan.input.plane(), plan.output.plane());
    let taps = plan.conv.kernel[0] * plan.conv.kernel[1];
    let (width, out_width, stride) = (plan.input.width, plan.output.width, plan.conv.stride[1]);
    let kernel_width = plan.conv.kernel[1];
    for (image, columns) in image
        .chunks_exact(plane)
        .zip(columns.chunks_exact_mut(taps * windows))
    {
        plan.each_row(|tap, row, start, end, oy| {
            let target = &mut columns[tap * windows + oy * out_width..][..out_width];
            let Some(row) = row else {
                target.fill(0.0);
                return;
            };
            target[..start].fill(0.0);
            target[end..].fill(0.0);
            if start == end {
                return;
            }
            let first = start * stride + tap % kernel_width - plan.conv.padding[1];
            let source = &image[row * width + first..(row + 1) * width];
            let target = &mut target[start..end];
            if stride == 1 {
                target.copy_from_slice(&source[..target.len()]);
            } else {
                let pixels = source.iter().step_by(stride);
                target.iter_mut().zip(pixels).for_each(|(t, s)| *t = *s);
            }
        });
    }
}

/// Adds the columns back to the pixels that they came from.
fn fold(plan: &Plan<'_>, columns: &[f32], image: &mut [f32]) {
    let (plane, windows) = (plan.input.plane(), plan.output.plane());
    let taps = plan.conv.kernel[0] * plan.conv.kernel[1];
    let (width, out_width, stride) = (plan.input.width, plan.output.width, plan.conv.stride[1]);
    let kernel_width = plan.conv.kernel[1];
    for (image, columns) in image
        .chunks_exact_mut(plane)
        .zip(columns.chunks_exact(taps * windows))
    {
        plan.each_row(|tap, row, start, end, oy| {
            let Some(row) = row.filter(|_| start < end) else {
                return;
            };
            let source = &columns[tap * windows + oy * out_width..][start..end];
            let first = start * stride + tap % kernel_width - plan.conv.padding[1];
            let target = &mut image[row * width + first..(row + 1) * width];
            if stride == 1 {
                add(&mut target[..source.len()], source);
            } else {
                let pixels = target.iter_mut().step_by(stride);
                pixels.zip(source).for_each(|(t, s)| *t += s);
            }
        });
    }
}

/// `out[samples, O, windows]` from `input` and `weights[O, I/groups, kernel]`.
pub(crate) fn forward(plan: &Plan<'_>, input: &[f32], weights: &[f32], out: &mut [f32]) {
    let (depth, windows) = plan.window();
    let groups = plan.conv.groups;
    let (in_size, out_size) = (plan.input.len(), plan.output.len());
    let samples = share(out.len() / out_size);
    let tasks = out
        .par_chunks_mut(samples * out_size)
        .zip(input.par_chunks(samples * in_size));
    tasks.for_each(|(out, input)| {
        let mut columns = vec![
            0.0;
            if plan.is_pointwise() {
                0
            } else {
                depth * windows
            }
        ];
        for (out, input) in out
            .chunks_exact_mut(out_size)
            .zip(input.chunks_exact(in_size))
        {
            let parts = out.chunks_exact_mut(out_size / groups).zip(
                input
                    .chunks_exact(in_size / groups)
                    .zip(weights.chunks_exact(weights.len() / groups)),
            );
            for (out, (input, weights)) in parts {
                let kernels = View::new(weights, plan.output.channels / groups, depth);
                if !plan.is_pointwise() {
                    unfold(plan, input, &mut columns);
                }
                let source = if plan.is_pointwise() { input } else { &columns };
                multiply(
                    out,
                    kernels,
                    View::new(source, depth, windows),
                    false,
                    Threads::One,
                );
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
    let (in_size, out_size) = (plan.input.len(), plan.output.len());
    let samples = share(out_gradient.len() / out_size);
    let sources = input
        .par_chunks(samples * in_size)
        .zip(out_gradient.par_chunks(samples * out_size));
    let task = |input: &[f32], out: &[f32], target: Option<&mut [f32]>| {
        let mut sum = vec![0.0; weights.len()];
        part(plan, input, weights, out, &mut sum, target);
        sum
    };
    let sums: Vec<Vec<f32>> = match input_gradient {
        Some(target) => sources
            .zip(target.par_chunks_mut(samples * in_size))
            .map(|((input, out), target)| task(input, out, Some(target)))
            .collect(),
        None => sources.map(|(input, out)| task(input, out, None)).collect(),
    };
    weight_gradient.fill(0.0);
    sums.iter().for_each(|sum| add(weight_gradient, sum));
}

fn part(
    plan: &Plan<'_>,
    input: &[f32],
    weights: &[f32],
    out: &[f32],
    sum: &mut [f32],
    mut target: Option<&mut [f32]>,
) {
    let (depth, windows) = plan.window();
    let groups = plan.conv.groups;
    let (in_size, out_size) = (plan.input.len() / groups, plan.output.len() / groups);
    let (outputs, weight_size) = (plan.output.channels / groups, weights.len() / groups);
    let pointwise = plan.is_pointwise();
    let mut columns = vec![0.0; if pointwise { 0 } else { depth * windows }];
    let pieces = input
        .chunks_exact(in_size)
        .zip(out.chunks_exact(out_size))
        .enumerate();
    for (place, (input, out)) in pieces {
        let group = place % groups;
        let kernels = View::new(
            &weights[group * weight_size..][..weight_size],
            outputs,
            depth,
        );
        let out = View::new(out, outputs, windows);
        if !pointwise {
            unfold(plan, input, &mut columns);
        }
        let source = View::new(if pointwise { input } else { &columns }, depth, windows);
        let sum = &mut sum[group * weight_size..][..weight_size];
        multiply(sum, out, source.transposed(), true, Threads::One);
        let Some(target) = target.as_deref_mut() else {
            continue;
        };
        let target = &mut target[place * in_size..][..in_size];
        if pointwise {
            multiply(target, kernels.transposed(), out, false, Threads::One);
        } else {
            multiply(&mut columns, kernels.transposed(), out, false, Threads::One);
            target.fill(0.0);
            fold(plan, &columns, target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_keep_inside_the_image() {
        assert_eq!(span(5, 5, 0, 1, 1), (1, 5));
        assert_eq!(span(5, 5, 2, 1, 1), (0, 4));
        assert_eq!(span(6, 3, 0, 2, 1), (1, 3));
        assert_eq!(span(6, 3, 2, 2, 1), (0, 3));
        assert_eq!(span(2, 4, 5, 1, 3), (0, 0));
    }
}
