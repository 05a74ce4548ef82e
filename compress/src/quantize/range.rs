//! The range of an activation that its levels, 256 of 8 bits, cover.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::bits::Bits;
use super::entropy;
use super::histogram::Histogram;
use super::plan::Clipped;
use crate::{Error, Result};

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
    /// So that the distribution of the rounded values is nearest to that of the values, by
    /// Kullback and Leibler.
    Entropy,
    /// All of the above but entropy are tried, for all activations and for each kind of them; what comes
    /// nearest to the float model on calibration inputs is kept.
    Auto,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinMax => f.write_str("min-max"),
            Self::Percentile(percent) => write!(f, "percentile:{percent}"),
            Self::Mse => f.write_str("mse"),
            Self::Entropy => f.write_str("entropy"),
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
            "entropy" => Ok(Self::Entropy),
            "auto" => Ok(Self::Auto),
            "percentile" => Ok(Self::Percentile(PERCENT)),
            other => other
                .strip_prefix("percentile:")
                .and_then(percentile)
                .map(Self::Percentile)
                .ok_or_else(|| {
                    Error::Description(format!(
                        "there is no calibration method {text:?}; known are auto, min-max, mse, \
                         entropy, percentile and percentile:P with P from 50 to 100"
                    ))
                }),
        }
    }
}

/// How an activation's level stands for a number: `(level - zero_point) * scale`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Scale {
    /// The step between two levels.
    pub scale: f32,
    /// The level that stands for zero exactly.
    pub zero_point: u8,
    /// The highest level, 255 of 8 bits; the lowest is zero.
    pub highest: u8,
}

impl Scale {
    /// Covers `low..high` and zero.
    pub(super) fn covering(low: f32, high: f32, bits: Bits) -> Self {
        let highest = bits.highest();
        let (low, high) = (low.min(0.0), high.max(0.0));
        let scale = (high - low) / f32::from(highest);
        if scale < f32::MIN_POSITIVE {
            return Self {
                scale: 1.0,
                zero_point: 0,
                highest,
            };
        }
        let zero_point = (-low / scale)
            .round_ties_even()
            .clamp(0.0, f32::from(highest)) as u8;
        Self {
            scale,
            zero_point,
            highest,
        }
    }

    /// The number that `value` becomes when it is rounded to a level.
    pub(super) fn rounded(self, value: f32) -> f32 {
        let zero_point = f32::from(self.zero_point);
        let level = (value / self.scale).round_ties_even() + zero_point;
        (level.clamp(0.0, f32::from(self.highest)) - zero_point) * self.scale
    }

    /// The numbers that the lowest and the highest level stand for.
    pub(super) fn ends(self) -> (f32, f32) {
        let end = |level: u8| (f32::from(level) - f32::from(self.zero_point)) * self.scale;
        (end(0), end(self.highest))
    }
}

/// The scale of an activation.
pub(super) fn choose(
    histogram: &Histogram,
    clipped: Option<Clipped>,
    method: Method,
    bits: Bits,
) -> Scale {
    let Some((mut low, mut high)) = histogram.extremes() else {
        return Scale::covering(0.0, 0.0, bits);
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
    let whole = (low.min(0.0), high.max(0.0));
    (low, high) = match method {
        Method::Mse => narrowed(whole, &squared_error(histogram, bits)),
        Method::Entropy => narrowed(whole, &entropy::divergence(histogram, bits)),
        Method::MinMax | Method::Percentile(_) | Method::Auto => whole,
    };
    Scale::covering(low, high, bits)
}

/// The sum of squared errors of the rounded values, by the range.
fn squared_error(histogram: &Histogram, bits: Bits) -> impl Fn((f32, f32)) -> f64 {
    let bins: Vec<_> = histogram
        .bins()
        .map(|(value, count)| (value, count as f64))
        .collect();
    move |(low, high)| {
        let scale = Scale::covering(low, high, bits);
        let squared = |value: f32| f64::from(value - scale.rounded(value)).powi(2);
        bins.iter()
            .map(|&(value, count)| count * squared(value))
            .sum()
    }
}

/// Narrows a range until `cost` is least: both ends, then each on its own.
fn narrowed(whole: (f32, f32), cost: &dyn Fn((f32, f32)) -> f64) -> (f32, f32) {
    let mut best = (whole, cost(whole));
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
            let found = cost(range);
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
            let scale = Scale::covering(low, high, Bits::EIGHT);
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
        assert!((Scale::covering(0.0, 6.0, Bits::EIGHT).rounded(100.0) - 6.0).abs() < 1e-6);
    }

    #[test]
    fn an_outlier_moves_the_range_only_if_it_is_asked_for() {
        let mut histogram = Histogram::new();
        let mut values: Vec<f32> = (0..200_000)
            .map(|place| (place as f32 * 0.1).sin())
            .collect();
        values.push(50.0);
        assert!(histogram.add(&values));
        let step = |method| choose(&histogram, None, method, Bits::EIGHT).scale;
        assert!(step(Method::MinMax) > 0.19);
        assert!(step(Method::Percentile(99.99)) < 0.01);
        assert!(step(Method::Mse) < step(Method::MinMax));
        assert!(step(Method::Entropy) < step(Method::MinMax));
    }

    #[test]
    fn an_absorbed_clip_bounds_the_range() {
        let mut histogram = Histogram::new();
        assert!(histogram.add(&[-3.0, 0.0, 2.0, 9.0]));
        let clipped = Some(Clipped { high: 6.0 });
        let scale = choose(&histogram, clipped, Method::MinMax, Bits::EIGHT);
        assert_eq!(
            scale,
            Scale {
                scale: 6.0 / 255.0,
                zero_point: 0,
                highest: 255,
            }
        );
    }

    #[test]
    fn words_and_methods_are_inverses() {
        for method in [
            Method::Auto,
            Method::MinMax,
            Method::Mse,
            Method::Entropy,
            Method::Percentile(99.9),
        ] {
            assert_eq!(method.to_string().parse::<Method>().unwrap(), method);
        }
        assert!("percentile:10".parse::<Method>().is_err());
        assert!("kind".parse::<Method>().is_err());
    }
}
