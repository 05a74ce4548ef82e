//! The one-class option: every feature's middle, its two sides, and how far each side may go.

use super::tail::SCORES_AT_LEAST;
use super::{AnomalyError, checked, limit};

/// What a feature was in clean data.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Side {
    middle: f32,
    /// How far below the middle, and how far above, is the limit.
    reach: [f32; 2],
}

/// The limits of every feature; a row's score is its worst feature's part of the limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    sides: Vec<Side>,
}

impl Envelope {
    /// From clean rows; `rate` of them pass some limit.
    pub fn fit(rows: &[f32], columns: usize, rate: f64) -> Result<Self, AnomalyError> {
        let found = checked(rows, columns)?;
        if found < SCORES_AT_LEAST {
            let needed = SCORES_AT_LEAST;
            return Err(AnomalyError::Rows { found, needed });
        }
        let share = rate / (2 * columns) as f64;
        let mut sides = Vec::with_capacity(columns);
        for column in 0..columns {
            let values: Vec<f32> = rows.iter().skip(column).step_by(columns).copied().collect();
            sides.push(Side::fit(&values, share)?);
        }
        Ok(Self { sides })
    }

    /// Above 1: outside. NaN is outside.
    pub fn score(&self, row: &[f32]) -> f32 {
        self.worst(row).1
    }

    /// The feature that lies farthest out, and how far: above 1 is outside.
    pub fn worst(&self, row: &[f32]) -> (usize, f32) {
        let scores = self
            .sides
            .iter()
            .zip(row)
            .map(|(side, value)| side.score(*value));
        let mut worst = (0, 0.0);
        for (feature, score) in scores.enumerate() {
            if score.is_nan() || score > worst.1 {
                worst = (feature, if score.is_nan() { f32::INFINITY } else { score });
            }
        }
        worst
    }

    /// Size of what it knows.
    pub fn bytes(&self) -> usize {
        self.sides.len() * size_of::<Side>()
    }
}

impl Side {
    fn fit(values: &[f32], rate: f64) -> Result<Self, AnomalyError> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f32::total_cmp);
        let middle = sorted[sorted.len() / 2];
        let below: Vec<f32> = values.iter().map(|value| middle - value).collect();
        let above: Vec<f32> = values.iter().map(|value| value - middle).collect();
        // A constant feature has no sides: the smallest change is outside.
        let least = middle.abs().max(1e-6) * 1e-6;
        let reach = [
            limit(&below, rate)?.max(least),
            limit(&above, rate)?.max(least),
        ];
        Ok(Self { middle, reach })
    }

    fn score(&self, value: f32) -> f32 {
        let off = value - self.middle;
        if off < 0.0 {
            -off / self.reach[0]
        } else {
            off / self.reach[1]
        }
    }
}
