//! The linear part of a regression: recursive least squares with forgetting.

use super::OnlineForest;

/// What a sample still counts when one more is seen.
const KEPT: f32 = 0.9995;
/// Variance of weights before anything is known; features are standardized.
const UNKNOWN: f32 = 100.0;
/// Beyond it, nothing is gained and digits are lost.
const VARIANCE_AT_MOST: f32 = 1e4;

impl OnlineForest {
    pub(super) fn forget_linear(&mut self) {
        let (weights, at) = (self.layout.weights, self.layout.covariance);
        let (count, words) = (at - weights, self.layout.covariance_words);
        self.arena.clear(weights, count + words);
        for index in 0..count {
            let place = if words == count {
                index
            } else {
                diagonal(index)
            };
            self.arena.set_real(at + place, UNKNOWN);
        }
    }

    pub(super) fn linear(&self, sample: &[f32]) -> f32 {
        let at = self.layout.weights;
        let terms = sample.iter().enumerate();
        let sum: f32 = terms
            .map(|(feature, &value)| {
                self.arena.real(at + feature) * self.standardized(feature, value)
            })
            .sum();
        sum + self.arena.real(at + sample.len())
    }

    /// Learns, and returns what the linear part said before.
    pub(super) fn learn_linear(&mut self, sample: &[f32], value: f32) -> f32 {
        let said = self.linear(sample);
        let count = sample.len() + 1;
        let mut input = [0.0_f32; 129];
        for (feature, &value) in sample.iter().enumerate() {
            input[feature] = self.standardized(feature, value);
        }
        input[sample.len()] = 1.0;
        if self.layout.covariance_words == count {
            self.learn_by_steps(&input[..count], value - said);
        } else {
            self.learn_by_covariance(&input[..count], value - said);
        }
        said
    }

    fn learn_by_covariance(&mut self, input: &[f32], error: f32) {
        let (weights, at) = (self.layout.weights, self.layout.covariance);
        let mut gain = [0.0_f32; 129];
        for (row, gain) in gain.iter_mut().enumerate().take(input.len()) {
            let terms = input.iter().enumerate();
            *gain = terms
                .map(|(column, x)| self.arena.real(at + packed(row, column)) * x)
                .sum();
        }
        let spread: f32 = input.iter().zip(&gain).map(|(x, g)| x * g).sum();
        let divisor = KEPT + spread;
        if !(error.is_finite() && divisor.is_finite() && divisor > 0.0) {
            return;
        }
        for (row, row_gain) in gain.iter().enumerate().take(input.len()) {
            let step = row_gain / divisor;
            let weight = self.arena.real(weights + row) + step * error;
            self.arena.set_real(weights + row, weight);
            for (column, column_gain) in gain.iter().enumerate().take(row + 1) {
                let place = at + packed(row, column);
                let value = (self.arena.real(place) - step * column_gain) / KEPT;
                let value = if row == column {
                    value.clamp(1e-9, VARIANCE_AT_MOST)
                } else {
                    value
                };
                self.arena.set_real(place, value);
            }
        }
    }

    /// A step size a weight, from the squares seen so far.
    fn learn_by_steps(&mut self, input: &[f32], error: f32) {
        let (weights, at) = (self.layout.weights, self.layout.covariance);
        let power: f32 = input.iter().map(|x| x * x).sum();
        if !error.is_finite() || !power.is_finite() {
            return;
        }
        for (index, &x) in input.iter().enumerate() {
            let squares = KEPT * self.arena.real(at + index) + x * x;
            self.arena.set_real(at + index, squares);
            let rate = (1.0 / (1.0 + power)).min(4.0 / squares.max(1.0).sqrt());
            let weight = self.arena.real(weights + index) + rate * error * x / 2.0;
            self.arena.set_real(weights + index, weight);
        }
    }

    /// In deviations from the mean, at most ten.
    fn standardized(&self, feature: usize, value: f32) -> f32 {
        ((value - self.mean(feature)) / self.spread(feature)).clamp(-10.0, 10.0)
    }
}

const fn diagonal(index: usize) -> usize {
    index * (index + 1) / 2 + index
}

const fn packed(row: usize, column: usize) -> usize {
    if row >= column {
        row * (row + 1) / 2 + column
    } else {
        column * (column + 1) / 2 + row
    }
}
