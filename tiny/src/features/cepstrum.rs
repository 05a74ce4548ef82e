//! Mel-frequency cepstral coefficients, after Davis and Mermelstein, "Comparison of parametric
//! representations for monosyllabic word recognition", IEEE Transactions on Acoustics, Speech and
//! Signal Processing, 1980: triangles over the power spectrum, logarithms, a cosine transform.
//!
//! Ours are of logarithms to base 2 and divided by the number of triangles: c = 1/512 stands for
//! (1/F) Σ log2(E) cos(…). The textbook's differ by a factor, which no model minds.
//!
//! Ranges: a power has 31 bits, less 8, times a weight of 0 to 256, less 8: 23 bits, of 256 bins
//! at most 31. A logarithm has 14 bits, a cosine 12 and a sign; 32 of their products have 31.

use noroshi_model::Cepstrum;

use super::fixed::{Spread, log_within, mean};
use super::spectrum::{POWER_SHIFT, Spectrum, Transform};
use super::tables;

/// The greatest logarithm that a cosine transform takes.
const MOST: i16 = 16_383;
/// Bits taken off a sum of 1/256 · 1/4096, so that a coefficient is in 1/512.
const SUM_SHIFT: u32 = 11;

/// What is needed for one description.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Coefficients {
    pub settings: Cepstrum,
    pub transform: Transform,
    pub cosines: Vec<i16>,
}

impl Coefficients {
    pub(super) fn new(settings: &Cepstrum) -> Self {
        Self {
            settings: settings.clone(),
            transform: Transform::new(settings.points, settings.frame),
            cosines: tables::cosines(settings.filters() as u16, settings.coefficients.into()),
        }
    }

    /// The means of the frames' coefficients, then how much each changes, if there are frames.
    pub(super) fn of(&self, samples: &[i16], spread: Spread, features: &mut Vec<i16>) {
        let count = usize::from(self.settings.coefficients);
        let (frame, hop) = (self.settings.frame, usize::from(self.settings.hop));
        let frames = self.settings.frames(samples.len() as u16);
        let (mut sums, mut changes) = (vec![0i32; count], vec![0i32; count]);
        let mut before = vec![0i16; count];
        for number in 0..frames {
            let frame = &samples[number * hop..][..usize::from(frame)];
            let spectrum = self.transform.of(spread, 1, frame.iter().copied());
            let own = self.frame(&spectrum);
            for (place, &own) in own.iter().enumerate() {
                sums[place] += i32::from(own);
                if number > 0 {
                    changes[place] += (i32::from(own) - i32::from(before[place])).abs();
                }
            }
            before = own;
        }
        features.extend(sums.iter().map(|&sum| mean(sum, frames as u16)));
        if frames > 1 {
            // Two coefficients may be further apart than 16 bits hold.
            let change = |&sum: &i32| (sum / (frames as i32 - 1)).min(32_767) as i16;
            features.extend(changes.iter().map(change));
        }
    }

    fn frame(&self, spectrum: &Spectrum<'_>) -> Vec<i16> {
        let logarithms = self.logarithms(spectrum);
        let rows = self.cosines.chunks(logarithms.len());
        let one = |row: &[i16]| {
            let pairs = row.iter().zip(&logarithms);
            let sum: i32 = pairs
                .map(|(&cosine, &log)| i32::from(cosine) * i32::from(log))
                .sum();
            ((sum >> SUM_SHIFT) / logarithms.len() as i32) as i16
        };
        rows.map(one).collect()
    }

    /// The logarithm of what each triangle holds. A bin lies between two corners: what rises
    /// there takes a part of its power, what falls there the rest.
    fn logarithms(&self, spectrum: &Spectrum<'_>) -> Vec<i16> {
        let edges = &self.settings.edges;
        let filters = self.settings.filters();
        let exponent = POWER_SHIFT + 2 * spectrum.exponent;
        let mut logarithms = Vec::with_capacity(filters);
        let (mut falling, mut rising) = (0u32, 0u32);
        let mut bin = edges[0].div_ceil(16);
        for (side, ends) in edges.windows(2).enumerate() {
            let (from, to) = (ends[0], ends[1]);
            while 16 * bin < to {
                let share = u32::from(16 * bin - from) * 256 / u32::from(to - from);
                let power = spectrum.power(usize::from(bin)) >> POWER_SHIFT;
                if side < filters {
                    rising += (power * share) >> 8;
                }
                falling += (power * (256 - share)) >> 8;
                bin += 1;
            }
            if side > 0 {
                logarithms.push(log_within(falling, exponent, MOST));
            }
            (falling, rising) = (rising, 0);
        }
        logarithms
    }
}
