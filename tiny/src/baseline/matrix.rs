//! Products and solutions for the linear head: sums always in the same order.

#![expect(
    unsafe_code,
    reason = "calling a function compiled for instructions that were just detected"
)]
#![expect(
    clippy::inline_always,
    reason = "a loop is compiled for the instructions of the function that it is inlined into"
)]

use rayon::prelude::*;

use crate::fastfood::vectors::{multiply_add, versions};

/// Columns that a tile has on its right side; right sides are padded to a multiple.
pub(super) const RIGHT: usize = 32;
/// Rows of a tile.
const LEFT: usize = 4;
/// How many rows are summed in f32 before they are added up in f64.
const DEPTH: usize = 256;

type Tile = [[f32; RIGHT]; LEFT];

versions! {
    /// `tile` += leftᵀ · right, of packed rows of LEFT and RIGHT numbers.
    fn add_tile(left: &[[f32; LEFT]], right: &[[f32; RIGHT]], tile: &mut Tile) = add_tile_inner
}

#[inline(always)]
fn add_tile_inner<const FUSED: bool>(
    left: &[[f32; LEFT]],
    right: &[[f32; RIGHT]],
    tile: &mut Tile,
) {
    let mut sums = *tile;
    for (left, right) in left.iter().zip(right) {
        for row in 0..LEFT {
            for column in 0..RIGHT {
                sums[row][column] =
                    multiply_add::<FUSED>(left[row], right[column], sums[row][column]);
            }
        }
    }
    *tile = sums;
}

/// The columns from `start` of each row of `columns` numbers, beyond the end 0.
fn packed<const WIDTH: usize>(rows: &[f32], columns: usize, start: usize) -> Vec<[f32; WIDTH]> {
    let width = WIDTH.min(columns - start);
    let row = |row: &[f32]| {
        let mut out = [0.0; WIDTH];
        out[..width].copy_from_slice(&row[start..start + width]);
        out
    };
    rows.chunks_exact(columns).map(row).collect()
}

/// leftᵀ · right, where both have `left.len() / left_columns` rows: `left_columns` rows of
/// `right_columns`, which is a multiple of [`RIGHT`]. Panels of the result that `wanted` refuses
/// stay 0; it is given the first row and the first column of a panel.
pub(super) fn transposed_product(
    (left, left_columns): (&[f32], usize),
    (right, right_columns): (&[f32], usize),
    wanted: impl Fn(usize, usize) -> bool + Sync,
) -> Vec<f64> {
    let mut product = vec![0.0; left_columns * right_columns];
    for (left, right) in left
        .chunks(DEPTH * left_columns)
        .zip(right.chunks(DEPTH * right_columns))
    {
        let panels: Vec<Vec<[f32; RIGHT]>> = (0..right_columns)
            .step_by(RIGHT)
            .map(|start| packed(right, right_columns, start))
            .collect();
        let rows = product.par_chunks_mut(LEFT * right_columns).enumerate();
        rows.for_each(|(index, rows)| {
            let left = packed::<LEFT>(left, left_columns, index * LEFT);
            for (panel, right) in panels.iter().enumerate() {
                if !wanted(index * LEFT, panel * RIGHT) {
                    continue;
                }
                let mut tile = [[0.0; RIGHT]; LEFT];
                add_tile(&left, right, &mut tile);
                for (row, sums) in rows.chunks_exact_mut(right_columns).zip(tile) {
                    let row = &mut row[panel * RIGHT..(panel + 1) * RIGHT];
                    row.iter_mut()
                        .zip(sums)
                        .for_each(|(total, sum)| *total += f64::from(sum));
                }
            }
        });
    }
    product
}

/// left · right: `left` has `columns` columns, `right` as many rows of [`RIGHT`] · k columns.
pub(super) fn product(left: &[f32], columns: usize, right: &[f32]) -> Vec<f32> {
    let width = right.len() / columns;
    let mut product = vec![0.0; left.len() / columns * width];
    let panels: Vec<Vec<[f32; RIGHT]>> = (0..width)
        .step_by(RIGHT)
        .map(|start| packed(right, width, start))
        .collect();
    let rows = product
        .par_chunks_mut(LEFT * width)
        .zip(left.par_chunks(LEFT * columns));
    rows.for_each(|(target, left)| {
        let mut columns_of_left = vec![[0.0; LEFT]; columns];
        for (row, numbers) in left.chunks_exact(columns).enumerate() {
            for (column, number) in columns_of_left.iter_mut().zip(numbers) {
                column[row] = *number;
            }
        }
        for (panel, right) in panels.iter().enumerate() {
            let mut tile = [[0.0; RIGHT]; LEFT];
            add_tile(&columns_of_left, right, &mut tile);
            for (row, sums) in target.chunks_exact_mut(width).zip(tile) {
                row[panel * RIGHT..(panel + 1) * RIGHT].copy_from_slice(&sums);
            }
        }
    });
    product
}

/// The Cholesky factor of a symmetric matrix, of which the lower half is read.
#[derive(Debug, Clone)]
pub(super) struct Factor {
    size: usize,
    lower: Vec<f64>,
}

impl Factor {
    /// `None` if the matrix isn't positive definite.
    pub(super) fn new(mut matrix: Vec<f64>, size: usize) -> Option<Self> {
        for row in 0..size {
            let (above, current) = matrix.split_at_mut(row * size);
            let current = &mut current[..size];
            for column in 0..row {
                let other = &above[column * size..][..=column];
                let sum = dot(&current[..column], &other[..column]);
                current[column] = (current[column] - sum) / other[column];
            }
            let rest = current[row] - dot(&current[..row], &current[..row]);
            if rest.is_nan() || rest <= 0.0 {
                return None;
            }
            current[row] = rest.sqrt();
        }
        let lower = matrix;
        Some(Self { size, lower })
    }

    /// Solves for right sides of `width` columns, in place.
    pub(super) fn solve(&self, right: &mut [f64], width: usize) {
        let row = |index: usize| &self.lower[index * self.size..][..=index];
        for index in 0..self.size {
            let (above, current) = right.split_at_mut(index * width);
            let current = &mut current[..width];
            for (factor, other) in row(index).iter().zip(above.chunks_exact(width)) {
                subtract(current, *factor, other);
            }
            let last = row(index)[index];
            current.iter_mut().for_each(|number| *number /= last);
        }
        for index in (0..self.size).rev() {
            let (above, current) = right.split_at_mut(index * width);
            let current = &mut current[..width];
            let last = row(index)[index];
            current.iter_mut().for_each(|number| *number /= last);
            for (factor, other) in row(index).iter().zip(above.chunks_exact_mut(width)) {
                subtract(other, *factor, current);
            }
        }
    }
}

fn subtract(target: &mut [f64], factor: f64, other: &[f64]) {
    let pairs = target.iter_mut().zip(other);
    pairs.for_each(|(number, other)| *number -= factor * other);
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (wide_a, rest_a) = a.as_chunks::<LANES>();
    let (wide_b, rest_b) = b.as_chunks::<LANES>();
    for (a, b) in wide_a.iter().zip(wide_b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest = rest_a.iter().zip(rest_b).map(|(a, b)| a * b);
    sums.iter().sum::<f64>() + rest.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize) -> Vec<f32> {
        (0..count)
            .map(|i| ((i * 31 + i / 7) % 13) as f32 - 6.0)
            .collect()
    }

    #[test]
    fn products_are_sums_of_products() {
        // Small integers: exact in any order.
        let (rows, left_columns, right_columns) = (301, 6, 64);
        let (left, right) = (numbers(rows * left_columns), numbers(rows * right_columns));
        let found = transposed_product((&left, left_columns), (&right, right_columns), |_, _| true);
        for i in 0..left_columns {
            for j in 0..right_columns {
                let expected: f32 = (0..rows)
                    .map(|row| left[row * left_columns + i] * right[row * right_columns + j])
                    .sum();
                assert!((found[i * right_columns + j] - f64::from(expected)).abs() < 1e-9);
            }
        }
        let weights = numbers(left_columns * 32);
        let found = product(&left, left_columns, &weights);
        let expected: f32 = (0..left_columns)
            .map(|k| left[300 * left_columns + k] * weights[k * 32 + 5])
            .sum();
        assert!((found[300 * 32 + 5] - expected).abs() < 1e-6);
    }

    #[test]
    fn a_solution_solves() {
        let matrix = [4.0, 0.0, 0.0, 2.0, 5.0, 0.0, -1.0, 1.5, 6.0];
        let factor = Factor::new(matrix.to_vec(), 3).unwrap();
        let mut solution = vec![1.0, -2.0, 3.0];
        factor.solve(&mut solution, 1);
        let [x, y, z] = solution[..] else {
            unreachable!()
        };
        for (sum, right) in [
            (4.0 * x + 2.0 * y - z, 1.0),
            (2.0 * x + 5.0 * y + 1.5 * z, -2.0),
            (-x + 1.5 * y + 6.0 * z, 3.0),
        ] {
            assert!((sum - right).abs() < 1e-12);
        }
        assert!(Factor::new(vec![1.0, 0.0, 2.0, 1.0], 2).is_none());
    }
}
