//! What the trainers by gradient share: numbers of mean 0 and deviation 1, batches, Adam.

use rayon::prelude::*;

use crate::random::Random;
use crate::table::Table;

/// Parts of a batch, each summed by one thread. Fixed, so that the order of additions, and with
/// it every bit of the result, is the same for any number of threads.
const PARTS: usize = 4;

/// Rows of mean 0 and deviation about 1, and how they came about.
#[derive(Debug, Clone)]
pub(crate) struct Standardized {
    pub columns: usize,
    pub values: Vec<f32>,
    /// What each column was less by.
    pub means: Vec<f32>,
    /// What it was multiplied by; 0 for a constant column, which so has no say.
    pub factors: Vec<f32>,
}

impl Standardized {
    /// `damping` is added to each deviation, as a share of the largest: without it pixels at the
    /// border that are almost never set would be as loud as those in the middle.
    pub(crate) fn new(table: &Table, damping: f32) -> Self {
        let (columns, count) = (table.columns(), table.len() as f64);
        let mut sums = vec![0f64; columns];
        let mut squares = vec![0f64; columns];
        for row in table.values().chunks(columns) {
            for (column, &value) in row.iter().enumerate() {
                let value = f64::from(value);
                sums[column] += value;
                squares[column] += value * value;
            }
        }
        let means: Vec<f64> = sums.iter().map(|sum| sum / count).collect();
        let deviations: Vec<f64> = squares
            .iter()
            .zip(&means)
            .map(|(square, mean)| (square / count - mean * mean).max(0.0).sqrt())
            .collect();
        let largest = deviations.iter().copied().fold(0.0, f64::max);
        let factor = |&deviation: &f64| {
            if deviation > 1e-9 {
                (1.0 / (deviation + f64::from(damping) * largest)) as f32
            } else {
                0.0
            }
        };
        let factors: Vec<f32> = deviations.iter().map(factor).collect();
        let means: Vec<f32> = means.into_iter().map(|mean| mean as f32).collect();
        let rows = table.values().chunks(columns);
        let values = rows
            .flat_map(|row| standard(row, &means, &factors))
            .collect();
        Self {
            columns,
            values,
            means,
            factors,
        }
    }

    pub(crate) fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.columns..(index + 1) * self.columns]
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len() / self.columns
    }
}

fn standard(row: &[u8], means: &[f32], factors: &[f32]) -> Vec<f32> {
    let scales = means.iter().zip(factors);
    row.iter()
        .zip(scales)
        .map(|(&value, (mean, factor))| (f32::from(value) - mean) * factor)
        .collect()
}

/// Σ aᵢbᵢ in eight running sums.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 8];
    let (a_lanes, a_rest) = a.as_chunks::<8>();
    let (b_lanes, b_rest) = b.as_chunks::<8>();
    for (a, b) in a_lanes.iter().zip(b_lanes) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// y += factor · x.
pub(crate) fn add_scaled(y: &mut [f32], factor: f32, x: &[f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += factor * x;
    }
}

/// The mean gradient over a batch: `work` adds the gradient of each row to what it is given.
pub(crate) fn gradient(
    batch: &[u32],
    length: usize,
    work: impl Fn(&[u32], &mut [f32]) + Sync,
) -> Vec<f32> {
    let part = batch.len().div_ceil(PARTS).max(1);
    let parts: Vec<Vec<f32>> = batch
        .par_chunks(part)
        .map(|rows| {
            let mut sum = vec![0f32; length];
            work(rows, &mut sum);
            sum
        })
        .collect();
    let mut parts = parts.into_iter();
    let mut sum = parts.next().unwrap_or_default();
    for part in parts {
        add_scaled(&mut sum, 1.0, &part);
    }
    let share = 1.0 / batch.len() as f32;
    sum.iter_mut().for_each(|value| *value *= share);
    sum
}

/// Adam (Kingma, Ba, ICLR 2015) with its usual constants.
#[derive(Debug)]
pub(crate) struct Adam {
    first: Vec<f32>,
    second: Vec<f32>,
    steps: i32,
}

impl Adam {
    pub(crate) fn new(length: usize) -> Self {
        Self {
            first: vec![0.0; length],
            second: vec![0.0; length],
            steps: 0,
        }
    }

    pub(crate) fn step(&mut self, parameters: &mut [f32], gradient: &[f32], rate: f32) {
        self.steps += 1;
        let first_share = 1.0 - 0.9f32.powi(self.steps);
        let second_share = 1.0 - 0.999f32.powi(self.steps);
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((parameter, &slope), (first, second)) in
            parameters.iter_mut().zip(gradient).zip(moments)
        {
            *first += 0.1 * (slope - *first);
            *second += 0.001 * (slope * slope - *second);
            let size = (*second / second_share).sqrt() + 1e-8;
            *parameter -= rate * (*first / first_share) / size;
        }
    }

    /// Forgets what it knew of parameters that are no more: else they would come back.
    pub(crate) fn forget(&mut self, gone: impl Iterator<Item = usize>) {
        for index in gone {
            self.first[index] = 0.0;
            self.second[index] = 0.0;
        }
    }
}

/// A rate that falls along half a cosine.
pub(crate) fn cosine(rate: f32, done: f32) -> f32 {
    0.5 * rate * (1.0 + (std::f32::consts::PI * done).cos())
}

/// The batches of one epoch in an order by chance.
pub(crate) fn shuffled(rows: usize, random: &mut Random) -> Vec<u32> {
    let mut order: Vec<u32> = (0..rows as u32).collect();
    random.shuffle(&mut order);
    order
}

/// Probabilities of `scores`, in place.
pub(crate) fn softmax(scores: &mut [f32]) {
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - highest).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// `count` directions along which rows vary most, orthonormal: subspace iteration over at most
/// 4,000 rows. Where the columns do not suffice the rest is by chance.
pub(crate) fn principal(rows: &Standardized, count: usize, random: &mut Random) -> Vec<f32> {
    let columns = rows.columns;
    let step = rows.len().div_ceil(4000);
    let sample: Vec<u32> = (0..rows.len() as u32).step_by(step).collect();
    let mut directions: Vec<f32> = (0..count * columns).map(|_| random.normal()).collect();
    orthonormalize(&mut directions, columns);
    for _ in 0..12 {
        let mut next = gradient(&sample, count * columns, |part, sum| {
            for &row in part {
                let row = rows.row(row as usize);
                let directions = directions.chunks(columns);
                for (direction, sum) in directions.zip(sum.chunks_mut(columns)) {
                    add_scaled(sum, dot(direction, row), row);
                }
            }
        });
        orthonormalize(&mut next, columns);
        directions = next;
    }
    directions
}

fn orthonormalize(directions: &mut [f32], columns: usize) {
    for index in 0..directions.len() / columns {
        let (before, rest) = directions.split_at_mut(index * columns);
        let current = &mut rest[..columns];
        for earlier in before.chunks(columns) {
            let along = dot(earlier, current);
            add_scaled(current, -along, earlier);
        }
        let length = dot(current, current).sqrt();
        // Fewer directions than asked for: what is left is noise of rounding, or nothing.
        let factor = if length > 1e-6 { 1.0 / length } else { 0.0 };
        current.iter_mut().for_each(|value| *value *= factor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principal_directions_are_those_of_the_data() {
        let mut random = Random::new(1, 0);
        let mut values = Vec::new();
        for _ in 0..500 {
            let (wide, narrow) = (random.normal() * 5.0, random.normal());
            values.extend([wide + narrow, wide - narrow, 0.0]);
        }
        let rows = Standardized {
            columns: 3,
            values,
            means: vec![0.0; 3],
            factors: vec![1.0; 3],
        };
        let directions = principal(&rows, 2, &mut random);
        let diagonal = std::f32::consts::FRAC_1_SQRT_2;
        assert!(
            (directions[0].abs() - diagonal).abs() < 0.02,
            "{directions:?}"
        );
        assert!((dot(&directions[..3], &directions[3..])).abs() < 1e-3);
    }

    #[test]
    fn adam_finds_the_bottom() {
        let mut parameters = [3.0f32, -2.0];
        let mut adam = Adam::new(2);
        for step in 0..2000 {
            let slope = parameters.map(|value| 2.0 * (value - 1.0));
            adam.step(&mut parameters, &slope, cosine(0.05, step as f32 / 2000.0));
        }
        assert!(parameters.iter().all(|value| (value - 1.0).abs() < 1e-2));
    }
}
