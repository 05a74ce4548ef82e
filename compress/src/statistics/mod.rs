//! How sure a measured figure is: intervals and paired tests.
//!
//! Everything here is pure and repeats: what draws at random takes a seed.

mod bootstrap;
mod mean;
mod paired;
mod proportion;

use serde::Serialize;

pub use bootstrap::{Draws, RESAMPLES, bootstrap, bootstrap_mean_by_group, bootstrap_ratio};
pub use mean::{mean, mean_interval, median};
pub use paired::{Discordant, Paired};
pub use proportion::{Proportion, wilson};

/// The factor of a two-sided 95 % interval of a normal distribution.
pub(crate) const Z: f64 = 1.959_963_984_540_054;

/// The 95 % interval of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Whether `value` is inside, the ends included.
    pub fn contains(self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

#[cfg(test)]
mod tests;
