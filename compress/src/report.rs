//! Two models side by side.

/// Signal-to-noise ratio of `actual` against `expected` in decibels, at most 200.
///
/// Infinite ratios, of equal outputs, are cut off there, so that means stay finite.
pub fn signal_to_noise(expected: &[f32], actual: &[f32]) -> f64 {
    const CEILING: f64 = 200.0;
    let square = |value: f64| value * value;
    let signal: f64 = expected.iter().map(|&value| square(f64::from(value))).sum();
    let pairs = expected.iter().zip(actual);
    let noise: f64 = pairs
        .map(|(&e, &a)| square(f64::from(e) - f64::from(a)))
        .sum();
    if noise.is_nan() {
        return -CEILING;
    }
    (10.0 * (signal / noise.max(f64::MIN_POSITIVE)).log10()).clamp(-CEILING, CEILING)
}
