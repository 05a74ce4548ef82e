//! Weights as integers with a scale for each output channel or one for all, and biases to match.

use rayon::prelude::*;

use super::bits::{Bits, Granularity};

/// Shares of the largest weight that are tried as the end of the range, and the least.
const STEPS: usize = 40;
const NARROWEST: f32 = 0.5;

/// Highest magnitude of a 32-bit bias that is allowed, with room for the sum it is added to.
const BIAS_LIMIT: f64 = 1_073_741_824.0;

/// Smallest step of a weight, far above the numbers that lose precision.
pub(super) const SMALLEST: f32 = 1e-30;

/// A weight as rows of one output channel each.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rows {
    /// Row-major, a row for each output channel.
    pub(super) values: Vec<f32>,
    /// Number of rows.
    pub(super) rows: usize,
}

impl Rows {
    /// The rows; each of the same length, at least one value.
    pub(super) fn iter(&self) -> std::slice::Chunks<'_, f32> {
        self.values
            .chunks((self.values.len() / self.rows.max(1)).max(1))
    }
}

/// How the end of a weight's range is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightRange {
    /// The largest magnitude of the channel.
    Largest,
    /// Where the mean squared error of the channel's rounded weights is least.
    LeastError,
}

/// Integer weights with their scales.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Quantized {
    /// Rows as they were.
    pub(super) levels: Vec<i8>,
    /// The step of each row.
    pub(super) scales: Vec<f32>,
}

/// How the steps of a weight are found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps {
    pub(super) range: WeightRange,
    pub(super) bits: Bits,
    pub(super) granularity: Granularity,
}

/// The step of each row; the same for all where all weights share one.
pub(super) fn row_scales(weight: &Rows, steps: Steps) -> Vec<f32> {
    let limit = steps.bits.magnitude();
    match steps.granularity {
        Granularity::Tensor => vec![row_scale(&weight.values, steps.range, limit); weight.rows],
        Granularity::Channel => weight
            .iter()
            .collect::<Vec<_>>()
            .par_iter()
            .map(|row| row_scale(row, steps.range, limit))
            .collect(),
    }
}

/// The nearest levels of each row.
pub(super) fn nearest(weight: &Rows, scales: &[f32], bits: Bits) -> Vec<i8> {
    let limit = bits.magnitude();
    let rows = weight.iter().zip(scales);
    rows.flat_map(|(values, &scale)| {
        let scale = scale.max(SMALLEST);
        values.iter().map(move |&value| level(value, scale, limit))
    })
    .collect()
}

/// The given levels; a row whose bias (in units of the output) would not fit into 32 bits gets a
/// larger scale and is rounded anew.
pub(super) fn quantize(
    weight: &Rows,
    scales: &[f32],
    levels: &[i8],
    biases: &[f32],
    input_scale: f32,
    steps: Steps,
) -> Quantized {
    let limit = steps.bits.magnitude();
    let least = |bias: f32| (f64::from(bias.abs()) / (f64::from(input_scale) * BIAS_LIMIT)) as f32;
    let shared = match steps.granularity {
        Granularity::Tensor => biases.iter().map(|&bias| least(bias)).fold(0.0, f32::max),
        Granularity::Channel => 0.0,
    };
    let mut quantized = Quantized {
        levels: levels.to_vec(),
        scales: Vec::with_capacity(scales.len()),
    };
    let length = weight.values.len() / weight.rows.max(1);
    for (row, (values, &scale)) in weight.iter().zip(scales).enumerate() {
        let own = biases.get(row).map_or(0.0, |&bias| least(bias));
        let enough = scale.max(own).max(shared).max(SMALLEST);
        if enough > scale {
            let own = &mut quantized.levels[row * length..(row + 1) * length];
            for (level_of, &value) in own.iter_mut().zip(values) {
                *level_of = level(value, enough, limit);
            }
        }
        quantized.scales.push(enough);
    }
    quantized
}

pub(super) fn level(value: f32, scale: f32, limit: f32) -> i8 {
    (value / scale).round_ties_even().clamp(-limit, limit) as i8
}

fn row_scale(values: &[f32], range: WeightRange, limit: f32) -> f32 {
    let largest = values
        .iter()
        .fold(0f32, |largest, value| largest.max(value.abs()));
    let whole = largest / limit;
    if range == WeightRange::Largest || largest == 0.0 {
        return whole;
    }
    let error = |scale: f32| -> f64 {
        let difference =
            |value: f32| f64::from(value - f32::from(level(value, scale, limit)) * scale);
        values.iter().map(|&value| difference(value).powi(2)).sum()
    };
    let mut best = (whole, error(whole));
    for step in 1..=STEPS {
        let scale = whole * (1.0 - (1.0 - NARROWEST) * step as f32 / STEPS as f32);
        let found = error(scale);
        if found < best.1 {
            best = (scale, found);
        }
    }
    best.0
}

/// Biases as 32-bit integers in steps of input scale times weight scale.
pub(super) fn quantize_biases(biases: &[f32], steps: &[f32]) -> Vec<i32> {
    biases
        .iter()
        .zip(steps)
        .map(|(&bias, &step)| (f64::from(bias) / f64::from(step)).round_ties_even() as i32)
        .collect()
}

/// The mean of each column of each group's rows, where a column is an input channel at a place
/// of the window; borders are neglected. `length` numbers a row.
pub(super) fn column_means(channel_means: &[f64], length: usize, groups: usize) -> Vec<f64> {
    let per_group = (channel_means.len() / groups.max(1)).max(1);
    let pixels = (length / per_group).max(1);
    (0..groups * length)
        .map(|place| {
            let channel = place / length * per_group + place % length / pixels;
            channel_means.get(channel).copied().unwrap_or(0.0)
        })
        .collect()
}

/// How much the mean of each output changes because of the rounding, given the mean of each
/// column of each group's rows.
pub(super) fn mean_shifts(
    weight: &Rows,
    levels: &[i8],
    scales: &[f32],
    means: &[f64],
    groups: usize,
) -> Vec<f64> {
    let length = weight.values.len() / weight.rows.max(1);
    let rows_per_group = (weight.rows / groups.max(1)).max(1);
    weight
        .iter()
        .enumerate()
        .map(|(row, values)| {
            let first = row / rows_per_group * length;
            let means = means.get(first..first + length).unwrap_or_default();
            let levels = &levels[row * length..(row + 1) * length];
            let scale = f64::from(scales[row]);
            let errors = values
                .iter()
                .zip(levels)
                .map(|(&value, &level)| f64::from(level) * scale - f64::from(value));
            errors.zip(means).map(|(error, mean)| error * mean).sum()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEIGHT: [f32; 8] = [1.0, -0.5, 0.25, 0.0, 0.001, 0.002, -0.003, 0.0005];

    fn rows() -> Rows {
        Rows {
            values: WEIGHT.to_vec(),
            rows: 2,
        }
    }

    fn steps(range: WeightRange, bits: Bits) -> Steps {
        Steps {
            range,
            bits,
            granularity: Granularity::Channel,
        }
    }

    fn rounded(rows: &Rows, steps: Steps, biases: &[f32], input_scale: f32) -> Quantized {
        let scales = row_scales(rows, steps);
        let levels = nearest(rows, &scales, steps.bits);
        quantize(rows, &scales, &levels, biases, input_scale, steps)
    }

    fn made(rows: &Rows, range: WeightRange) -> Quantized {
        rounded(rows, steps(range, Bits::EIGHT), &[], 1.0)
    }

    #[test]
    fn each_row_has_its_own_scale() {
        let made = made(&rows(), WeightRange::Largest);
        assert_eq!(made.levels[0], 127);
        assert_eq!(made.levels[6], -127);
        for (row, values) in rows().iter().enumerate() {
            for (place, &value) in values.iter().enumerate() {
                let back = f32::from(made.levels[row * 4 + place]) * made.scales[row];
                assert!((back - value).abs() <= made.scales[row] / 2.0 + 1e-7);
            }
        }
    }

    #[test]
    fn seven_bits_use_half_the_levels() {
        let made = rounded(&rows(), steps(WeightRange::Largest, Bits::SEVEN), &[], 1.0);
        assert_eq!((made.levels[0], made.levels[6]), (63, -63));
    }

    #[test]
    fn a_large_bias_of_a_dead_channel_fits_into_its_integer() {
        let dead = Rows {
            values: vec![0.0; 4],
            rows: 1,
        };
        let steps_of = steps(WeightRange::Largest, Bits::SEVEN);
        let made = rounded(&dead, steps_of, &[3.0], 0.02);
        let steps: Vec<f32> = made.scales.iter().map(|scale| scale * 0.02).collect();
        let bias = quantize_biases(&[3.0], &steps)[0];
        assert!((f64::from(bias) * f64::from(steps[0]) - 3.0).abs() < 1e-3);
    }

    #[test]
    fn one_scale_for_all_is_the_largest_rows() {
        let shared = Steps {
            granularity: Granularity::Tensor,
            ..steps(WeightRange::Largest, Bits::FOUR)
        };
        assert_eq!(row_scales(&rows(), shared), [1.0 / 7.0; 2]);
        let made = rounded(&rows(), shared, &[], 1.0);
        assert_eq!(made.levels[4..], [0; 4]);
    }

    #[test]
    fn the_least_error_is_no_greater() {
        let error = |range| -> f32 {
            let made = made(&rows(), range);
            let back = made.levels.iter().enumerate();
            back.map(|(at, &level)| (WEIGHT[at] - f32::from(level) * made.scales[at / 4]).powi(2))
                .sum()
        };
        assert!(error(WeightRange::LeastError) <= error(WeightRange::Largest));
    }

    #[test]
    fn mean_shifts_are_the_errors_of_constant_inputs() {
        let made = made(&rows(), WeightRange::Largest);
        let shifts = {
            let means = column_means(&[2.0, 3.0], 4, 1);
            mean_shifts(&rows(), &made.levels, &made.scales, &means, 1)
        };
        let expected: f64 = (0..4)
            .map(|at| {
                let back = f64::from(made.levels[at]) * f64::from(made.scales[0]);
                (back - f64::from(WEIGHT[at])) * if at < 2 { 2.0 } else { 3.0 }
            })
            .sum();
        assert!((shifts[0] - expected).abs() < 1e-9);
    }
}
