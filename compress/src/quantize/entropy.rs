//! How much of a distribution is lost when its values are rounded (S. Migacz, "8-bit inference
//! with TensorRT", 2017, the search for a threshold; here for ranges with two ends).

use super::bits::Bits;
use super::histogram::Histogram;
use super::range::Scale;

/// What a bin of the rounded distribution holds at least, so that the logarithm is finite.
const LEAST: f64 = 1e-9;

/// The divergence of the rounded distribution from the values' own, by the range.
///
/// Values outside are counted at the ends of the reference; a level spreads what it holds evenly
/// over the bins that held anything.
pub(super) fn divergence(histogram: &Histogram, bits: Bits) -> impl Fn((f32, f32)) -> f64 {
    let bins: Vec<(f32, f64)> = histogram
        .bins()
        .map(|(value, count)| (value, count as f64))
        .collect();
    move |(low, high)| {
        let scale = Scale::covering(low, high, bits);
        let (low, high) = scale.ends();
        let all: f64 = bins.iter().map(|(_, count)| count).sum();
        let inside: Vec<_> = bins
            .iter()
            .filter(|(value, _)| (low..=high).contains(value))
            .collect();
        if inside.is_empty() {
            return f64::INFINITY;
        }
        let beyond = |outside: &dyn Fn(f32) -> bool| -> f64 {
            let bins = bins.iter().filter(|(value, _)| outside(*value));
            bins.map(|(_, count)| count).sum()
        };
        let (below, above) = (beyond(&|value| value < low), beyond(&|value| value > high));
        // Levels and how many counts and bins fall to each.
        let mut levels = vec![(0.0f64, 0u32); usize::from(bits.highest()) + 1];
        let level = |value: f32| {
            let number = (value / scale.scale).round_ties_even() + f32::from(scale.zero_point);
            number.clamp(0.0, f32::from(scale.highest)) as usize
        };
        for (value, count) in &inside {
            let held = &mut levels[level(*value)];
            *held = (held.0 + count, held.1 + 1);
        }
        let kept: f64 = inside.iter().map(|(_, count)| count).sum();
        inside
            .iter()
            .enumerate()
            .map(|(place, (value, count))| {
                let edge = if place == 0 { below } else { 0.0 }
                    + if place + 1 == inside.len() {
                        above
                    } else {
                        0.0
                    };
                let reference = (count + edge) / all;
                let (held, bins) = levels[level(*value)];
                let rounded = (held / f64::from(bins.max(1)) / kept).max(LEAST);
                reference * (reference / rounded).ln()
            })
            .sum()
    }
}
