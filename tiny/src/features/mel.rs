//! Corners of triangles along the mel scale.

use noroshi_model::{Cepstrum, Features};

use crate::error::{Result, settings};

/// Triangles between two frequencies (Hz), evenly along mel(f) = 2595 log10(1 + f/700), for
/// samples at `rate` Hz. The corners are whole sixteenths of a bin and stand in the model's file:
/// the logarithms of this machine's library matter to nobody else.
pub fn mel(rate: f64, (low, high): (f64, f64), filters: usize, points: u16) -> Result<Vec<u16>> {
    if !(2..=Features::MAX_FILTERS).contains(&filters) {
        return Err(settings(format!(
            "{filters} triangles: 2 to {} are possible",
            Features::MAX_FILTERS
        )));
    }
    let bin = rate / f64::from(points);
    if !(bin.is_finite() && bin > 0.0 && low < high && high <= rate / 2.0) {
        return Err(settings(format!(
            "frequencies from {low} to {high} Hz can't be told apart at {rate} samples a second"
        )));
    }
    let scale = |frequency: f64| 2595.0 * (1.0 + frequency / 700.0).log10();
    let (first, last) = (scale(low.max(bin)), scale(high));
    let corner = |place: usize| {
        let mel = first + (last - first) * place as f64 / (filters + 1) as f64;
        let frequency = 700.0 * (10f64.powf(mel / 2595.0) - 1.0);
        (16.0 * frequency / bin).round() as u16
    };
    let mut edges: Vec<u16> = (0..filters + 2).map(corner).collect();
    // Low triangles of few points may be narrower than a sixteenth of a bin.
    for place in 1..edges.len() {
        edges[place] = edges[place].max(edges[place - 1] + 1);
    }
    let description = Cepstrum {
        frame: points,
        hop: points,
        points,
        edges,
        coefficients: 1,
    };
    if description.edges[filters + 1] > 8 * points {
        return Err(settings(format!(
            "{filters} triangles are too many for {points} points"
        )));
    }
    Ok(description.edges)
}
