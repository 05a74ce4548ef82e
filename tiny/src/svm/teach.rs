//! Training: a machine for every two classes, in the dual by greedy coordinate descent; the bias
//! is held small with the weights (a constant 1 is added to the kernel), so that a step changes
//! one row's multiplier only and no pairs have to be found. With some thousand rows the whole
//! kernel of two classes is in memory, and a step costs one row of it.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Duel, INDICES, REACH, Svm, distance};
use crate::error::{Result, TinyError, settings};
use crate::quantize;
use crate::table::Table;

/// Rows of two classes at most: their kernel takes 4 bytes for every two of them.
const MOST_ROWS: usize = 12_000;
/// Ends when no row is further from where it should be than this share of the margin.
const TOLERANCE: f32 = 0.01;
/// Steps for each row at most.
const STEPS: usize = 200;

/// How a support vector machine is trained. Nothing is left to chance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SvmSettings {
    /// The kernel's width σ, as a share of the root mean square distance of two rows.
    pub width: f32,
    /// Weight of a mistake against the size of the weights, C.
    pub cost: f32,
}

/// What two classes came to: a multiplier for each row, signed, and the bias.
struct Learned {
    multipliers: Vec<f32>,
    bias: f32,
}

impl SvmSettings {
    /// Trains.
    pub fn train(&self, table: &Table) -> Result<Svm> {
        let usable = |number: f32| number > 0.0 && number.is_finite();
        if !usable(self.width) || !usable(self.cost) {
            return Err(settings("a kernel needs a width and a cost above 0"));
        }
        let sigma = f64::from(self.width) * table.distance();
        let gamma = 1.0 / (2.0 * sigma * sigma);
        if !gamma.is_finite() {
            return Err(settings("every column is constant"));
        }
        let classes = table.classes();
        let mut of_class = vec![Vec::new(); classes];
        for (row, &label) in table.labels().iter().enumerate() {
            of_class[usize::from(label)].push(row);
        }
        let mut sizes: Vec<usize> = of_class.iter().map(Vec::len).collect();
        sizes.sort_unstable();
        let largest = sizes[classes - 1] + sizes[classes - 2];
        if largest > MOST_ROWS || sizes[classes - 1] > usize::from(u16::MAX) {
            return Err(settings(format!(
                "two classes with {largest} rows: a kernel machine learns from {MOST_ROWS} of two \
                 classes at most, take a sample"
            )));
        }
        let pairs: Vec<(usize, usize)> = (0..classes)
            .flat_map(|first| (first + 1..classes).map(move |second| (first, second)))
            .collect();
        let learned: Vec<Learned> = pairs
            .par_iter()
            .map(|&(first, second)| {
                self.learn(table, &of_class[first], &of_class[second], gamma as f32)
            })
            .collect();
        assembled(table, &of_class, &pairs, &learned, gamma)
    }

    fn learn(&self, table: &Table, first: &[usize], second: &[usize], gamma: f32) -> Learned {
        let rows = [first, second].concat();
        let count = rows.len();
        let sign = |at: usize| if at < first.len() { 1.0f32 } else { -1.0 };
        let mut kernel = vec![0f32; count * count];
        for i in 0..count {
            for j in 0..=i {
                let apart = distance(table.row(rows[i]), table.row(rows[j])) as f32;
                let value = (-gamma * apart).exp() + 1.0;
                kernel[i * count + j] = value;
                kernel[j * count + i] = value;
            }
        }
        let mut dual = vec![0f32; count];
        // y · score − 1.
        let mut slopes = vec![-1f32; count];
        for _ in 0..STEPS * count {
            let violation = |at: usize| {
                let slope = slopes[at];
                if (dual[at] <= 0.0 && slope > 0.0) || (dual[at] >= self.cost && slope < 0.0) {
                    0.0
                } else {
                    slope.abs()
                }
            };
            let (at, most) =
                (0..count)
                    .map(|at| (at, violation(at)))
                    .fold(
                        (0, -1.0),
                        |best, one| if one.1 > best.1 { one } else { best },
                    );
            if most < TOLERANCE {
                break;
            }
            // The kernel of a row with itself is 1, and the bias's 1.
            let next = (dual[at] - slopes[at] / 2.0).clamp(0.0, self.cost);
            let step = (next - dual[at]) * sign(at);
            dual[at] = next;
            let row = &kernel[at * count..][..count];
            let (positive, negative) = slopes.split_at_mut(first.len());
            for (slope, value) in positive.iter_mut().zip(row) {
                *slope += step * value;
            }
            for (slope, value) in negative.iter_mut().zip(&row[first.len()..]) {
                *slope -= step * value;
            }
        }
        let multipliers: Vec<f32> = (0..count).map(|at| dual[at] * sign(at)).collect();
        Learned {
            bias: multipliers.iter().map(|&one| f64::from(one)).sum::<f64>() as f32,
            multipliers,
        }
    }
}

/// The rows that have a say in any duel, with coefficients of a byte.
fn assembled(
    table: &Table,
    of_class: &[Vec<usize>],
    pairs: &[(usize, usize)],
    learned: &[Learned],
    gamma: f64,
) -> Result<Svm> {
    let each = of_class.len() - 1;
    let mut coefficients: Vec<Vec<i8>> = of_class
        .iter()
        .map(|rows| vec![0; rows.len() * each])
        .collect();
    let mut duels = Vec::with_capacity(pairs.len());
    for (&(first, second), learned) in pairs.iter().zip(learned) {
        let unit = quantize::largest(&learned.multipliers) / 127.0;
        let (of_first, of_second) = learned.multipliers.split_at(of_class[first].len());
        for (class, other, values) in [(first, second, of_first), (second, first, of_second)] {
            let at = other - usize::from(other > class);
            for (row, &value) in values.iter().enumerate() {
                coefficients[class][row * each + at] = quantize::byte(value, unit);
            }
        }
        duels.push(Duel {
            unit: unit / 65_535.0,
            bias: learned.bias,
        });
    }
    let (factor, shift) = quantize::multiplier(gamma * INDICES / REACH, 16).map_err(|_| {
        TinyError::Settings(
            "distances are beyond what whole numbers can do: another width is needed".to_owned(),
        )
    })?;
    let mut made = Svm {
        columns: table.columns(),
        starts: vec![0],
        vectors: Vec::new(),
        coefficients: Vec::new(),
        duels,
        factor,
        shift,
    };
    for (rows, coefficients) in of_class.iter().zip(&coefficients) {
        for (&row, own) in rows.iter().zip(coefficients.chunks(each)) {
            if own.iter().any(|&one| one != 0) {
                made.vectors.extend_from_slice(table.row(row));
                made.coefficients.extend_from_slice(own);
            }
        }
        made.starts.push(made.coefficients.len() / each);
    }
    if made.vectors.is_empty() {
        return Err(settings("no row has a say: allow a higher cost"));
    }
    Ok(made)
}
