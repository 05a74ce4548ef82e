//! Training: linear support vector machines of one class against the rest (squared hinge), the
//! columns that matter least left out where few may count, weights rounded to bytes.

use serde::{Deserialize, Serialize};

use super::{Linear, output_count};
use crate::baseline::{Samples, linear};
use crate::descend::Standardized;
use crate::error::{Result, data, settings};
use crate::model::first_of_highest;
use crate::quantize;
use crate::table::Table;

/// The share of columns that stays in one round of leaving out.
const STAYS: f64 = 0.6;
/// Where the bytes of weights may end, in parts of the largest weight: one weight that is far
/// larger than all others must not take the steps from them.
const RANGES: [f32; 5] = [1.0, 0.7, 0.5, 0.35, 0.25];

/// How a linear model is trained. Nothing is left to chance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LinearSettings {
    /// How strongly weights are held small, as a share of the rows.
    pub lambda: f64,
    /// Steps from least squares toward the squared hinge; 0: least squares.
    pub rounds: usize,
    /// See the trainers' standardization: 0.45 suits pixels.
    pub damping: f32,
    /// How many columns may count; 0: all.
    pub columns: usize,
}

/// One model in floating point, on standardized columns.
struct Fitted {
    columns: Vec<u16>,
    model: linear::Linear,
}

impl LinearSettings {
    /// Settings that suit data of some thousand rows.
    pub fn new(lambda: f64) -> Self {
        Self {
            lambda,
            rounds: 40,
            damping: 0.0,
            columns: 0,
        }
    }

    /// Trains; constant columns never count.
    pub fn train(&self, table: &Table) -> Result<Linear> {
        if !(self.lambda >= 0.0 && self.lambda.is_finite()) {
            return Err(settings(
                "lambda is a share of the rows: 0 or more, such as 0.001",
            ));
        }
        let rows = Standardized::new(table, self.damping);
        let factors = rows.factors.iter().enumerate();
        let changing: Vec<u16> = factors
            .filter(|(_, factor)| **factor > 0.0)
            .map(|(column, _)| column as u16)
            .collect();
        if changing.is_empty() {
            return Err(data("every column is constant"));
        }
        let mut fitted = self.fit(&rows, table, changing)?;
        let wanted = if self.columns == 0 {
            table.columns()
        } else {
            self.columns
        };
        while fitted.columns.len() > wanted {
            let next = ((fitted.columns.len() as f64 * STAYS) as usize).max(wanted);
            fitted = self.fit(&rows, table, fitted.strongest(next))?;
        }
        fitted.quantized(&rows, table)
    }

    fn fit(&self, rows: &Standardized, table: &Table, columns: Vec<u16>) -> Result<Fitted> {
        let values: Vec<f32> = (0..rows.len())
            .flat_map(|row| {
                let row = rows.row(row);
                columns.iter().map(|&column| row[usize::from(column)])
            })
            .collect();
        let samples = Samples {
            rows: &values,
            columns: columns.len(),
            labels: table.labels(),
            classes: table.classes(),
        };
        let asked = linear::Settings {
            lambda: self.lambda,
            rounds: self.rounds,
        };
        let model = linear::fit(&samples, &asked).map_err(|error| settings(error.to_string()))?;
        Ok(Fitted { columns, model })
    }
}

impl Fitted {
    /// The `count` columns with the largest weights over all classes, in order.
    fn strongest(&self, count: usize) -> Vec<u16> {
        let mut weights = vec![0f32; self.columns.len()];
        for row in self.model.weights.chunks(self.columns.len()) {
            for (sum, weight) in weights.iter_mut().zip(row) {
                *sum += weight * weight;
            }
        }
        let mut order: Vec<usize> = (0..weights.len()).collect();
        order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]));
        order.truncate(count);
        order.sort_unstable();
        order.into_iter().map(|at| self.columns[at]).collect()
    }

    /// For bytes instead of standardized columns, rounded: of the ranges the one that answers
    /// most of the rows right.
    fn quantized(&self, rows: &Standardized, table: &Table) -> Result<Linear> {
        let mut weights = self.model.weights.clone();
        let mut bias: Vec<f64> = self.model.bias.iter().copied().map(f64::from).collect();
        for (row, bias) in weights.chunks_mut(self.columns.len()).zip(&mut bias) {
            for (weight, &column) in row.iter_mut().zip(&self.columns) {
                let column = usize::from(column);
                *weight *= rows.factors[column];
                *bias -= f64::from(*weight) * f64::from(rows.means[column]);
            }
        }
        if output_count(table.classes()) == 1 {
            // Two machines that say the same: what sets the second apart from the first.
            let (first, second) = weights.split_at(self.columns.len());
            weights = second
                .iter()
                .zip(first)
                .map(|(b, a)| (b - a) / 2.0)
                .collect();
            bias = vec![(bias[1] - bias[0]) / 2.0];
        }
        let largest = quantize::largest(&weights);
        let mut best: Option<(usize, Linear)> = None;
        for range in RANGES {
            let unit = largest * range / 127.0;
            let Ok(made) = Linear::new(self.columns.clone(), &bias, &weights, unit) else {
                continue;
            };
            let right = (0..table.len())
                .filter(|&row| {
                    first_of_highest(&made.scores(table.row(row))) == table.labels()[row]
                })
                .count();
            if best.as_ref().is_none_or(|(known, _)| right > *known) {
                best = Some((right, made));
            }
        }
        best.map(|(_, made)| made)
            .ok_or_else(|| settings("no whole numbers suit these weights: raise lambda"))
    }
}
