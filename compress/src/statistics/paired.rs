//! Two classifiers on the same samples: only the samples on which they differ tell them apart.

use serde::Serialize;

use super::{Interval, Z};

/// On how many samples just one of two classifiers is right. Counts of several seeds may be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Discordant {
    /// Samples that only the first gets right.
    pub only_first: u64,
    /// Samples that only the second gets right.
    pub only_second: u64,
    /// All samples.
    pub of: u64,
}

/// Two classifiers compared on the same samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Paired {
    /// What the test is made from.
    #[serde(flatten)]
    pub counts: Discordant,
    /// Accuracy of the second less that of the first.
    pub difference: f64,
    /// Lower end of the difference's 95 % interval.
    pub low: f64,
    /// Upper end of the difference's 95 % interval.
    pub high: f64,
    /// Two-sided p-value of McNemar's exact test.
    pub p_value: f64,
}

impl Paired {
    /// The accuracy that was lost from the first to the second, and the ends of its interval.
    pub fn loss(&self) -> (f64, f64, f64) {
        // Not negated: no loss is 0, not −0.
        (0.0 - self.difference, 0.0 - self.high, 0.0 - self.low)
    }
}

impl Discordant {
    /// Counts over two lists of "is right", one entry a sample. `None` if they differ in length.
    pub fn count(first: &[bool], second: &[bool]) -> Option<Self> {
        if first.len() != second.len() {
            return None;
        }
        let only = |left: &[bool], right: &[bool]| {
            let pairs = left.iter().zip(right);
            pairs.filter(|(left, right)| **left && !**right).count() as u64
        };
        Some(Self {
            only_first: only(first, second),
            only_second: only(second, first),
            of: first.len() as u64,
        })
    }

    /// The counts of both, as for the seeds of an experiment.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            only_first: self.only_first + other.only_first,
            only_second: self.only_second + other.only_second,
            of: self.of + other.of,
        }
    }

    /// Two-sided p-value of McNemar's exact test: the chance that a fair coin, thrown once for
    /// each sample on which they differ, is at least as lopsided.
    pub fn p_value(self) -> f64 {
        let fewer = self.only_first.min(self.only_second);
        let thrown = self.only_first + self.only_second;
        (2.0 * fair_tail(fewer, thrown)).min(1.0)
    }

    /// One-sided p-value: the chance of so many or more for the second if both were equally good.
    pub fn p_second_better(self) -> f64 {
        fair_tail(self.only_first, self.only_first + self.only_second)
    }

    /// The 95 % interval of the second's accuracy less the first's (Bonett and Price 2012: one
    /// pseudo-sample for each way to differ, then a normal interval).
    pub fn difference(self) -> Interval {
        let of = self.of as f64 + 2.0;
        let first = (self.only_first as f64 + 1.0) / of;
        let second = (self.only_second as f64 + 1.0) / of;
        let centre = second - first;
        let half = Z * ((first + second - centre * centre) / of).sqrt();
        Interval {
            low: (centre - half).max(-1.0),
            high: (centre + half).min(1.0),
        }
    }

    /// The test and the interval.
    pub fn test(self) -> Paired {
        let Interval { low, high } = self.difference();
        let difference = self.only_second as f64 - self.only_first as f64;
        Paired {
            counts: self,
            difference: difference / self.of.max(1) as f64,
            low,
            high,
            p_value: self.p_value(),
        }
    }
}

/// The chance of at most `heads` heads in `thrown` throws of a fair coin.
fn fair_tail(heads: u64, thrown: u64) -> f64 {
    // Terms relative to the largest, the last, so that none overflows: C(n, k-1) = C(n, k) k/(n-k+1).
    let (mut term, mut sum) = (1.0f64, 0.0f64);
    let mut place = heads;
    loop {
        sum += term;
        if place == 0 || term < sum * f64::EPSILON / 4.0 && 2 * place < thrown {
            break;
        }
        term *= place as f64 / (thrown - place + 1) as f64;
        place -= 1;
    }
    (log_choose(thrown, heads) - thrown as f64 * std::f64::consts::LN_2 + sum.ln()).exp()
}

/// The natural logarithm of the number of ways to choose `part` of `whole`.
fn log_choose(whole: u64, part: u64) -> f64 {
    log_factorial(whole) - log_factorial(part) - log_factorial(whole - part)
}

/// The natural logarithm of a factorial: summed up to 256, by Stirling's series beyond.
fn log_factorial(number: u64) -> f64 {
    if number <= 256 {
        return (2..=number).map(|factor| (factor as f64).ln()).sum();
    }
    let n = number as f64;
    let half_log_two_pi = 0.5 * (2.0 * std::f64::consts::PI).ln();
    n * n.ln() - n + 0.5 * n.ln() + half_log_two_pi + 1.0 / (12.0 * n) - 1.0 / (360.0 * n * n * n)
}
