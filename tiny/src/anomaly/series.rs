//! A series, one value at a time: what it does over windows, held against what it did.

use std::collections::VecDeque;

use super::{AnomalyError, Envelope, checked};

/// Values that are kept.
pub const WINDOW: usize = 128;
/// Features of every value; see [`Watch::names`].
pub const FEATURES: usize = 6;
/// Values that the prediction looks back.
const BACK: usize = 8;
/// The short window.
const SHORT: usize = 24;
/// Differences are never smaller for the logarithm.
const STILL: f32 = 1e-6;

/// Watches a series for spikes, shifts, drifts and flat lines. Its memory never grows.
#[derive(Debug, Clone, PartialEq)]
pub struct Watch {
    /// Weights of the last values, then a constant.
    weights: [f32; BACK + 1],
    /// What the values are measured by.
    middle: f32,
    spread: f32,
    envelope: Envelope,
    values: VecDeque<f32>,
    errors: VecDeque<f32>,
}

impl Watch {
    /// What the features are called.
    pub const fn names() -> [&'static str; FEATURES] {
        [
            "surprise",
            "short surprise",
            "short level",
            "level",
            "slope",
            "movement",
        ]
    }

    /// From a clean series; `rate` of its values give an alarm.
    pub fn fit(clean: &[f32], rate: f64) -> Result<Self, AnomalyError> {
        let found = checked(clean, 1)?;
        let needed = 20 * WINDOW;
        if found < needed {
            return Err(AnomalyError::Rows { found, needed });
        }
        let count = clean.len() as f64;
        let mean = clean.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
        let squares = clean.iter().map(|value| (f64::from(*value) - mean).powi(2));
        let spread = (squares.sum::<f64>() / count).sqrt().max(1e-12);
        let mut watch = Self {
            weights: [0.0; BACK + 1],
            middle: mean as f32,
            spread: spread as f32,
            envelope: Envelope::fit(&[0.0; 256], 1, 0.1)?,
            values: VecDeque::with_capacity(WINDOW),
            errors: VecDeque::with_capacity(SHORT),
        };
        let scaled: Vec<f32> = clean.iter().map(|value| watch.scaled(*value)).collect();
        watch.weights = predictor(&scaled);
        let mut rows = Vec::with_capacity(clean.len() * FEATURES);
        for &value in clean {
            rows.extend(watch.take(value).iter().flatten());
        }
        watch.envelope = Envelope::fit(&rows, FEATURES, rate)?;
        watch.restart();
        Ok(watch)
    }

    /// Forgets the values seen, not what was learned.
    pub fn restart(&mut self) {
        self.values.clear();
        self.errors.clear();
    }

    /// Takes the next value. The score is above 1 for an alarm, and the feature says why; `None`
    /// until the window is full. A value that is no number is an alarm.
    pub fn next(&mut self, value: f32) -> Option<(f32, &'static str)> {
        if !value.is_finite() {
            return Some((f32::INFINITY, "no number"));
        }
        let row = self.take(value)?;
        let (feature, score) = self.envelope.worst(&row);
        Some((score, Self::names()[feature]))
    }

    /// Size of what it knows and keeps.
    pub fn bytes(&self) -> usize {
        (BACK + 3 + WINDOW + SHORT) * size_of::<f32>() + self.envelope.bytes()
    }

    fn scaled(&self, value: f32) -> f32 {
        ((value - self.middle) / self.spread).clamp(-1e6, 1e6)
    }

    fn take(&mut self, value: f32) -> Option<[f32; FEATURES]> {
        let value = self.scaled(value);
        let error = value - self.predicted();
        if self.values.len() == WINDOW {
            self.values.pop_front();
        }
        if self.errors.len() == SHORT {
            self.errors.pop_front();
        }
        self.values.push_back(value);
        self.errors.push_back(error);
        (self.values.len() == WINDOW).then(|| self.features(error))
    }

    fn predicted(&self) -> f32 {
        let last = self.values.iter().rev().zip(&self.weights);
        last.take(BACK)
            .map(|(value, weight)| value * weight)
            .sum::<f32>()
            + self.weights[BACK]
    }

    fn features(&self, error: f32) -> [f32; FEATURES] {
        let mean = |values: &mut dyn Iterator<Item = f32>, count: usize| {
            values.sum::<f32>() / count as f32
        };
        let newest = |count: usize| self.values.iter().rev().take(count).copied();
        let middle = (WINDOW - 1) as f32 / 2.0;
        let slope = self
            .values
            .iter()
            .enumerate()
            .map(|(at, value)| (at as f32 - middle) * value);
        let steps = newest(SHORT)
            .zip(newest(SHORT + 1).skip(1))
            .map(|(one, other)| (one - other).abs());
        [
            error,
            mean(&mut self.errors.iter().copied(), SHORT),
            mean(&mut newest(SHORT), SHORT),
            mean(&mut newest(WINDOW), WINDOW),
            slope.sum::<f32>() / (middle * middle * WINDOW as f32),
            (steps.sum::<f32>() / SHORT as f32).max(STILL).ln(),
        ]
    }
}

/// Least squares of a value on the ones before it and a constant.
fn predictor(values: &[f32]) -> [f32; BACK + 1] {
    const SIZE: usize = BACK + 1;
    let mut system = [[0.0_f64; SIZE + 1]; SIZE];
    for window in values.windows(BACK + 1) {
        let mut row = [1.0_f64; SIZE + 1];
        for (at, value) in row[..BACK].iter_mut().enumerate() {
            *value = f64::from(window[BACK - 1 - at]);
        }
        row[SIZE] = f64::from(window[BACK]);
        for (one, sums) in row[..SIZE].iter().zip(&mut system) {
            for (sum, other) in sums.iter_mut().zip(&row) {
                *sum += one * other;
            }
        }
    }
    let ridge = 1e-6 * values.len() as f64;
    for (at, sums) in system.iter_mut().enumerate() {
        sums[at] += ridge;
    }
    solve(&mut system).map(|weight| weight as f32)
}

/// Gauss and Jordan; the ridge keeps every pivot above zero.
fn solve<const N: usize, const W: usize>(system: &mut [[f64; W]; N]) -> [f64; N] {
    for pivot in 0..N {
        let divisor = system[pivot][pivot].max(1e-30);
        let row = system[pivot].map(|value| value / divisor);
        system[pivot] = row;
        for (other, sums) in system.iter_mut().enumerate() {
            if other == pivot {
                continue;
            }
            let factor = sums[pivot];
            for (sum, value) in sums.iter_mut().zip(&row) {
                *sum -= factor * value;
            }
        }
    }
    system.map(|row| row[N])
}
