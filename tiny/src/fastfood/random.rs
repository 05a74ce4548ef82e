//! Random numbers that a seed decides, the same on every machine: they are part of a model.

/// xoshiro256++ (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021).
#[derive(Debug, Clone)]
pub(super) struct Random {
    state: [u64; 4],
    spare: Option<f64>,
}

impl Random {
    /// A generator for `stream` of `seed`; streams of one seed are independent.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        // SplitMix64 fills the state, as the generator's authors advise.
        let mut state = seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95);
        let state = std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = state;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^ (word >> 31)
        });
        Self { state, spare: None }
    }

    /// 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// Uniform in [0, 1).
    pub(super) fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (-53_f64).exp2()
    }

    /// Uniform in 0 to `bound` − 1 (Lemire's method; its bias is below 2⁻³² here).
    pub(super) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// Normal with mean 0 and deviation 1 (Marsaglia's polar method).
    pub(super) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (x, y) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                let factor = (-2.0 * square.ln() / square).sqrt();
                self.spare = Some(y * factor);
                return x * factor;
            }
        }
    }

    /// The length of a vector of `dimensions` normal numbers: chi-distributed.
    pub(super) fn chi(&mut self, dimensions: usize) -> f64 {
        if dimensions < 3 {
            let squares = (0..dimensions).map(|_| self.normal().powi(2));
            return squares.sum::<f64>().sqrt();
        }
        (2.0 * self.gamma(dimensions as f64 / 2.0)).sqrt()
    }

    /// Gamma with `shape` ≥ 1 and scale 1 (Marsaglia and Tsang, "A simple method for generating
    /// gamma variables", 2000).
    fn gamma(&mut self, shape: f64) -> f64 {
        let d = shape - 1.0 / 3.0;
        let c = (9.0 * d).sqrt().recip();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            let drawn = 1.0 - self.uniform();
            if v > 0.0 && drawn.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// The numbers 0 to `length` − 1 in random order (Fisher and Yates).
    pub(super) fn permutation(&mut self, length: u16) -> Vec<u16> {
        let mut order: Vec<u16> = (0..length).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(mut draw: impl FnMut() -> f64) -> (f64, f64) {
        const COUNT: usize = 100_000;
        let values: Vec<f64> = (0..COUNT).map(|_| draw()).collect();
        let mean = values.iter().sum::<f64>() / COUNT as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (mean, squares / COUNT as f64)
    }

    #[test]
    fn numbers_have_the_moments_of_their_distributions() {
        let mut random = Random::new(1, 0);
        let (mean, variance) = moments(|| random.normal());
        assert!(mean.abs() < 0.015 && (variance - 1.0).abs() < 0.02);
        // E chi² = dimensions.
        for dimensions in [1, 2, 16, 1024] {
            let (mean, variance) = moments(|| random.chi(dimensions));
            let square = mean * mean + variance;
            assert!(
                (square / dimensions as f64 - 1.0).abs() < 0.03,
                "{dimensions}: {square}"
            );
        }
    }

    #[test]
    fn a_permutation_holds_every_number_once() {
        let mut order = Random::new(2, 3).permutation(1000);
        assert_ne!(order[..5], [0, 1, 2, 3, 4]);
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<u16>>());
    }
}
