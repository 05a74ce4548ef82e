//! How close the answers of one model are to those of another, without any labels.

use serde::Serialize;

use super::{Groups, Options};
use crate::report::signal_to_noise;
use crate::statistics::Interval;
use crate::{Error, Result};

/// How close one output is to that of another model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fidelity {
    /// The output's name, in the model that is evaluated.
    pub output: String,
    /// Mean cosine between the answers.
    pub cosine: f64,
    /// The smallest.
    pub worst_cosine: f64,
    /// Mean ratio of signal to noise, in decibels.
    pub sqnr_db: f64,
    /// The interval of that mean, drawn by group.
    pub sqnr_interval: Option<Interval>,
    /// The smallest.
    pub worst_sqnr_db: f64,
    /// The largest difference of two numbers.
    pub largest_difference: f64,
}

/// Differences as they come, sample by sample.
pub(super) struct Gathered {
    output: String,
    cosines: Vec<f64>,
    decibels: Vec<f64>,
    largest: f64,
}

impl Gathered {
    pub(super) fn new(output: String) -> Self {
        Self {
            output,
            cosines: Vec::new(),
            decibels: Vec::new(),
            largest: 0.0,
        }
    }

    pub(super) fn add(&mut self, expected: &[f32], actual: &[f32]) -> Result<()> {
        if expected.len() != actual.len() || expected.is_empty() {
            let (left, right) = (expected.len(), actual.len());
            let output = &self.output;
            return Err(Error::Compare(format!(
                "the outputs {output} have {left} and {right} numbers"
            )));
        }
        self.cosines.push(cosine(expected, actual));
        self.decibels.push(signal_to_noise(expected, actual));
        for (&expected, &actual) in expected.iter().zip(actual) {
            let difference = (f64::from(expected) - f64::from(actual)).abs();
            // A number against none is as far as can be; of equal infinities nothing differs.
            if difference > self.largest
                || difference.is_nan() && expected.to_bits() != actual.to_bits()
            {
                self.largest = if difference.is_nan() {
                    f64::INFINITY
                } else {
                    difference
                };
            }
        }
        Ok(())
    }

    pub(super) fn finish(self, groups: &Groups, options: &Options) -> Fidelity {
        let mean = |values: &[f64]| crate::statistics::mean(values).unwrap_or(0.0);
        let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
        Fidelity {
            cosine: mean(&self.cosines),
            worst_cosine: least(&self.cosines),
            sqnr_db: mean(&self.decibels),
            sqnr_interval: groups.mean_interval_always(&self.decibels, options),
            worst_sqnr_db: least(&self.decibels),
            largest_difference: self.largest,
            output: self.output,
        }
    }
}

/// The cosine of the angle between two lists of numbers; 1 of two that are zero, 0 if just one is
/// or if one holds something that is no number.
pub fn cosine(left: &[f32], right: &[f32]) -> f64 {
    let product = |left: &[f32], right: &[f32]| -> f64 {
        let pairs = left.iter().zip(right);
        pairs.map(|(&l, &r)| f64::from(l) * f64::from(r)).sum()
    };
    let (own, other) = (product(left, left), product(right, right));
    if own == 0.0 && other == 0.0 {
        return 1.0;
    }
    let cosine = product(left, right) / (own.sqrt() * other.sqrt());
    if cosine.is_finite() {
        cosine.clamp(-1.0, 1.0)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_are_right() {
        assert!((cosine(&[1.0, 0.0], &[0.0, 3.0])).abs() < 1e-12);
        assert!((cosine(&[1.0, 1.0], &[1.0, 0.0]) - 0.5f64.sqrt()).abs() < 1e-12);
        assert!((cosine(&[0.0], &[0.0]) - 1.0).abs() < 1e-12);
        assert!(cosine(&[0.0], &[1.0]).abs() < 1e-12);
        assert!(cosine(&[f32::NAN], &[1.0]).abs() < 1e-12);
    }

    #[test]
    fn a_number_against_none_is_infinitely_far() {
        let mut gathered = Gathered::new("y".into());
        gathered.add(&[1.0, 2.0], &[1.5, 2.0]).unwrap();
        assert!((gathered.largest - 0.5).abs() < 1e-12);
        gathered.add(&[1.0, 2.0], &[f32::NAN, 2.0]).unwrap();
        assert!(gathered.largest.is_infinite());
        assert!(gathered.add(&[1.0], &[1.0, 2.0]).is_err());
    }
}
