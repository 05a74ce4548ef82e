//! Factors as integers: how a sum in fine steps becomes a level in coarse ones.
//!
//! A real factor `f` is `multiplier / 2^shift` with a multiplier of up to 31 bits; all channels of
//! a layer share the shift. The product is exact in 64 bits and rounded once, to the nearest
//! integer, a tie to the even one, as `QuantizeLinear` of ONNX rounds.

/// Largest shift: a product of two 32-bit numbers and half of `2^shift` still fit into 64 bits.
const SHIFT_LIMIT: i32 = 62;

/// Bits of a factor in a sum of two values, so that 32 bits are enough for the whole sum:
/// `2 · 255 · 2^21 + 2^29 < 2^31`.
const SUM_BITS: i32 = 21;

/// Largest shift in a sum of two values.
const SUM_SHIFT_LIMIT: i32 = 30;

/// The factors of a layer's channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scaling {
    /// One for each channel.
    pub multipliers: Vec<i32>,
    /// Bits that the products are shifted to the right, 1 to 62.
    pub shift: u8,
}

impl Scaling {
    /// The integers nearest to `factors`; `None` if one is negative, not finite or beyond 2^29.
    pub fn new(factors: &[f64]) -> Option<Self> {
        Self::with_bits(factors, 31, SHIFT_LIMIT)
    }

    /// The factors of the two sides of a sum, small enough for 32-bit arithmetic.
    pub fn of_sum(left: f64, right: f64) -> Option<Self> {
        Self::with_bits(&[left, right], SUM_BITS, SUM_SHIFT_LIMIT)
    }

    fn with_bits(factors: &[f64], bits: i32, shift_limit: i32) -> Option<Self> {
        let usable = |factor: &f64| factor.is_finite() && *factor >= 0.0;
        if !factors.iter().all(usable) {
            return None;
        }
        let largest = factors.iter().copied().fold(0.0, f64::max);
        let mut shift = if largest > 0.0 {
            (f64::from(bits) - largest.log2()).floor() as i32
        } else {
            1
        };
        shift = shift.min(shift_limit);
        // Rounding may reach the next power of two.
        if (largest * 2f64.powi(shift)).round() >= 2f64.powi(bits) {
            shift -= 1;
        }
        let multiplier = |factor: &f64| (factor * 2f64.powi(shift)).round_ties_even() as i32;
        (shift >= 1).then(|| Self {
            multipliers: factors.iter().map(multiplier).collect(),
            shift: shift as u8,
        })
    }

    /// `value` times the factor of `channel`, rounded.
    pub fn apply(&self, value: i32, channel: usize) -> i32 {
        rescale(value, self.multipliers[channel], self.shift)
    }

    /// The real factor that the integers of `channel` stand for.
    pub fn factor(&self, channel: usize) -> f64 {
        f64::from(self.multipliers[channel]) / 2f64.powi(i32::from(self.shift))
    }
}

/// `value · multiplier / 2^shift`, rounded to the nearest integer, a tie to the even one.
pub fn rescale(value: i32, multiplier: i32, shift: u8) -> i32 {
    let half = 1i64 << (shift - 1);
    let sum = i64::from(value) * i64::from(multiplier) + half;
    let rounded = (sum >> shift) as i32;
    let is_tie = sum & (half + half - 1) == 0;
    if is_tie { rounded & !1 } else { rounded }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ties_go_to_the_even_number() {
        let halves = [-5, -3, -1, 1, 3, 5].map(|value| rescale(value, 1, 1));
        assert_eq!(halves, [-2, -2, 0, 0, 2, 2]);
        let quarter = Scaling::new(&[0.25]).unwrap();
        let rounded = [-6, -2, 2, 3, 6, 10].map(|value| quarter.apply(value, 0));
        assert_eq!(rounded, [-2, 0, 0, 1, 2, 2]);
    }

    #[test]
    fn what_is_no_factor_is_refused() {
        for factor in [f64::NAN, f64::INFINITY, -0.5, 2f64.powi(31)] {
            assert_eq!(Scaling::new(&[factor]), None, "{factor}");
        }
        assert_eq!(Scaling::new(&[0.0, 0.0]).unwrap().apply(i32::MIN, 1), 0);
        // All but a power of two.
        let near = Scaling::new(&[0.999_999_999_999]).unwrap();
        assert_eq!(near.apply(1 << 20, 0), 1 << 20);
    }

    proptest! {
        #[test]
        fn a_product_is_the_nearest_integer(value in any::<i32>(), exponent in -40i32..0,
                                            fraction in 1.0f64..2.0) {
            let factor = fraction * 2f64.powi(exponent);
            let scaling = Scaling::new(&[factor]).unwrap();
            let exact = f64::from(value) * factor;
            let tolerance = 0.5 + f64::from(value).abs() * factor * 2f64.powi(-30) + 1e-9;
            prop_assert!((f64::from(scaling.apply(value, 0)) - exact).abs() <= tolerance);
        }

        #[test]
        fn a_sum_of_two_values_fits_into_32_bits(left in 0.0f64..4096.0, right in 0.0f64..4096.0) {
            let scaling = Scaling::of_sum(left, right).unwrap();
            let half = 1i64 << (scaling.shift - 1);
            let most: i64 = scaling.multipliers.iter().map(|&factor| 255 * i64::from(factor)).sum();
            prop_assert!(most + half <= i64::from(i32::MAX));
        }
    }
}
