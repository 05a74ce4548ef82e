//! Whole numbers for what is usually done in floating point. Each function is written once more
//! in the templates of `noroshi-codegen`, operation by operation.

/// The greatest number of samples whose squares are summed with eight bits taken off each; above
/// it is sixteen bits.
const FEW: u16 = 511;

/// `sum / count` to the nearest, halves away from 0.
pub(super) fn mean(sum: i32, count: u16) -> i16 {
    let half = i32::from(count / 2);
    let away = if sum < 0 { sum - half } else { sum + half };
    (away / i32::from(count)) as i16
}

/// Shifts left by twos, telling `exponent`, until one of the two upper bits is set. 0 stays.
pub(super) fn lifted(mut value: u32, exponent: &mut i16) -> u32 {
    while value != 0 && value < 1 << 30 {
        value <<= 2;
        *exponent -= 2;
    }
    value
}

/// The root, rounded down.
pub(super) fn root(mut value: u32) -> u16 {
    let (mut root, mut bit) = (0u32, 1u32 << 30);
    while bit != 0 {
        if value >= root + bit {
            value -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
        bit >>= 2;
    }
    root as u16
}

/// √(sum · 2^exponent / count) to the nearest, at most 32,767; the exponent is even.
pub(super) fn root_mean(sum: u32, count: u16, mut exponent: i16) -> i16 {
    if sum == 0 {
        return 0;
    }
    let value = lifted(sum, &mut exponent) / u32::from(count);
    let root = u32::from(root(lifted(value, &mut exponent)));
    let down = -(exponent / 2);
    if down <= 0 {
        return i16::MAX;
    }
    if down > 17 {
        return 0;
    }
    let rounded = (root + (1 << (down - 1))) >> down;
    rounded.min(32_767) as i16
}

/// log2(value) in 1/256, rounded down; `value` is not 0.
pub(super) fn log(value: u32) -> i16 {
    let mut whole = 31i16;
    let mut value = value;
    while value < 1 << 31 {
        value <<= 1;
        whole -= 1;
    }
    // A number from 1 to 2 in 1/32768: each squaring gives a bit of its logarithm.
    let mut part = value >> 16;
    let mut bits = 0i16;
    for _ in 0..8 {
        let square = part * part;
        bits <<= 1;
        if square >= 1 << 31 {
            bits |= 1;
            part = square >> 16;
        } else {
            part = square >> 15;
        }
    }
    whole * 256 + bits
}

/// log2(value · 2^exponent) in 1/256, from 0 to `most`.
pub(super) fn log_within(value: u32, exponent: i16, most: i16) -> i16 {
    if value == 0 {
        return 0;
    }
    let whole = log(value) + 256 * exponent;
    whole.clamp(0, most)
}

/// Samples less a middle, brought to 15 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spread {
    middle: i16,
    /// Whether samples may be so far from the middle that only half of it has 16 bits.
    wide: bool,
    /// A power of two; 0 where every sample is the middle.
    factor: i16,
    /// What a sample less the middle is, is the number times 2^exponent.
    pub exponent: i16,
}

impl Spread {
    /// For samples from `least` to `greatest`.
    pub(super) fn new(least: i16, greatest: i16, middle: i16) -> Self {
        let far = |end: i16| end.abs_diff(middle);
        let mut peak = far(least).max(far(greatest));
        let wide = peak > 32_767;
        let (mut factor, mut exponent) = (i16::from(peak != 0), i16::from(wide));
        while !wide && peak != 0 && peak < 16_384 {
            peak <<= 1;
            factor <<= 1;
            exponent -= 1;
        }
        Self {
            middle,
            wide,
            factor,
            exponent,
        }
    }

    /// Within ±32,767.
    pub(super) fn of(self, sample: i16) -> i16 {
        if self.wide {
            return (sample >> 1) - (self.middle >> 1);
        }
        sample.wrapping_sub(self.middle).wrapping_mul(self.factor)
    }
}

/// Bits taken off each product of two numbers of 15 bits, so that the sum over a window of
/// `length` has 31.
pub const fn product_shift(length: u16) -> i16 {
    if length <= FEW { 8 } else { 16 }
}

/// Pearson's correlation in 1/16384 of the sum of products and the sums of squares.
pub(super) fn correlation(products: i32, squares: [u32; 2]) -> i16 {
    if squares[0] == 0 || squares[1] == 0 {
        return 0;
    }
    let mut exponent = 0;
    let roots = squares.map(|sum| u32::from(root(lifted(sum, &mut exponent))));
    let product = roots[0] * roots[1];
    let mut size = products.unsigned_abs();
    // The roots were lifted by so many twos, their product by so many bits.
    let mut bits = -(exponent / 2);
    while bits > 0 {
        // Rounding can make the products a little greater than they can be.
        size = if size >= 1 << 31 { u32::MAX } else { size << 1 };
        bits -= 1;
    }
    let ratio = (size / (product >> 14)).min(16_384) as i16;
    if products < 0 { -ratio } else { ratio }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn roots_are_roots(value: u32) {
            let root = u64::from(root(value));
            prop_assert!(root * root <= u64::from(value));
            prop_assert!((root + 1) * (root + 1) > u64::from(value));
        }

        #[test]
        fn logarithms_are_near(value in 1u32..) {
            let exact = f64::from(value).log2() * 256.0;
            prop_assert!((f64::from(log(value)) - exact).abs() < 1.5, "{} {exact}", log(value));
        }

        #[test]
        fn a_spread_keeps_what_is_apart(a: i16, b: i16, middle: i16, at in 0.0f64..1.0) {
            let (least, greatest) = (a.min(b), a.max(b));
            let wanted = f64::from(least) + at * (f64::from(greatest) - f64::from(least));
            let sample = wanted.round() as i16;
            let spread = Spread::new(least, greatest, middle);
            let number = spread.of(sample);
            prop_assert!(number != i16::MIN);
            let back = f64::from(number) * f64::from(spread.exponent).exp2();
            prop_assert!((back - (f64::from(sample) - f64::from(middle))).abs() <= 1.0);
        }

        #[test]
        fn means_are_to_the_nearest(sum in -536_870_912i32..536_854_528, count in 1u16..=16_384) {
            let least = -32_768 * i32::from(count);
            let sum = sum.clamp(least, 32_767 * i32::from(count));
            let exact = f64::from(sum) / f64::from(count);
            prop_assert!((f64::from(mean(sum, count)) - exact).abs() <= 0.5);
        }

        #[test]
        fn roots_of_means_are_near(
            sum in 1u32..1 << 31, count in 1u16..=16_384, half in -15i16..=8,
        ) {
            let exact = f64::from(sum) * f64::from(2 * half).exp2() / f64::from(count);
            let exact = exact.sqrt().min(32_767.0);
            let own = f64::from(root_mean(sum, count, 2 * half));
            prop_assert!((own - exact).abs() <= 0.51 + exact * 1e-4, "{own} {exact}");
        }

        #[test]
        fn correlations_stay_within_one(products: i32, a in 0u32..1 << 31, b in 0u32..1 << 31) {
            let own = correlation(products, [a, b]);
            prop_assert!((-16_384..=16_384).contains(&own));
        }
    }
}
