//! The streams: made from a seed, the same on every machine.

use crate::datasets::Dataset;

/// Samples of a phase of the Friedman stream.
pub(super) const PHASE: usize = 10_000;
pub(super) const PHASES: usize = 3;
pub(super) const FRIEDMAN_FEATURES: usize = 10;

/// Splitmix.
#[derive(Debug, Clone)]
pub(in crate::proof_tiny) struct Chance(u64);

impl Chance {
    pub(in crate::proof_tiny) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x5851_f42d_4c95_7f2d))
    }

    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(in crate::proof_tiny) fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.draw()) * limit as u128) >> 64) as usize
    }

    pub(in crate::proof_tiny) fn part(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Box and Muller.
    pub(in crate::proof_tiny) fn bell(&mut self) -> f64 {
        let (one, other) = (1.0 - self.part(), self.part());
        (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos()
    }
}

/// Friedman's function with noise of deviation 1; in the middle phase other features take the
/// places of those that mattered, then they come back (E. Ikonomovska, 2012: "global recurring
/// abrupt").
pub(super) fn friedman(seed: u64) -> Vec<(Vec<f32>, f32)> {
    let mut chance = Chance::new(seed);
    let mut sample = |phase: usize| {
        let row: Vec<f32> = (0..FRIEDMAN_FEATURES)
            .map(|_| chance.part() as f32)
            .collect();
        let of = |feature: usize| f64::from(row[feature]);
        let places = if phase == 1 {
            [3, 5, 1, 0, 2]
        } else {
            [0, 1, 2, 3, 4]
        };
        let [first, second, bowl, steep, flat] = places.map(of);
        let wave = 10.0 * (std::f64::consts::PI * first * second).sin();
        let value = wave + 20.0 * (bowl - 0.5).powi(2) + 10.0 * steep + 5.0 * flat + chance.bell();
        (row, value as f32)
    };
    (0..PHASES * PHASE).map(|at| sample(at / PHASE)).collect()
}

/// All rows of satellite in a random order; from the middle on, every label is the next one.
pub(super) fn rotated(set: &Dataset, seed: u64) -> Vec<(Vec<f32>, f32)> {
    let mut chance = Chance::new(seed);
    let mut samples = Vec::new();
    for part in [&set.train, &set.test] {
        let rows = part.floats();
        let rows = rows.chunks(part.columns).map(<[f32]>::to_vec);
        samples.extend(rows.zip(part.labels.iter().map(|label| f32::from(*label))));
    }
    for at in (1..samples.len()).rev() {
        samples.swap(at, chance.below(at + 1));
    }
    let half = samples.len() / 2;
    for (_, label) in &mut samples[half..] {
        *label = (*label + 1.0) % set.classes as f32;
    }
    samples
}
