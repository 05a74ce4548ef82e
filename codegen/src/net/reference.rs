//! What the generated source computes, in Rust: the same integers, bit for bit.

use super::error::{Error, Result};
use super::fixed::Scaling;
use super::network::{Element, Network, Operation, Step, Weighted, Window};

/// The levels of a network's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// 8 bits each.
    I8(Vec<i8>),
    /// 32 bits each.
    I32(Vec<i32>),
}

impl Output {
    /// The levels as 32-bit numbers.
    pub fn levels(&self) -> Vec<i32> {
        match self {
            Self::I8(levels) => levels.iter().map(|&level| i32::from(level)).collect(),
            Self::I32(levels) => levels.clone(),
        }
    }

    /// The place of the highest level, the first of equal ones.
    pub fn top(&self) -> usize {
        let levels = self.levels();
        (0..levels.len())
            .max_by_key(|&place| (levels[place], std::cmp::Reverse(place)))
            .unwrap_or(0)
    }

    /// Little-endian bytes, as they lie in a microcontroller's memory.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::I8(levels) => levels.iter().map(|level| level.cast_unsigned()).collect(),
            Self::I32(levels) => levels
                .iter()
                .flat_map(|level| level.to_le_bytes())
                .collect(),
        }
    }
}

impl Network {
    /// The answer to `input`: levels in the order of memory.
    pub fn run(&self, input: &[i8]) -> Result<Output> {
        let wanted = self.input().shape.count();
        if input.len() != wanted {
            return Err(Error::Input(format!(
                "the input has {} levels, but the network takes {wanted}; give rows of pixels, the \
                 channels of a pixel together",
                input.len()
            )));
        }
        let mut values: Vec<Vec<i8>> = vec![Vec::new(); self.values.len()];
        values[self.input] = input.to_vec();
        for step in &self.steps {
            if let Operation::Linear(layer) = &step.operation {
                let input = step.inputs[0];
                let zero = i32::from(self.values[input].zero_point);
                return Ok(Output::I32(wide(layer, &values[input], zero)));
            }
            values[step.output] = self.step(step, &values);
        }
        debug_assert_eq!(self.output().element, Element::I8);
        Ok(Output::I8(std::mem::take(&mut values[self.output])))
    }

    fn step(&self, step: &Step, values: &[Vec<i8>]) -> Vec<i8> {
        let zero = |place: usize| i32::from(self.values[step.inputs[place]].zero_point);
        let input = &values[step.inputs[0]];
        let out_zero = i32::from(self.values[step.output].zero_point);
        let bounded =
            |level: i32| (level + out_zero).clamp(i32::from(step.low), i32::from(step.high)) as i8;
        let from_zero = |level: &i8| i32::from(*level) - zero(0);
        match &step.operation {
            Operation::Convolution(layer) => {
                let sums = convolution(layer, input, zero(0));
                scaled(&sums, &layer.scaling, bounded)
            }
            Operation::Depthwise(layer) => {
                let sums = depthwise(layer, input, zero(0));
                scaled(&sums, &layer.scaling, bounded)
            }
            Operation::Linear(_) => unreachable!("answers the whole run"),
            Operation::MaxPool(window) => max_pool(window, input),
            Operation::AveragePool(window, scaling) => {
                let sums = window_sums(window, input, zero(0));
                sums.iter()
                    .map(|&sum| bounded(scaling.apply(sum, 0)))
                    .collect()
            }
            Operation::Add(scaling) => {
                let right = &values[step.inputs[1]];
                let pairs = input.iter().zip(right);
                pairs
                    .map(|(left, right)| {
                        let right = i32::from(*right) - zero(1);
                        let [left_factor, right_factor] =
                            [scaling.multipliers[0], scaling.multipliers[1]];
                        let sum = from_zero(left) * left_factor + right * right_factor;
                        bounded(super::fixed::rescale(sum, 1, scaling.shift))
                    })
                    .collect()
            }
            Operation::ChangeScale(scaling) => {
                let levels = input.iter().map(from_zero);
                levels
                    .map(|level| bounded(scaling.apply(level, 0)))
                    .collect()
            }
        }
    }
}

/// Sums, channels together, to levels.
fn scaled(sums: &[i32], scaling: &Scaling, bounded: impl Fn(i32) -> i8) -> Vec<i8> {
    let channels = scaling.multipliers.len();
    sums.iter()
        .enumerate()
        .map(|(place, &sum)| bounded(scaling.apply(sum, place % channels)))
        .collect()
}

/// Calls `visit` with each output pixel's number, each cell's number and the input pixel's number.
fn cells(window: &Window, mut visit: impl FnMut(usize, usize, usize)) {
    let [height, width] = window.kernel;
    for pixel in 0..window.output.pixels() {
        let (row, column) = (pixel / window.output.width, pixel % window.output.width);
        for cell in 0..height * width {
            let y = window.position(0, row, cell / width);
            let x = window.position(1, column, cell % width);
            if let (Some(y), Some(x)) = (y, x) {
                visit(pixel, cell, y * window.input.width + x);
            }
        }
    }
}

fn convolution(layer: &Weighted, input: &[i8], zero: i32) -> Vec<i32> {
    let (channels, outputs) = (layer.window.input.channels, layer.window.output.channels);
    let (depth, row) = (channels / layer.groups, layer.cells());
    let per_group = outputs / layer.groups;
    let mut sums = layer.biases.repeat(layer.window.output.pixels());
    cells(&layer.window, |pixel, cell, from| {
        let seen = &input[from * channels..(from + 1) * channels];
        for (output, sum) in sums[pixel * outputs..(pixel + 1) * outputs]
            .iter_mut()
            .enumerate()
        {
            let first = output / per_group * depth;
            let weights = &layer.weights[output * row + cell * depth..][..depth];
            for (level, weight) in seen[first..first + depth].iter().zip(weights) {
                *sum += (i32::from(*level) - zero) * i32::from(*weight);
            }
        }
    });
    sums
}

fn depthwise(layer: &Weighted, input: &[i8], zero: i32) -> Vec<i32> {
    let channels = layer.window.input.channels;
    let mut sums = layer.biases.repeat(layer.window.output.pixels());
    cells(&layer.window, |pixel, cell, from| {
        for channel in 0..channels {
            let level = i32::from(input[from * channels + channel]) - zero;
            let weight = i32::from(layer.weights[cell * channels + channel]);
            sums[pixel * channels + channel] += level * weight;
        }
    });
    sums
}

fn wide(layer: &Weighted, input: &[i8], zero: i32) -> Vec<i32> {
    let sums = convolution(layer, input, zero);
    let scaled = sums.iter().enumerate();
    scaled
        .map(|(row, &sum)| layer.scaling.apply(sum, row))
        .collect()
}

fn max_pool(window: &Window, input: &[i8]) -> Vec<i8> {
    let channels = window.input.channels;
    let mut highest = vec![i8::MIN; window.output.count()];
    cells(window, |pixel, _, from| {
        for channel in 0..channels {
            let level = input[from * channels + channel];
            let place = &mut highest[pixel * channels + channel];
            *place = level.max(*place);
        }
    });
    highest
}

fn window_sums(window: &Window, input: &[i8], zero: i32) -> Vec<i32> {
    let channels = window.input.channels;
    let mut sums = vec![0; window.output.count()];
    cells(window, |pixel, _, from| {
        for channel in 0..channels {
            sums[pixel * channels + channel] += i32::from(input[from * channels + channel]) - zero;
        }
    });
    sums
}
