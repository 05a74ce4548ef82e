//! Tables of sines, computed by sums and products alone, whose result IEEE 754 fixes to the last
//! bit: a device and the host that wrote a microcontroller's source have the same tables.

use std::f64::consts::PI;

/// sin(2π · numerator / denominator), exact where it is 0 or ±1.
fn sine(numerator: u32, denominator: u32) -> f64 {
    let eighths = 8 * u64::from(numerator % denominator);
    let octant = eighths / u64::from(denominator);
    // The angle within its octant and what is left of it, in turns.
    let turns = |eighths: u64| (eighths as f64) / (8.0 * f64::from(denominator));
    let within = turns(eighths - octant * u64::from(denominator));
    let left = turns((octant + 1) * u64::from(denominator) - eighths);
    let (low, high) = (2.0 * PI * within, 2.0 * PI * left);
    match octant {
        0 => series(low, 1),
        1 => series(high, 0),
        2 => series(low, 0),
        3 => series(high, 1),
        4 => -series(low, 1),
        5 => -series(high, 0),
        6 => -series(low, 0),
        _ => -series(high, 1),
    }
}

/// The series of sine (`first` 1) or cosine (0) for angles of at most an eighth of a turn.
fn series(angle: f64, first: u32) -> f64 {
    let (mut term, mut at) = (if first == 1 { angle } else { 1.0 }, first);
    let mut sum = term;
    while at < 20 {
        term = -term * angle * angle / (f64::from(at + 1) * f64::from(at + 2));
        sum += term;
        at += 2;
    }
    sum
}

/// sin(2πk / points) in 1/32767 for k up to ¾ of `points`: the cosine of k stands a quarter of
/// `points` further.
pub fn sines(points: u16) -> Vec<i16> {
    let points = u32::from(points);
    let one = |k| (32_767.0 * sine(k, points)).round() as i16;
    (0..3 * points / 4).map(one).collect()
}

/// Hann's window of `count` numbers in 1/32767: its first half, the rest mirrors it.
pub fn hann(count: u16) -> Vec<i16> {
    let around = 2 * u32::from(count);
    // ½ − ½cos(2π(i + ½)/count), the cosine as a sine a quarter of a turn on.
    let one = |i: u32| {
        let cosine = sine(4 * (2 * i + 1) + around, 4 * around);
        (32_767.0 * (0.5 - 0.5 * cosine)).round() as i16
    };
    (0..u32::from(count.div_ceil(2))).map(one).collect()
}

/// cos(πj(i + ½) / filters) in 1/4096, for each of `coefficients` j the filters i.
pub fn cosines(filters: u16, coefficients: u16) -> Vec<i16> {
    let (filters, coefficients) = (u32::from(filters), u32::from(coefficients));
    let one = |j: u32, i: u32| {
        let cosine = sine(j * (2 * i + 1) + filters, 4 * filters);
        (4096.0 * cosine).round() as i16
    };
    (0..coefficients)
        .flat_map(|j| (0..filters).map(move |i| one(j, i)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sines_are_sines() {
        for denominator in [3u32, 16, 100, 512] {
            for numerator in 0..2 * denominator {
                let angle = 2.0 * PI * f64::from(numerator) / f64::from(denominator);
                let own = sine(numerator, denominator);
                assert!(
                    (own - angle.sin()).abs() < 1e-14,
                    "{numerator}/{denominator}"
                );
            }
        }
        assert_eq!(sines(16)[..5], [0, 12_539, 23_170, 30_273, 32_767]);
    }

    #[test]
    fn windows_and_cosines_are_those_of_the_textbook() {
        for count in [5u16, 50, 100] {
            for (i, own) in hann(count).into_iter().enumerate() {
                let angle = 2.0 * PI * (i as f64 + 0.5) / f64::from(count);
                let exact = 32_767.0 * (0.5 - 0.5 * angle.cos());
                assert!((f64::from(own) - exact).abs() <= 0.5 + 1e-6);
            }
        }
        for (place, own) in cosines(26, 13).into_iter().enumerate() {
            let (j, i) = ((place / 26) as f64, (place % 26) as f64);
            let exact = 4096.0 * (PI * j * (i + 0.5) / 26.0).cos();
            assert!((f64::from(own) - exact).abs() <= 0.5 + 1e-6);
        }
    }
}
