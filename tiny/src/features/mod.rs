//! From windows of samples to the bytes that a model takes, in whole numbers alone.
//!
//! [`Features`] says what is computed; [`Extractor`] computes it. Samples are of 16 bits, features
//! too; a [`Step`] for each makes a byte of it. Nothing overflows, whatever the samples: the
//! ranges stand with each step and hold for every window. What `noroshi-codegen` writes for a
//! microcontroller does the same operations on the same numbers, so that both answer alike, bit
//! for bit. Memory is that of one window and one transform.

mod cepstrum;
mod file;
mod fixed;
mod mel;
mod presets;
mod spectrum;
mod statistics;
mod steps;
pub mod tables;
mod windowed;
mod windows;

use noroshi_model::{FeaturePart, Features};

pub use fixed::product_shift;
pub use mel::mel;
pub use presets::parts;
pub use steps::Step;
pub use windowed::Windowed;
pub use windows::Windows;

use crate::error::{Result, TinyError, settings};
use cepstrum::Coefficients;
use fixed::log_within;
use spectrum::{POWER_SHIFT, Transform};
use statistics::{Measures, squares, statistic, together};

/// Computes features of windows.
#[derive(Debug, Clone, PartialEq)]
pub struct Extractor {
    features: Features,
    parts: Vec<Part>,
}

/// A part with its tables.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    Statistics(Vec<noroshi_model::Statistic>),
    Correlation,
    Bands {
        transform: Transform,
        thin: u8,
        edges: Vec<u16>,
    },
    Cepstrum(Coefficients),
}

impl Extractor {
    /// The tables of a description that has no fault.
    pub fn new(features: &Features) -> Result<Self> {
        if let Some(fault) = features.fault() {
            return Err(settings(fault));
        }
        let part = |part: &FeaturePart| match part {
            FeaturePart::Statistics(which) => Part::Statistics(which.clone()),
            FeaturePart::Correlation => Part::Correlation,
            FeaturePart::Bands(bands) => Part::Bands {
                transform: Transform::new(bands.points, features.length / u16::from(bands.thin)),
                thin: bands.thin,
                edges: bands.edges.clone(),
            },
            FeaturePart::Cepstrum(one) => Part::Cepstrum(Coefficients::new(one)),
        };
        Ok(Self {
            parts: features.parts.iter().map(part).collect(),
            features: features.clone(),
        })
    }

    /// What it computes.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// The samples of a sensor's numbers, in steps of the units: to the nearest, what is beyond 16
    /// bits as the end.
    pub fn samples(&self, numbers: &[f32]) -> Result<Vec<i16>> {
        if let Some(place) = numbers.iter().position(|number| !number.is_finite()) {
            return Err(crate::error::data(format!(
                "number {place} of the window is {}",
                numbers[place]
            )));
        }
        let units = self.features.units.iter().cycle();
        // `as` saturates.
        let sample = |(number, unit): (&f32, &f32)| (number / unit).round() as i16;
        Ok(numbers.iter().zip(units).map(sample).collect())
    }

    /// The features of a window, sample after sample.
    pub fn extract(&self, window: &[i16]) -> Result<Vec<i16>> {
        if window.len() != self.features.numbers() {
            return Err(TinyError::Columns {
                wanted: self.features.numbers(),
                given: window.len(),
            });
        }
        let channels: Vec<Vec<i16>> = (0..usize::from(self.features.channels))
            .map(|channel| self.channel(window, channel))
            .collect();
        let measures: Vec<Measures> = channels.iter().map(|one| Measures::of(one)).collect();
        let mut features = Vec::with_capacity(self.features.columns());
        for part in &self.parts {
            for (samples, measures) in channels.iter().zip(&measures) {
                part.of(samples, measures, &mut features);
            }
            if matches!(part, Part::Correlation) {
                correlations(&channels, &measures, &mut features);
            }
        }
        Ok(features)
    }

    fn channel(&self, window: &[i16], channel: usize) -> Vec<i16> {
        let samples = window.iter().skip(channel);
        samples
            .step_by(usize::from(self.features.channels))
            .copied()
            .collect()
    }
}

impl Part {
    /// Its features of one channel.
    fn of(&self, samples: &[i16], measures: &Measures, features: &mut Vec<i16>) {
        match self {
            Self::Statistics(which) => {
                features.extend(which.iter().map(|&one| statistic(one, samples, measures)));
            }
            Self::Correlation => {}
            Self::Bands {
                transform,
                thin,
                edges,
            } => {
                let spectrum = transform.of(measures.spread, *thin, samples.iter().copied());
                let exponent = POWER_SHIFT + 2 * spectrum.exponent;
                for ends in edges.windows(2) {
                    let bins = usize::from(ends[0])..usize::from(ends[1]);
                    let sum = bins.map(|bin| spectrum.power(bin) >> POWER_SHIFT).sum();
                    features.push(log_within(sum, exponent, i16::MAX));
                }
            }
            Self::Cepstrum(one) => one.of(samples, measures.spread, features),
        }
    }
}

fn correlations(channels: &[Vec<i16>], measures: &[Measures], features: &mut Vec<i16>) {
    let pairs = channels.iter().zip(measures);
    let sums: Vec<u32> = pairs
        .map(|(samples, measures)| squares(samples, measures.spread))
        .collect();
    for a in 0..channels.len() {
        for b in a + 1..channels.len() {
            features.push(together(
                [&channels[a], &channels[b]],
                [measures[a].spread, measures[b].spread],
                [sums[a], sums[b]],
            ));
        }
    }
}

#[cfg(test)]
mod tests;
