//! Which samples belong together: views of one photo, frames of one film.

use std::collections::BTreeMap;

use super::Options;
use crate::statistics::{Interval, bootstrap, bootstrap_mean_by_group};

/// The group of each sample. Intervals are drawn by group, for samples of a group are not
/// independent of each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// The group of each sample, numbered from zero.
    of: Vec<u32>,
    count: usize,
    given: bool,
}

impl Groups {
    /// Every sample is a group of its own.
    pub fn each(samples: usize) -> Self {
        Self {
            of: (0..samples as u32).collect(),
            count: samples,
            given: false,
        }
    }

    /// Samples with the same number belong together.
    pub fn new(numbers: &[i64]) -> Self {
        let mut places = BTreeMap::new();
        let of = numbers
            .iter()
            .map(|number| {
                let next = places.len() as u32;
                *places.entry(number).or_insert(next)
            })
            .collect();
        Self {
            of,
            count: places.len(),
            given: true,
        }
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// The interval of a figure of weighted samples, weights being how often their group is drawn.
    pub(super) fn interval(
        &self,
        figure: &dyn Fn(&[f64]) -> Option<f64>,
        options: &Options,
    ) -> Option<Interval> {
        bootstrap(self.count, options.resamples, options.seed, |drawn| {
            let mut times = vec![0.0; self.count];
            drawn.iter().for_each(|&group| times[group] += 1.0);
            let weights: Vec<f64> = self.of.iter().map(|&group| times[group as usize]).collect();
            figure(&weights).unwrap_or(f64::NAN)
        })
    }

    /// The interval of the mean of `values`, if groups were given.
    pub(super) fn mean_interval(&self, values: &[f64], options: &Options) -> Option<Interval> {
        self.given
            .then(|| self.mean_interval_always(values, options))
            .flatten()
    }

    /// The interval of the mean of `values`.
    pub(super) fn mean_interval_always(
        &self,
        values: &[f64],
        options: &Options,
    ) -> Option<Interval> {
        let resamples = options.resamples.max(crate::statistics::RESAMPLES);
        bootstrap_mean_by_group(values, &self.of, resamples, options.seed)
    }
}
