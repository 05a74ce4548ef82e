//! The range of an activation that its 256 levels cover.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::histogram::Histogram;
use super::plan::Clipped;
use crate::{Error, Result};

/// Highest level of an 8-bit activation; the lowest is zero.
const LEVELS: f32 = 255.0;

/// The share of the values that percentile calibration covers if none is named, in percent.
const PERCENT: f64 = 99.99;

/// Steps by which a range is narrowed in search of the least error, and the narrowest tried.
const STEPS: usize = 48;
const NARROWEST: f32 = 0.25;

/// How the range of an activation is found from what was seen of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// From the smallest to the largest value.
    MinMax,
    /// So that this percentage of the values lies inside.
    Percentile(f64),
    /// So that the mean squared error of the rounded values is least.
    Mse,
    /// All of the above are tried, for all activations and for each kind of them; what comes
    /// nearest to the float model on calibration inputs is kept.
    Auto,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinMax => f.write_str("min-max"),
            Self::Percentile(percent) => write!(f, "percentile:{percent}"),
            Self::Mse => f.write_str("mse"),
            Self::Auto => f.write_str("auto"),
        }
    }
}

impl Serialize for Method {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Method {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let percentile =
            |percent: &str| percent.parse().ok().filter(|p| (50.0..=100.0).contains(p));
        match text {
            "min-max" => Ok(Self::MinMax),
            "mse" => Ok(Self::Mse),
            "auto" => Ok(Self::Auto),
            "percentile" => Ok(Self::Percentile(PERCENT)),
            other => other
                .strip_prefix("percentile:")
                .and_then(percentile)
                .map(Self::Percentile)
                .ok_or_else(|| {
                    Error::Description(format!(
                        "there is no calibration method {text:?}; known are auto, min-max, mse, \
                         percentile and percentile:P with P from 50 to 100"
                    ))
                }),
        }
    }
}

/// How an 8-bit activation stands for a number: `(level - zero_point) * scale`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Scale {
    /// The step between two levels.
    pub scale: f32,
    /// The level that stands for zero exactly.
    pub zero_point: u8,
}

impl Scale {
    /// Covers `low..high` and zero.
    pub(super) fn covering(low: f32, high: f32) -> Self {
        let (low, high) = (low.min(0.0), high.max(0.0));
        let scale = (high - low) / LEVELS;
        if scale < f32::MIN_POSITIVE {
            return Self {
                scale: 1.0,
                zero_point: 0,
            };
        }
        let zero_point = (-low / scale).round_ties_even().clamp(0.0, LEVELS) as u8;
        Self { scale, zero_point }
    }

    /// The number that `value` becomes when it is rounded to a level.
    pub(super) fn rounded(self, value: f32) -> f32 {
        let zero_point = f32::from(self.zero_point);
        let level = ((value / self.scale).round_ties_even() + zero_point).clamp(0.0, LEVELS);
        (level - zero_point) * self.scale
    }
}

/// The scale of an activation.
pub(super) fn choose(histogram: &Histogram, clipped: Option<Clipped>, method: Method) -> Scale {
    let Some((mut low, mut high)) = histogram.extremes() else {
        return Scale::covering(0.0, 0.0);
    };
    if let Method::Percentile(percent) = method
        && let Some(range) = histogram.percentile(percent / 100.0)
    {
        (low, high) = range;
    }
    if let Some(Clipped { high: bound }) = clipped {
        // What the clip cut off must not come back: the lowest level is zero, the highest at
        // most the clip's upper end.
        (low, high) = (0.0, high.min(bound));
    }
    if method == Method::Mse {
        (low, high) = least_error(histogram, low.min(0.0), high.max(0.0));
    }
    Scale::covering(low, high)
}

/// Narrows a range until the mean squared error is least: both ends, then each on its own.
fn least_error(histogram: &Histogram, low: f32, high: f32) -> (f32, f32) {
    let bins: Vec<_> = histogram
        .bins()
        .map(|(value, count)| (value, count as f64))
        .collect();
    let error = |range: (f32, f32)| -> f64 {
        let scale = Scale::covering(range.0, range.1);
        let squared = |value: f32| f64::from(value - scale.rounded(value)).powi(2);
        bins.iter()
            .map(|&(value, count)| count * squared(value))
            .sum()
    };
    let mut best = ((low, high), error((low, high)));
    let shares = (0..=STEPS).map(|step| 1.0 - (1.0 - NARROWEST) * step as f32 / STEPS as f32);
    let narrowings: [fn((f32, f32), f32) -> (f32, f32); 3] = [
        |(low, high), share| (low * share, high * share),
        |(low, high), share| (low * share, high),
        |(low, high), share| (low, high * share),
    ];
    for narrow in narrowings {
        let start = best.0;
        for share in shares.clone() {
            let range = narrow(start, share);
            let found = error(range);
            if found < best.1 {
                best = (range, found);
            }
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_exact_and_the_ends_are_covered() {
        for (low, high) in [
            (-1.0, 3.0),
            (0.0, 6.0),
            (-0.3, 0.001),
            (2.0, 9.0),
            (-5.0, -1.0),
        ] {
            let scale = Scale::covering(low, high);
            assert_eq!(scale.rounded(0.0).to_bits(), 0.0f32.to_bits());
            assert!(
                (scale.rounded(low) - low).abs() <= scale.scale,
                "{low} {high}"
            );
            assert!(
                (scale.rounded(high) - high).abs() <= scale.scale,
                "{low} {high}"
            );
        }
        assert!((Scale::covering(0.0, 6.0).rounded(100.0) - 6.0).abs() < 1e-6);
    }

    #[test]
    fn an_outlier_moves_the_range_only_if_it_is_asked_for() {
        let mut histogram = Histogram::new();
        let mut values: Vec<f32> = (0..200_000)
            .map(|place| (place as f32 * 0.1).sin())
            .collect();
        values.push(50.0);
        assert!(histogram.add(&values));
        let step = |method| choose(&histogram, None, method).scale;
        assert!(step(Method::MinMax) > 0.19);
        assert!(step(Method::Percentile(99.99)) < 0.01);
        assert!(step(Method::Mse) < step(Method::MinMax));
    }

    #[test]
    fn an_absorbed_clip_bounds_the_range() {
        let mut histogram = Histogram::new();
        assert!(histogram.add(&[-3.0, 0.0, 2.0, 9.0]));
        let scale = choose(&histogram, Some(Clipped { high: 6.0 }), Method::MinMax);
        assert_eq!(
            scale,
            Scale {
                scale: 6.0 / 255.0,
                zero_point: 0
            }
        );
    }

    #[test]
    fn words_and_methods_are_inverses() {
        for method in [
            Method::Auto,
            Method::MinMax,
            Method::Mse,
            Method::Percentile(99.9),
        ] {
            assert_eq!(method.to_string().parse::<Method>().unwrap(), method);
        }
        assert!("percentile:10".parse::<Method>().is_err());
        assert!("entropy".parse::<Method>().is_err());
    }
}
