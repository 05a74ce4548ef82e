//! Limits that clean data pass rarely: the tail of their scores, continued.

use super::AnomalyError;

/// The part of the scores that is the tail.
const TAIL: f64 = 0.02;
/// Scores needed to know a tail.
pub(super) const SCORES_AT_LEAST: usize = 200;

/// The score that clean data pass with a frequency of `rate` (false alarms a sample).
///
/// Peaks over a threshold follow a generalized Pareto distribution (J. Pickands, 1975); its two
/// parameters come from the moments of the highest 2 % of `scores` (J. Hosking, J. Wallis, 1987).
pub fn limit(scores: &[f32], rate: f64) -> Result<f32, AnomalyError> {
    if scores.len() < SCORES_AT_LEAST {
        let found = scores.len();
        let needed = SCORES_AT_LEAST;
        return Err(AnomalyError::Rows { found, needed });
    }
    if !(rate > 0.0 && rate < 0.5) {
        return Err(AnomalyError::Rate);
    }
    let mut sorted = scores.to_vec();
    sorted.sort_by(f32::total_cmp);
    let count = sorted.len() as f64;
    if rate >= TAIL {
        let place = ((1.0 - rate) * count) as usize;
        return Ok(sorted[place.min(sorted.len() - 1)]);
    }
    let start = sorted.len() - ((TAIL * count) as usize).max(4);
    let from = f64::from(sorted[start - 1]);
    let peaks: Vec<f64> = sorted[start..]
        .iter()
        .map(|&score| f64::from(score) - from)
        .collect();
    let mean = peaks.iter().sum::<f64>() / peaks.len() as f64;
    let squares = peaks.iter().map(|peak| (peak - mean) * (peak - mean));
    let variance = squares.sum::<f64>() / peaks.len() as f64;
    if mean <= 0.0 || variance <= 0.0 {
        return Ok(sorted[sorted.len() - 1]);
    }
    let ratio = mean * mean / variance;
    // A tail that ends early is taken for one that falls exponentially: the limit stays safe.
    let shape = (0.5 * (1.0 - ratio)).clamp(0.0, 0.4);
    let scale = mean * (1.0 - shape);
    let part = peaks.len() as f64 / count / rate;
    let beyond = if shape < 1e-3 {
        scale * part.ln()
    } else {
        scale / shape * (part.powf(shape) - 1.0)
    };
    Ok((from + beyond) as f32)
}
