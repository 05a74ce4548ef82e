//! Intervals by drawing again from what was measured (Efron 1979), whole groups at a time: views
//! of one photo are no independent samples.

use std::collections::BTreeMap;

use super::{Interval, median};

/// Resamples that give steady ends of a 95 % interval.
pub const RESAMPLES: usize = 2_000;

/// Numbers drawn at random, the same for the same seed (splitmix64).
#[derive(Debug, Clone)]
pub struct Draws {
    state: u64,
}

impl Draws {
    /// Starts at `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number in `0..bound`; zero if `bound` is zero.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// A number in 0..1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The 95 % percentile interval of `statistic`, which gets the drawn places of `0..groups`, as many
/// as there are groups. `None` of fewer than two groups or if a statistic is no number.
pub fn bootstrap(
    groups: usize,
    resamples: usize,
    seed: u64,
    mut statistic: impl FnMut(&[usize]) -> f64,
) -> Option<Interval> {
    if groups < 2 || resamples == 0 {
        return None;
    }
    let mut draws = Draws::new(seed);
    let mut drawn = vec![0; groups];
    let mut values = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        drawn
            .iter_mut()
            .for_each(|place| *place = draws.below(groups));
        values.push(statistic(&drawn));
    }
    if values.iter().any(|value| value.is_nan()) {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((resamples as f64 - 1.0) * share).round() as usize];
    Some(Interval {
        low: at(0.025),
        high: at(0.975),
    })
}

/// The 95 % interval of the mean of `values`, drawn by group: `group_of` has an entry for each.
///
/// `None` if the lists differ in length or there are fewer than two groups.
pub fn bootstrap_mean_by_group<G: Ord>(
    values: &[f64],
    group_of: &[G],
    resamples: usize,
    seed: u64,
) -> Option<Interval> {
    if values.len() != group_of.len() {
        return None;
    }
    let mut sums: BTreeMap<&G, (f64, f64)> = BTreeMap::new();
    for (value, group) in values.iter().zip(group_of) {
        let (sum, count) = sums.entry(group).or_default();
        *sum += value;
        *count += 1.0;
    }
    let sums: Vec<(f64, f64)> = sums.into_values().collect();
    bootstrap(sums.len(), resamples, seed, |drawn| {
        let (sum, count) = drawn.iter().fold((0.0, 0.0), |(sum, count), &place| {
            (sum + sums[place].0, count + sums[place].1)
        });
        sum / count
    })
}

/// The median of `second[i] / first[i]` and its 95 % interval, for runs that took turns.
///
/// `None` if the lists differ in length, hold fewer than two pairs, or hold zeros.
pub fn bootstrap_ratio(
    first: &[f64],
    second: &[f64],
    resamples: usize,
    seed: u64,
) -> Option<(f64, Interval)> {
    if first.len() != second.len() || first.iter().any(|&value| value <= 0.0) {
        return None;
    }
    let ratios: Vec<f64> = second.iter().zip(first).map(|(s, f)| s / f).collect();
    let interval = bootstrap(ratios.len(), resamples, seed, |drawn| {
        let drawn: Vec<f64> = drawn.iter().map(|&place| ratios[place]).collect();
        median(&drawn).unwrap_or(f64::NAN)
    })?;
    Some((median(&ratios)?, interval))
}
