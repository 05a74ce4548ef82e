//! What every feature was so far, and chance.

use super::arena::PER_FEATURE;
use super::{CHANCE, OnlineForest, SAMPLES};

impl OnlineForest {
    /// Running mean, variance and median of every feature.
    pub(super) fn note_features(&mut self, sample: &[f32]) {
        let seen = (self.arena.0[SAMPLES] as f32).min(10_000.0);
        for (feature, &value) in sample.iter().enumerate() {
            let at = self.layout.features + feature * PER_FEATURE;
            let mean = self.arena.real(at);
            let delta = value - mean;
            let mean = mean + delta / seen;
            let variance = self.arena.real(at + 1);
            let variance = variance + (delta * (value - mean) - variance) / seen;
            self.arena.set_real(at, mean);
            self.arena.set_real(at + 1, variance);
            let median = self.arena.real(at + 2);
            // Robbins and Monro: half of the steps go up at the median.
            let step = variance.max(0.0).sqrt() * (2.0 / seen).clamp(0.002, 0.5);
            let median = match seen {
                1.0 => value,
                _ => median + step * (value - median).clamp(-1.0, 1.0).signum(),
            };
            self.arena.set_real(at + 2, median);
        }
    }

    pub(super) fn mean(&self, feature: usize) -> f32 {
        self.arena
            .real(self.layout.features + feature * PER_FEATURE)
    }

    pub(super) fn spread(&self, feature: usize) -> f32 {
        let variance = self
            .arena
            .real(self.layout.features + feature * PER_FEATURE + 1);
        variance.max(1e-12).sqrt()
    }

    pub(super) fn median(&self, feature: usize) -> f32 {
        self.arena
            .real(self.layout.features + feature * PER_FEATURE + 2)
    }

    /// Marsaglia's xorshift; its state lies in the arena.
    pub(super) fn chance(&mut self) -> u32 {
        let mut state = u64::from(self.arena.0[CHANCE]) | u64::from(self.arena.0[CHANCE + 1]) << 32;
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.arena.0[CHANCE] = state as u32;
        self.arena.0[CHANCE + 1] = (state >> 32) as u32;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    pub(super) fn below(&mut self, limit: u32) -> u32 {
        ((u64::from(self.chance()) * u64::from(limit)) >> 32) as u32
    }
}
