//! Rounding that keeps a layer's output: each weight is rounded so that it makes up for the errors
//! of those rounded before.
//!
//! The squared error of a row's output is `eᵀHe` with `H` the Gram matrix of its inputs. Optimal
//! Brain Quantization rounds one weight at a time and spreads its error over the rest in closed
//! form (Frantar and Alistarh, "Optimal Brain Compression", 2022, §4); with a fixed order and one
//! Cholesky factor for all rows that is GPTQ (Frantar et al. 2023, §3, damping in step 3). It is
//! computed here as Babai's nearest plane in the lattice of that factor, which gives the same
//! numbers without the inverse of `H` (Chen et al., "The Geometry of LLM Quantization", 2025).

use rayon::prelude::*;

use super::bits::Bits;
use super::gram::Gram;
use super::weights::{Rows, SMALLEST, level};

/// Share of the mean diagonal that is added to the diagonal, at first.
const DAMPING: f64 = 0.01;

/// Least that is added: inputs that were always zero leave the diagonal empty.
const LEAST: f64 = 1e-12;

/// Tenfold dampings that are tried before a matrix is given up.
const TRIES: i32 = 12;

/// Rows that are rounded side by side, so that a row of the factor is read once for all.
const BLOCK: usize = 16;

/// Sums at a time, which the processor adds side by side.
const LANES: usize = 8;

/// The levels of each row for the given scales; never worse on `gram` than the nearest ones.
pub(super) fn round(
    weight: &Rows,
    scales: &[f32],
    bits: Bits,
    gram: &Gram,
    centred: bool,
) -> Vec<i8> {
    let columns = gram.columns;
    let per_group = (weight.rows / gram.groups.len().max(1)).max(1);
    let mut levels = vec![0i8; weight.values.len()];
    levels
        .par_chunks_mut(per_group * columns)
        .enumerate()
        .for_each(|(number, levels)| {
            let lattice = Lattice::new(gram.moments(number, centred), columns);
            let rows = levels.par_chunks_mut(BLOCK * columns).enumerate();
            rows.for_each(|(block, levels)| {
                let first = number * per_group + block * BLOCK;
                let count = levels.len() / columns;
                let rows: Vec<_> = weight
                    .iter()
                    .zip(scales)
                    .skip(first)
                    .take(count)
                    .map(|(values, &scale)| (values, scale.max(SMALLEST)))
                    .collect();
                lattice.round(&rows, bits.magnitude(), levels);
            });
        });
    levels
}

/// The Gram matrix of one group, ready for rounding.
struct Lattice {
    columns: usize,
    moments: Vec<f32>,
    /// The lower Cholesky factor in the order of rounding, last first.
    factor: Vec<f32>,
    /// The column at each place of that order.
    order: Vec<usize>,
}

impl Lattice {
    fn new(moments: Vec<f32>, columns: usize) -> Self {
        let diagonal = |column: usize| moments[column * columns + column];
        let mut order: Vec<usize> = (0..columns).collect();
        // What matters most is rounded first, while much can still make up for it.
        order.sort_by(|&left, &right| diagonal(left).total_cmp(&diagonal(right)));
        let mean = (0..columns).map(|c| f64::from(diagonal(c))).sum::<f64>() / columns as f64;
        let least = DAMPING * mean + LEAST;
        let mut tried =
            (0..TRIES).map(|power| cholesky(&moments, &order, least * 10f64.powi(power)));
        let factor = tried.find_map(|factor| factor);
        let factor = factor.unwrap_or_else(|| unit(columns));
        Self {
            columns,
            moments,
            factor,
            order,
        }
    }

    /// Rounds rows with their scales.
    fn round(&self, rows: &[(&[f32], f32)], limit: f32, levels: &mut [i8]) {
        let columns = self.columns;
        // What the errors so far ask of each weight yet to be rounded.
        let mut asked = vec![0f32; rows.len() * columns];
        let mut errors = vec![0f32; rows.len() * columns];
        for place in (0..columns).rev() {
            let factor = &self.factor[place * columns..=place * columns + place];
            let column = self.order[place];
            for (row, (values, scale)) in rows.iter().enumerate() {
                let asked = &mut asked[row * columns..(row + 1) * columns];
                let wanted = values[column] + asked[place] / factor[place];
                let found = level(wanted, *scale, limit);
                levels[row * columns + column] = found;
                let error = values[column] - f32::from(found) * scale;
                errors[row * columns + column] = error;
                let pairs = asked[..place].iter_mut().zip(factor);
                pairs.for_each(|(asked, share)| *asked += share * error);
            }
        }
        for (row, (values, scale)) in rows.iter().enumerate() {
            let span = row * columns..(row + 1) * columns;
            let nearest: Vec<i8> = values
                .iter()
                .map(|&value| level(value, *scale, limit))
                .collect();
            let plain: Vec<f32> = values
                .iter()
                .zip(&nearest)
                .map(|(value, &level)| value - f32::from(level) * scale)
                .collect();
            if self.cost(&plain) <= self.cost(&errors[span.clone()]) {
                levels[span].copy_from_slice(&nearest);
            }
        }
    }

    /// The mean squared error of the output that `errors` of a row's weights make.
    fn cost(&self, errors: &[f32]) -> f64 {
        let rows = self.moments.chunks(self.columns).zip(errors);
        rows.map(|(row, error)| f64::from(*error) * f64::from(dot(row, errors)))
            .sum()
    }
}

/// The lower factor of the matrix in the given order with `damping` on its diagonal; `None` if
/// that is not positive definite.
fn cholesky(matrix: &[f32], order: &[usize], damping: f64) -> Option<Vec<f32>> {
    let size = order.len();
    let mut factor = vec![0f64; size * size];
    for row in 0..size {
        let (done, rest) = factor.split_at_mut(row * size);
        let own = &mut rest[..size];
        for column in 0..=row {
            let value = f64::from(matrix[order[row] * size + order[column]]);
            if column == row {
                let left = value + damping - dot(&own[..row], &own[..row]);
                if left <= 0.0 || !left.is_finite() {
                    return None;
                }
                own[row] = left.sqrt();
            } else {
                let other = &done[column * size..=column * size + column];
                own[column] = (value - dot(&own[..column], &other[..column])) / other[column];
            }
        }
    }
    Some(factor.into_iter().map(|value| value as f32).collect())
}

/// The factor with which every weight is rounded to the nearest.
fn unit(size: usize) -> Vec<f32> {
    let mut factor = vec![0.0; size * size];
    factor
        .iter_mut()
        .step_by(size + 1)
        .for_each(|value| *value = 1.0);
    factor
}

/// The sum of products, in a fixed order.
fn dot<T>(left: &[T], right: &[T]) -> T
where
    T: Copy + Default + std::ops::Mul<Output = T> + std::ops::AddAssign + std::iter::Sum<T>,
{
    let (left, left_rest) = left.as_chunks::<LANES>();
    let (right, right_rest) = right.as_chunks::<LANES>();
    let mut sums = [T::default(); LANES];
    for (left, right) in left.iter().zip(right) {
        for lane in 0..LANES {
            sums[lane] += left[lane] * right[lane];
        }
    }
    let mut sum: T = sums.into_iter().sum();
    for (left, right) in left_rest.iter().zip(right_rest) {
        sum += *left * *right;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_columns_that_always_agree_share_their_error() {
        // Both weights want .4 of a step; one up and one down serves the sum.
        let lattice = Lattice::new(vec![1.0; 4], 2);
        let values = [0.4f32, 0.4];
        let mut levels = [0i8; 2];
        lattice.round(&[(&values, 1.0)], 7.0, &mut levels);
        assert_eq!(levels.iter().sum::<i8>(), 1);
    }

    #[test]
    fn a_factor_gives_its_matrix_back() {
        let matrix = [4.0f32, 2.0, 0.6, 2.0, 5.0, 1.0, 0.6, 1.0, 3.0];
        let factor = cholesky(&matrix, &[0, 1, 2], 0.0).unwrap();
        for row in 0..3 {
            for column in 0..3 {
                let product: f32 = (0..3)
                    .map(|k| factor[row * 3 + k] * factor[column * 3 + k])
                    .sum();
                assert!((product - matrix[row * 3 + column]).abs() < 1e-5);
            }
        }
        assert!(cholesky(&[1.0, 2.0, 2.0, 1.0], &[0, 1], 0.0).is_none());
    }

    #[test]
    fn an_input_that_was_always_zero_is_no_trouble() {
        let lattice = Lattice::new(vec![0.0; 9], 3);
        let mut levels = [0i8; 3];
        lattice.round(&[(&[1.2, -2.6, 0.1], 1.0)], 7.0, &mut levels);
        assert_eq!(levels, [1, -3, 0]);
    }
}
