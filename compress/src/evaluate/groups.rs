//! Which samples belong together: views of one photo, frames of one film.

use std::collections::BTreeMap;

use noroshi_train::Random;

use super::Options;
use crate::statistics::{Interval, bootstrap, bootstrap_mean_by_group};
use crate::{Error, Result};

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

    /// Places to learn from, and places that are held out: whole groups, until at least `share` of
    /// all is held. Both are in order. An error unless both have a sample.
    pub fn split(&self, share: f32, seed: u64) -> Result<(Vec<usize>, Vec<usize>)> {
        let mut order: Vec<u32> = (0..self.count as u32).collect();
        Random::new(seed).shuffle(&mut order);
        let mut sizes = vec![0usize; self.count];
        self.of.iter().for_each(|&group| sizes[group as usize] += 1);
        let wanted = (self.of.len() as f64 * f64::from(share)).round() as usize;
        let (mut held, mut taken) = (vec![false; self.count], 0);
        for group in order.into_iter().map(|group| group as usize) {
            if taken >= wanted {
                break;
            }
            held[group] = true;
            taken += sizes[group];
        }
        let (out, kept): (Vec<usize>, Vec<usize>) =
            (0..self.of.len()).partition(|&place| held[self.of[place] as usize]);
        if out.is_empty() || kept.is_empty() {
            let (samples, groups) = (self.of.len(), self.count);
            return Err(Error::Compare(format!(
                "{share} of {samples} samples in {groups} groups can't be held out: bring more"
            )));
        }
        Ok((kept, out))
    }

    /// The groups of the samples at these places.
    ///
    /// # Panics
    /// If there is no such sample.
    #[must_use]
    pub fn select(&self, places: &[usize]) -> Self {
        if !self.given {
            return Self::each(places.len());
        }
        let of = places.iter().map(|&place| i64::from(self.of[place]));
        Self::new(&of.collect::<Vec<_>>())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_held_out_whole() {
        let numbers: Vec<i64> = (0..60).map(|place| place / 4).collect();
        let groups = Groups::new(&numbers);
        let (kept, held) = groups.split(0.25, 3).unwrap();
        assert_eq!((kept.len(), held.len()), (44, 16));
        assert!(
            held.iter()
                .all(|&one| kept.iter().all(|&other| one / 4 != other / 4))
        );
        assert_eq!(groups.split(0.25, 3).unwrap(), (kept, held.clone()));
        assert_ne!(groups.split(0.25, 4).unwrap().1, held);
        assert_eq!(groups.select(&held).count, 4);
        assert!(Groups::new(&[7; 9]).split(0.5, 1).is_err());
        assert!(Groups::each(9).split(0.0, 1).is_err());
    }
}
