//! Numbers by chance that are the same on every machine for the same seed.

/// A generator after xorshift64*, seeded through splitmix64 so that near seeds differ at once.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    /// A generator of its own for each `stream` of a seed: threads never share one.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mixed = splitmix(splitmix(seed) ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self { state: mixed | 1 }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// A number from 0 up to 1.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// A number of the normal distribution (Box and Muller).
    pub(crate) fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (self.unit() + 1e-7).ln()).sqrt();
        radius * (std::f32::consts::TAU * self.unit()).cos()
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

fn splitmix(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_seeds_and_streams_differ() {
        let first: Vec<u64> = (0..4).map(|seed| Random::new(seed, 0).next()).collect();
        let second: Vec<u64> = (0..4).map(|stream| Random::new(0, stream).next()).collect();
        assert_eq!(first[0], second[0]);
        assert_ne!(first[1], first[2]);
        assert_ne!(second[1], second[2]);
        assert_ne!(first[1], second[1]);
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_deviation_one() {
        let mut random = Random::new(1, 1);
        let numbers: Vec<f32> = (0..20_000).map(|_| random.normal()).collect();
        let mean = numbers.iter().sum::<f32>() / 20_000.0;
        let square = numbers.iter().map(|one| one * one).sum::<f32>() / 20_000.0;
        assert!(mean.abs() < 0.03, "{mean}");
        assert!((square - 1.0).abs() < 0.05, "{square}");
    }
}
