//! What is computed of a window of samples before a model of a few kilobytes sees it.
//!
//! This is the description alone: it travels in the model's file and in its manifest. What is
//! computed, in whole numbers and the same on every machine, is written in the crate `tiny`.

use serde::{Deserialize, Serialize};

/// Windows over samples of some channels, and what is computed of each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Features {
    /// Numbers of a sample: axes, microphones.
    pub channels: u8,
    /// Samples of a window.
    pub length: u16,
    /// Samples from the beginning of a window to that of the next; at most `length`.
    pub hop: u16,
    /// For each channel how much of the sensor's number one step of a 16-bit sample is: 1 where
    /// the sensor gives such samples itself.
    pub units: Vec<f32>,
    /// What is computed, in this order.
    pub parts: Vec<FeaturePart>,
}

/// A group of features.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeaturePart {
    /// For each channel these, in this order.
    Statistics(Vec<Statistic>),
    /// For each pair of channels Pearson's correlation, in 1/16384.
    Correlation,
    /// For each channel the power in bands of frequencies.
    Bands(Bands),
    /// For each channel mel-frequency cepstral coefficients.
    Cepstrum(Cepstrum),
}

/// A figure of one channel's window, in steps of its samples where nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// The mean.
    Mean,
    /// The standard deviation (of the window itself, not an estimate of a population's).
    Deviation,
    /// The least sample.
    Least,
    /// The greatest sample.
    Greatest,
    /// Half of the difference between the two.
    HalfRange,
    /// The root of the mean square.
    RootMeanSquare,
    /// The logarithm to base 2 of the mean square, in 1/256; 0 where the mean square is below 1.
    Energy,
    /// How often the sign changes.
    ZeroCrossings,
    /// How often the samples cross their mean.
    MeanCrossings,
}

/// The power in bands of a window's spectrum: the mean is taken off, Hann's window laid over it,
/// zeros put behind. A feature is log2 of the sum of squares, in 1/256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bands {
    /// So many samples are averaged to one first: 1, 2, 4 or 8. A quarter of the memory, and
    /// frequencies that nobody asks for are gone.
    pub thin: u8,
    /// Points of the transform, a power of two.
    pub points: u16,
    /// Band i has the bins from `edges[i]` up to, not including, `edges[i + 1]`.
    pub edges: Vec<u16>,
}

/// Mel-frequency cepstral coefficients: the spectrum of each frame under triangles, their
/// logarithms, a cosine transform; of all frames of a window the mean of each coefficient, and
/// where there are several how much it changes from frame to frame, in the mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cepstrum {
    /// Samples of a frame.
    pub frame: u16,
    /// Samples from one frame to the next.
    pub hop: u16,
    /// Points of the transform, a power of two, `frame` at least.
    pub points: u16,
    /// Corners of the triangles in sixteenths of a bin: triangle i rises from `edges[i]` to
    /// `edges[i + 1]` and falls to `edges[i + 2]`.
    pub edges: Vec<u16>,
    /// How many coefficients, from the one that is the mean of the logarithms.
    pub coefficients: u8,
}

impl Statistic {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Mean,
        Self::Deviation,
        Self::Least,
        Self::Greatest,
        Self::HalfRange,
        Self::RootMeanSquare,
        Self::Energy,
        Self::ZeroCrossings,
        Self::MeanCrossings,
    ];

    /// The word in manifests and tables.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Deviation => "deviation",
            Self::Least => "least",
            Self::Greatest => "greatest",
            Self::HalfRange => "half_range",
            Self::RootMeanSquare => "root_mean_square",
            Self::Energy => "energy",
            Self::ZeroCrossings => "zero_crossings",
            Self::MeanCrossings => "mean_crossings",
        }
    }
}

impl Cepstrum {
    /// Triangles.
    pub fn filters(&self) -> usize {
        self.edges.len().saturating_sub(2)
    }

    /// Frames in a window of `length` samples.
    pub fn frames(&self, length: u16) -> usize {
        let rest = usize::from(length.saturating_sub(self.frame));
        1 + rest / usize::from(self.hop.max(1))
    }
}

impl Features {
    /// Channels at most.
    pub const MAX_CHANNELS: u8 = 16;
    /// Samples of a window at most: two seconds at 8 kHz.
    pub const MAX_LENGTH: u16 = 16_384;
    /// Features of a window at most.
    pub const MAX_COLUMNS: usize = 4096;
    /// Points of a transform.
    pub const POINTS: std::ops::RangeInclusive<u16> = 16..=512;
    /// Triangles at most: what 32 bits hold when their logarithms are summed.
    pub const MAX_FILTERS: usize = 32;
    const MAX_PARTS: usize = 16;

    /// How many features a window has.
    pub fn columns(&self) -> usize {
        self.parts.iter().map(|part| self.columns_of(part)).sum()
    }

    /// How many of them are of one part.
    pub fn columns_of(&self, part: &FeaturePart) -> usize {
        let channels = usize::from(self.channels);
        match part {
            FeaturePart::Statistics(which) => channels * which.len(),
            FeaturePart::Correlation => channels * channels.saturating_sub(1) / 2,
            FeaturePart::Bands(bands) => channels * bands.edges.len().saturating_sub(1),
            FeaturePart::Cepstrum(one) => {
                let changes = 1 + usize::from(one.frames(self.length) > 1);
                channels * changes * usize::from(one.coefficients)
            }
        }
    }

    /// Numbers of a window: samples times channels.
    pub fn numbers(&self) -> usize {
        usize::from(self.length) * usize::from(self.channels)
    }

    /// What is wrong with the description, if anything.
    pub fn fault(&self) -> Option<String> {
        if !(1..=Self::MAX_CHANNELS).contains(&self.channels) {
            return Some(format!("features: 1 to {} channels", Self::MAX_CHANNELS));
        }
        if !(4..=Self::MAX_LENGTH).contains(&self.length) {
            return Some(format!(
                "features: a window has 4 to {} samples",
                Self::MAX_LENGTH
            ));
        }
        if !(1..=self.length).contains(&self.hop) {
            return Some("features: the hop is 1 to the window's length".into());
        }
        let sound = |unit: &f32| unit.is_finite() && *unit > 0.0;
        if self.units.len() != usize::from(self.channels) || !self.units.iter().all(sound) {
            return Some("features: a unit above 0 for each channel".into());
        }
        if !(1..=Self::MAX_PARTS).contains(&self.parts.len()) {
            return Some(format!("features: 1 to {} parts", Self::MAX_PARTS));
        }
        if let Some(fault) = self.parts.iter().find_map(|part| self.part_fault(part)) {
            return Some(fault);
        }
        if !(1..=Self::MAX_COLUMNS).contains(&self.columns()) {
            return Some(format!("features: 1 to {} columns", Self::MAX_COLUMNS));
        }
        None
    }

    fn part_fault(&self, part: &FeaturePart) -> Option<String> {
        match part {
            FeaturePart::Statistics(which) => {
                let twice = which.iter().enumerate();
                let twice = twice.map(|(at, one)| which[..at].contains(one));
                (which.is_empty() || twice.into_iter().any(|twice| twice))
                    .then(|| "features: statistics are named once each".into())
            }
            FeaturePart::Correlation => (self.channels < 2)
                .then(|| "features: one channel has nothing to correlate with".into()),
            FeaturePart::Bands(bands) => self.bands_fault(bands),
            FeaturePart::Cepstrum(one) => self.cepstrum_fault(one),
        }
    }

    fn bands_fault(&self, bands: &Bands) -> Option<String> {
        let Bands {
            thin,
            points,
            edges,
        } = bands;
        if ![1, 2, 4, 8].contains(thin) {
            return Some("features: bands are thinned by 1, 2, 4 or 8".into());
        }
        let samples = self.length / u16::from(*thin);
        if let Some(fault) = points_fault(*points, samples) {
            return Some(fault);
        }
        let inside = edges.len() >= 2 && edges[0] >= 1 && edges[edges.len() - 1] <= points / 2;
        (!inside || !edges.is_sorted_by(|a, b| a < b)).then(|| {
            format!(
                "features: edges of bands rise from 1 to {} at most",
                points / 2
            )
        })
    }

    fn cepstrum_fault(&self, one: &Cepstrum) -> Option<String> {
        if one.frame > self.length || one.hop == 0 {
            return Some(
                "features: a frame is no longer than the window, its hop 1 at least".into(),
            );
        }
        if let Some(fault) = points_fault(one.points, one.frame) {
            return Some(fault);
        }
        let filters = one.filters();
        if !(2..=Self::MAX_FILTERS).contains(&filters) {
            return Some(format!("features: 2 to {} triangles", Self::MAX_FILTERS));
        }
        if !(1..=filters).contains(&usize::from(one.coefficients)) {
            return Some("features: 1 to as many coefficients as triangles".into());
        }
        let last = one.edges[one.edges.len() - 1];
        let inside = one.edges[0] >= 16 && last <= 8 * one.points;
        (!inside || !one.edges.is_sorted_by(|a, b| a < b)).then(|| {
            format!(
                "features: corners of triangles rise from 16 to {} sixteenths of a bin",
                8 * one.points
            )
        })
    }
}

fn points_fault(points: u16, samples: u16) -> Option<String> {
    let range = Features::POINTS;
    if !points.is_power_of_two() || !range.contains(&points) {
        return Some(format!(
            "features: a transform has {} to {} points, a power of two",
            range.start(),
            range.end()
        ));
    }
    (!(4..=points).contains(&samples))
        .then(|| format!("features: {samples} samples for a transform of {points} points"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(parts: Vec<FeaturePart>) -> Features {
        Features {
            channels: 3,
            length: 100,
            hop: 50,
            units: vec![1.0; 3],
            parts,
        }
    }

    #[test]
    fn columns_are_counted() {
        let bands = Bands {
            thin: 2,
            points: 64,
            edges: vec![1, 2, 4, 32],
        };
        let cepstrum = Cepstrum {
            frame: 32,
            hop: 16,
            points: 32,
            edges: vec![16, 40, 80, 120, 256],
            coefficients: 2,
        };
        let all = features(vec![
            FeaturePart::Statistics(Statistic::ALL.to_vec()),
            FeaturePart::Correlation,
            FeaturePart::Bands(bands),
            FeaturePart::Cepstrum(cepstrum),
        ]);
        assert_eq!(all.fault(), None);
        assert_eq!(all.columns(), 27 + 3 + 9 + 12);
        let json = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Features>(&json).unwrap(), all);
    }

    #[test]
    fn what_can_not_be_computed_is_refused() {
        let bands = |thin, points, edges: &[u16]| {
            features(vec![FeaturePart::Bands(Bands {
                thin,
                points,
                edges: edges.to_vec(),
            })])
        };
        let whole = features(vec![FeaturePart::Correlation]);
        let faulty = [
            features(vec![]),
            features(vec![FeaturePart::Statistics(vec![])]),
            features(vec![FeaturePart::Statistics(vec![Statistic::Mean; 2])]),
            bands(3, 128, &[1, 2]),
            bands(1, 64, &[1, 2]),
            bands(1, 100, &[1, 2]),
            bands(1, 1024, &[1, 2]),
            bands(1, 128, &[0, 2]),
            bands(1, 128, &[2, 2]),
            bands(1, 128, &[2, 65]),
            Features {
                hop: 101,
                ..whole.clone()
            },
            Features {
                units: vec![1.0, 0.0, 1.0],
                ..whole.clone()
            },
            Features {
                channels: 1,
                units: vec![1.0],
                ..whole.clone()
            },
        ];
        assert_eq!(whole.fault(), None);
        for one in faulty {
            assert!(one.fault().is_some(), "{one:?}");
        }
    }
}
