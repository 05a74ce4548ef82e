//! Linear models in whole numbers: one score a class, a byte for each weight.
//!
//! score\[class] = bias + Σ weight · byte, over the columns that count. One unit for all weights,
//! so that no class needs a multiplication more. Two classes have one score, which is above 0 for
//! the second. Ranges are proven when a model is made or read, by intervals: [`Linear::check`].

mod teach;

pub use teach::LinearSettings;

use crate::error::{Result, file};
use crate::format::bytes::{Reader, Writer};
use crate::model::{Part, Term};
use crate::quantize;

/// A linear model in whole numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    /// The columns that count, in order.
    columns: Vec<u16>,
    /// What a score is for a row of zeros: one for each class, or one for two classes.
    bias: Vec<i32>,
    /// `[output][column that counts]`.
    weights: Vec<i8>,
    /// What one unit of a score is.
    unit: f32,
}

/// How many scores tell `classes` apart.
pub(crate) fn output_count(classes: usize) -> usize {
    if classes == 2 { 1 } else { classes }
}

impl Linear {
    /// Rounds weights to bytes of `unit`.
    fn new(columns: Vec<u16>, bias: &[f64], weights: &[f32], unit: f32) -> Result<Self> {
        let made = Self {
            columns,
            bias: bias
                .iter()
                .map(|bias| (bias / f64::from(unit)).round() as i32)
                .collect(),
            weights: quantize::bytes(weights, unit),
            unit,
        };
        made.check()?;
        Ok(made)
    }

    /// The columns that count, in order.
    pub fn columns(&self) -> &[u16] {
        &self.columns
    }

    /// What a score is for a row of zeros.
    pub fn bias(&self) -> &[i32] {
        &self.bias
    }

    /// `[output][column that counts]`.
    pub fn weights(&self) -> &[i8] {
        &self.weights
    }

    /// What one unit of a score is, in margins of the trained model.
    pub fn unit(&self) -> f64 {
        f64::from(self.unit)
    }

    /// The score of each class; where one output tells two apart, it and its opposite.
    pub(crate) fn scores(&self, row: &[u8]) -> Vec<i32> {
        let outputs = self.weights.chunks(self.columns.len()).zip(&self.bias);
        let scores: Vec<i32> = outputs
            .map(|(weights, &bias)| {
                let products = weights.iter().zip(&self.columns);
                products.fold(bias, |sum, (&weight, &column)| {
                    sum + i32::from(weight) * i32::from(row[usize::from(column)])
                })
            })
            .collect();
        if let [score] = scores[..] {
            return vec![-score, score];
        }
        scores
    }

    pub(crate) fn explain(&self, row: &[u8], label: usize) -> Vec<Term> {
        let single = self.bias.len() == 1;
        let (output, sign) = match (single, label) {
            (true, 0) => (0, -self.unit()),
            (true, _) => (0, self.unit()),
            (false, label) => (label, self.unit()),
        };
        let base = Term {
            part: Part::Base,
            value: f64::from(self.bias[output]) * sign,
        };
        let weights = &self.weights[output * self.columns.len()..][..self.columns.len()];
        let columns = weights.iter().zip(&self.columns);
        let terms = columns.map(|(&weight, &column)| {
            let product = i32::from(weight) * i32::from(row[usize::from(column)]);
            Term {
                part: Part::Column(column),
                value: f64::from(product) * sign,
            }
        });
        std::iter::once(base).chain(terms).collect()
    }

    /// Whether no partial sum can leave its 32 bits, whatever bytes come in.
    fn check(&self) -> Result<()> {
        for (weights, &bias) in self.weights.chunks(self.columns.len()).zip(&self.bias) {
            if bias == i32::MIN || !quantize::fits(weights.iter().copied(), bias, 1) {
                return Err(file("a score could leave its 32 bits"));
            }
        }
        Ok(())
    }

    /// Unit, the columns that count (how many, and a bit for each unless all do), biases, weights.
    pub(crate) fn write(&self, writer: &mut Writer, columns: u16) {
        writer.f32(self.unit);
        writer.u16(self.columns.len() as u16);
        if self.columns.len() < usize::from(columns) {
            let mut bits = vec![0u8; usize::from(columns).div_ceil(8)];
            for &column in &self.columns {
                bits[usize::from(column / 8)] |= 1 << (column % 8);
            }
            writer.bytes(&bits);
        }
        self.bias.iter().for_each(|&bias| writer.i32(bias));
        writer.i8s(&self.weights);
    }

    pub(crate) fn read(reader: &mut Reader<'_>, columns: u16, classes: u16) -> Result<Self> {
        let unit = reader.f32()?;
        let count = reader.u16()?;
        if unit <= 0.0 || count == 0 || count > columns {
            return Err(file(format!("{count} of {columns} columns, unit {unit}")));
        }
        let counting: Vec<u16> = if count < columns {
            let bits = reader.take(usize::from(columns).div_ceil(8))?;
            (0..columns)
                .filter(|column| (bits[usize::from(column / 8)] >> (column % 8)) & 1 == 1)
                .collect()
        } else {
            (0..columns).collect()
        };
        if counting.len() != usize::from(count) {
            return Err(file(format!(
                "{count} columns are said to count, {} do",
                counting.len()
            )));
        }
        let outputs = output_count(usize::from(classes));
        let made = Self {
            bias: reader.many(outputs, Reader::i32)?,
            weights: reader.i8s(outputs * counting.len())?,
            columns: counting,
            unit,
        };
        made.check()?;
        Ok(made)
    }
}

#[cfg(test)]
mod tests;
