//! Shares, such as accuracies, and their Wilson intervals.

use std::fmt;

use serde::Serialize;

use super::{Interval, Z};

/// How many of how many, with the 95 % Wilson interval of the share.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Proportion {
    /// How many were counted.
    pub count: u64,
    /// How many there were.
    pub of: u64,
    /// The share; zero of none is zero.
    pub share: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Proportion {
    /// The share of `count` in `of`, which is at least `count`.
    pub fn new(count: u64, of: u64) -> Self {
        let Interval { low, high } = wilson(count, of);
        Self {
            count,
            of,
            share: count as f64 / of.max(1) as f64,
            low,
            high,
        }
    }

    /// The share of `true` in `values`.
    pub fn of(values: &[bool]) -> Self {
        let count = values.iter().filter(|value| **value).count();
        Self::new(count as u64, values.len() as u64)
    }
}

impl fmt::Display for Proportion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            count,
            of,
            share,
            low,
            high,
        } = self;
        write!(
            f,
            "{share:.4} ({count} of {of}; 95 %: {low:.4} to {high:.4})"
        )
    }
}

/// The 95 % Wilson score interval of `count` in `of` (Wilson 1927); 0 to 1 if `of` is zero.
pub fn wilson(count: u64, of: u64) -> Interval {
    if of == 0 {
        return Interval {
            low: 0.0,
            high: 1.0,
        };
    }
    let (trials, share) = (of as f64, count as f64 / of as f64);
    let squared = Z * Z / trials;
    let centre = share + squared / 2.0;
    let half = Z * ((share * (1.0 - share) + squared / 4.0) / trials).sqrt();
    Interval {
        low: ((centre - half) / (1.0 + squared)).max(0.0),
        high: ((centre + half) / (1.0 + squared)).min(1.0),
    }
}
