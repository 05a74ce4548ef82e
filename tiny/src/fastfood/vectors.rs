//! The inner loops of feature maps, each compiled for what the processor has.
//!
//! They are plain loops over arrays of fixed length, which the compiler turns into vector
//! instructions; [`versions!`] compiles each a few times and picks at run time.

#![expect(
    unsafe_code,
    reason = "calling a function compiled for instructions that were just detected"
)]
#![expect(
    clippy::inline_always,
    reason = "a loop is compiled for the instructions of the function that it is inlined into"
)]

use std::f32::consts::FRAC_2_PI;

/// Declares a function that runs `$inner` compiled for the best instructions at hand. `$inner`
/// takes a constant that says whether multiply-and-add is one instruction.
macro_rules! versions {
    ($(#[$doc:meta])* $visible:vis fn $name:ident($($argument:ident: $type:ty),*) = $inner:ident) => {
        $(#[$doc])*
        $visible fn $name($($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                fn avx512($($argument: $type),*) {
                    $inner::<true>($($argument),*);
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($argument: $type),*) {
                    $inner::<true>($($argument),*);
                }
                if std::arch::is_x86_feature_detected!("avx512dq")
                    && std::arch::is_x86_feature_detected!("avx512bw")
                    && std::arch::is_x86_feature_detected!("avx512vl")
                    && std::arch::is_x86_feature_detected!("fma")
                {
                    // SAFETY: the processor has the instructions: avx512f comes with avx512dq.
                    return unsafe { avx512($($argument),*) };
                }
                if std::arch::is_x86_feature_detected!("avx2")
                    && std::arch::is_x86_feature_detected!("fma")
                {
                    // SAFETY: the processor has the instructions.
                    return unsafe { avx2($($argument),*) };
                }
            }
            // On aarch64 multiply-and-add is in the baseline.
            $inner::<{ cfg!(target_arch = "aarch64") }>($($argument),*);
        }
    };
}
pub(crate) use versions;

/// Lanes of the loops: a multiple of every processor's vectors.
pub(crate) const LANES: usize = 16;

/// `a * b + c`, in one rounding where that is one instruction.
#[inline(always)]
pub(crate) fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

versions! {
    /// The Walsh–Hadamard transform in natural order, not normalized, in place: `values` becomes
    /// H·`values` with entries of H ±1. The length must be a power of two.
    pub fn hadamard(values: &mut [f32]) = hadamard_inner
}

#[inline(always)]
fn hadamard_inner<const FUSED: bool>(values: &mut [f32]) {
    let length = values.len();
    let mut half = 1;
    if length >= LANES {
        for chunk in values.as_chunks_mut::<LANES>().0 {
            *chunk = butterflies::<8>(butterflies::<4>(butterflies::<2>(butterflies::<1>(*chunk))));
        }
        half = LANES;
    }
    while half * 4 <= length {
        for block in values.chunks_exact_mut(half * 4) {
            four_way(block, half);
        }
        half *= 4;
    }
    if half < length {
        for block in values.chunks_exact_mut(half * 2) {
            let (low, high) = block.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
    }
}

/// One step of the transform between lanes `HALF` apart.
#[inline(always)]
fn butterflies<const HALF: usize>(lanes: [f32; LANES]) -> [f32; LANES] {
    std::array::from_fn(|lane| {
        let other = lanes[lane ^ HALF];
        if lane & HALF == 0 {
            lanes[lane] + other
        } else {
            other - lanes[lane]
        }
    })
}

/// Two steps of the transform at once: a pass over memory less.
#[inline(always)]
fn four_way(block: &mut [f32], half: usize) {
    let (low, high) = block.split_at_mut(half * 2);
    let (first, second) = low.split_at_mut(half);
    let (third, fourth) = high.split_at_mut(half);
    let quarters = first
        .iter_mut()
        .zip(second)
        .zip(third.iter_mut().zip(fourth));
    for ((a, b), (c, d)) in quarters {
        let (sum, difference) = (*a + *b, *a - *b);
        let (sum_high, difference_high) = (*c + *d, *c - *d);
        *a = sum + sum_high;
        *b = difference + difference_high;
        *c = sum - sum_high;
        *d = difference - difference_high;
    }
}

versions! {
    /// `cosines` and `sines` of `angles`, each multiplied by `scale`. The slices must be of equal
    /// length. Good to 2e-7 · `scale` for angles up to a few thousand.
    pub(super) fn turn(angles: &[f32], scale: f32, cosines: &mut [f32], sines: &mut [f32]) = turn_inner
}

#[inline(always)]
fn turn_inner<const FUSED: bool>(
    angles: &[f32],
    scale: f32,
    cosines: &mut [f32],
    sines: &mut [f32],
) {
    for ((angle, cosine), sine) in angles.iter().zip(cosines).zip(sines) {
        let (c, s) = cosine_and_sine::<FUSED>(*angle);
        *cosine = c * scale;
        *sine = s * scale;
    }
}

/// Reduction to ±π/4 in three parts of π/2 (Cody and Waite), then Taylor-like polynomials with
/// minimax coefficients.
#[inline(always)]
fn cosine_and_sine<const FUSED: bool>(angle: f32) -> (f32, f32) {
    // Adding and taking away 1.5 · 2²³ rounds to the nearest integer; its low bits are the integer.
    const ROUND: f32 = 12_582_912.0;
    const PARTS: [f32; 3] = [-1.570_312_5, -4.837_513e-4, -7.549_79e-8];
    let shifted = multiply_add::<FUSED>(angle, FRAC_2_PI, ROUND);
    let quarter = shifted.to_bits();
    let turns = shifted - ROUND;
    let mut rest = angle;
    for part in PARTS {
        rest = multiply_add::<FUSED>(turns, part, rest);
    }
    let square = rest * rest;
    let sine = polynomial::<FUSED, 3>(square, [-1.951_529_6e-4, 8.332_161e-3, -1.666_665_5e-1]);
    let sine = multiply_add::<FUSED>(sine * square, rest, rest);
    let cosine = polynomial::<FUSED, 3>(square, [2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2]);
    let cosine = multiply_add::<FUSED>(cosine * square, square, 1.0 - 0.5 * square);
    let odd = quarter & 1 != 0;
    let (c, s) = if odd { (sine, cosine) } else { (cosine, sine) };
    // Quarters 1 and 2 turn the cosine's sign, 2 and 3 the sine's.
    let cosine_sign = ((quarter.wrapping_add(1)) & 2) << 30;
    let sine_sign = (quarter & 2) << 30;
    (
        f32::from_bits(c.to_bits() ^ cosine_sign),
        f32::from_bits(s.to_bits() ^ sine_sign),
    )
}

#[inline(always)]
fn polynomial<const FUSED: bool, const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let [first, rest @ ..] = &coefficients[..] else {
        return 0.0;
    };
    rest.iter()
        .fold(*first, |sum, next| multiply_add::<FUSED>(sum, x, *next))
}

versions! {
    /// `target[i] = values[order[i]] * gains[i]`. All slices must be of equal length.
    pub(super) fn pick(values: &[f32], order: &[u16], gains: &[f32], target: &mut [f32]) = pick_inner
}

#[inline(always)]
fn pick_inner<const FUSED: bool>(values: &[f32], order: &[u16], gains: &[f32], target: &mut [f32]) {
    for ((target, index), gain) in target.iter_mut().zip(order).zip(gains) {
        *target = values[usize::from(*index)] * gain;
    }
}

versions! {
    /// `target[i] = ±values[i]`, minus where bit i of `signs` is set (64 a word, lowest first).
    pub(super) fn flip(values: &[f32], signs: &[u64], target: &mut [f32]) = flip_inner
}

#[inline(always)]
fn flip_inner<const FUSED: bool>(values: &[f32], signs: &[u64], target: &mut [f32]) {
    for ((values, target), word) in values
        .chunks(32)
        .zip(target.chunks_mut(32))
        .zip(halves(signs))
    {
        for (lane, (value, target)) in (0..32_u32).zip(values.iter().zip(target)) {
            *target = f32::from_bits(value.to_bits() ^ (((word >> lane) & 1) << 31));
        }
    }
}

#[inline(always)]
fn halves(words: &[u64]) -> impl Iterator<Item = u32> {
    words
        .iter()
        .flat_map(|word| [*word as u32, (*word >> 32) as u32])
}

versions! {
    /// `target[i] *= gains[i]`.
    pub(super) fn scale(target: &mut [f32], gains: &[f32]) = scale_inner
}

#[inline(always)]
fn scale_inner<const FUSED: bool>(target: &mut [f32], gains: &[f32]) {
    for (target, gain) in target.iter_mut().zip(gains) {
        *target *= gain;
    }
}

versions! {
    /// `target[i]` = row i of `matrix` times `vector`; rows are contiguous.
    pub(super) fn times(matrix: &[f32], vector: &[f32], target: &mut [f32]) = times_inner
}

#[inline(always)]
fn times_inner<const FUSED: bool>(matrix: &[f32], vector: &[f32], target: &mut [f32]) {
    for (row, target) in matrix.chunks_exact(vector.len()).zip(target) {
        *target = dot::<FUSED>(row, vector);
    }
}

#[inline(always)]
fn dot<const FUSED: bool>(a: &[f32], b: &[f32]) -> f32 {
    const WIDE: usize = 4 * LANES;
    let mut sums = [0.0; WIDE];
    let (wide_a, rest_a) = a.as_chunks::<WIDE>();
    let (wide_b, rest_b) = b.as_chunks::<WIDE>();
    for (a, b) in wide_a.iter().zip(wide_b) {
        for lane in 0..WIDE {
            sums[lane] = multiply_add::<FUSED>(a[lane], b[lane], sums[lane]);
        }
    }
    let rest = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f32>();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_is_hadamards_matrix() {
        for power in 0..12 {
            let length = 1_usize << power;
            let mut values: Vec<f32> = (0..length).map(|i| ((i * 37) % 11) as f32 - 5.0).collect();
            let expected: Vec<f32> = (0..length)
                .map(|row| {
                    let sign = |column: usize| 1.0 - 2.0 * ((row & column).count_ones() % 2) as f32;
                    values
                        .iter()
                        .enumerate()
                        .map(|(column, value)| sign(column) * value)
                        .sum()
                })
                .collect();
            let mut plain = values.clone();
            hadamard(&mut values);
            hadamard_inner::<false>(&mut plain);
            // Sums of small integers are exact.
            assert_eq!(values, expected, "length {length}");
            assert_eq!(plain, expected, "length {length}");
        }
    }

    #[test]
    fn turns_are_as_good_as_the_libraries() {
        let angles: Vec<f32> = (-40_000..40_000).map(|i| i as f32 * 0.0317).collect();
        for fused in [false, true] {
            let mut parts = [vec![0.0; angles.len()], vec![0.0; angles.len()]];
            let [cosines, sines] = &mut parts;
            if fused {
                turn(&angles, 1.0, cosines, sines);
            } else {
                turn_inner::<false>(&angles, 1.0, cosines, sines);
            }
            for (i, angle) in angles.iter().enumerate() {
                let (sine, cosine) = f64::from(*angle).sin_cos();
                let error =
                    (f64::from(cosines[i]) - cosine).abs() + (f64::from(sines[i]) - sine).abs();
                assert!(error < 1e-6, "{angle}: {error}");
            }
        }
    }

    #[test]
    fn signs_turn_and_orders_pick() {
        let values: Vec<f32> = (0..100).map(|i| i as f32 + 1.0).collect();
        let mut target = vec![0.0; 100];
        flip(&values, &[1 << 63 | 1, 1 << 35], &mut target);
        let negative: Vec<usize> = (0..100).filter(|&i| target[i] < 0.0).collect();
        assert_eq!(negative, [0, 63, 99]);

        let order: Vec<u16> = (0..100).rev().collect();
        pick(&values, &order, &vec![2.0; 100], &mut target);
        assert!((target[0] - 200.0).abs() < 1e-6 && (target[99] - 2.0).abs() < 1e-6);
        let mut products = [0.0; 2];
        times(
            &[values.clone(), vec![1.0; 100]].concat(),
            &values,
            &mut products,
        );
        assert!((products[0] - 338_350.0).abs() < 1.0 && (products[1] - 5050.0).abs() < 0.1);
    }
}
