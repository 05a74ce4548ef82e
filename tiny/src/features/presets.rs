//! Features by name, for people who don't want to choose bins.

use noroshi_model::{Bands, Cepstrum, FeaturePart, Features, Statistic};

use super::mel;
use crate::error::{Result, settings};

/// What can be named.
const NAMES: &str = "stats, correlation, fft, mfcc";
/// Bands of a spectrum.
const BANDS: usize = 8;

/// The parts of a list such as `stats,fft`, for windows of `length` samples at `rate` a second,
/// which only `mfcc` asks for.
pub fn parts(list: &str, length: u16, rate: Option<f64>) -> Result<Vec<FeaturePart>> {
    let mut parts = Vec::new();
    for name in list.split(',').map(str::trim) {
        let part = match name {
            "stats" => FeaturePart::Statistics(vec![
                Statistic::Mean,
                Statistic::Deviation,
                Statistic::Least,
                Statistic::Greatest,
                Statistic::MeanCrossings,
            ]),
            "correlation" => FeaturePart::Correlation,
            "fft" => FeaturePart::Bands(bands(length)?),
            "mfcc" => FeaturePart::Cepstrum(cepstrum(length, rate)?),
            other => return Err(settings(format!("no features {other:?}: {NAMES}"))),
        };
        if parts.contains(&part) {
            return Err(settings(format!("{name} is named twice")));
        }
        parts.push(part);
    }
    Ok(parts)
}

/// Bands that widen, over all frequencies that are left when long windows are thinned.
fn bands(length: u16) -> Result<Bands> {
    let thin = [1u8, 2, 4, 8]
        .into_iter()
        .find(|&thin| length / u16::from(thin) <= *Features::POINTS.end());
    let thin = thin.ok_or_else(|| {
        let most = 8 * Features::POINTS.end();
        settings(format!(
            "fft is for windows of at most {most} samples: leave it out or take shorter ones"
        ))
    })?;
    let samples = length / u16::from(thin);
    if samples < 4 {
        return Err(settings("fft is for windows of 4 samples at least"));
    }
    let points = samples.next_power_of_two().max(*Features::POINTS.start());
    let half = f64::from(points / 2);
    let edge = |place: usize| half.powf(place as f64 / BANDS as f64).round() as u16;
    let mut edges: Vec<u16> = (0..=BANDS).map(edge).collect();
    // The lowest ones are less than a bin apart where points are few.
    for place in 1..edges.len() {
        edges[place] = edges[place].max(edges[place - 1] + 1);
    }
    edges.retain(|&edge| edge <= points / 2);
    Ok(Bands {
        thin,
        points,
        edges,
    })
}

/// Frames of about 25 ms, half of each in the next, 20 triangles, 13 coefficients.
fn cepstrum(length: u16, rate: Option<f64>) -> Result<Cepstrum> {
    let rate = rate.filter(|rate| rate.is_finite() && *rate > 0.0);
    let rate = rate.ok_or_else(|| settings("mfcc asks for the samples a second (--rate)"))?;
    let wanted = (0.025 * rate).round().clamp(32.0, 512.0) as u16;
    let frame = wanted.min(length);
    if frame < 16 {
        return Err(settings("mfcc is for windows of 16 samples at least"));
    }
    let points = frame.next_power_of_two();
    let filters = if points >= 128 { 20 } else { 8 };
    Ok(Cepstrum {
        frame,
        hop: frame / 2,
        points,
        edges: mel(rate, (0.0, rate / 2.0), filters, points)?,
        coefficients: 13.min(filters as u8),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_features_have_no_fault() {
        for length in [16u16, 20, 100, 511, 512, 1000, 4096] {
            for rate in [25.0, 100.0, 8000.0, 44_100.0] {
                let features = Features {
                    channels: 2,
                    length,
                    hop: length,
                    units: vec![1.0; 2],
                    parts: parts("stats, correlation,fft,mfcc", length, Some(rate)).unwrap(),
                };
                assert_eq!(features.fault(), None, "{length} {rate}");
            }
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let refused = |list, length, rate| parts(list, length, rate).unwrap_err().to_string();
        assert!(refused("stats,wavelets", 100, None).contains("stats, correlation, fft, mfcc"));
        assert!(refused("stats,stats", 100, None).contains("twice"));
        assert!(refused("mfcc", 100, None).contains("--rate"));
        assert!(refused("fft", 5000, None).contains("4096"));
    }
}
