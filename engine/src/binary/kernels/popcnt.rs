//! x86 with `popcnt`: the plain loops, one instruction a word.

use super::{BitProduct, scalar};

/// Packed bits.
#[target_feature(enable = "popcnt")]
pub(super) fn product<const MEET: bool>(product: &BitProduct<'_>, sums: &mut [i32]) {
    scalar::every_sum::<MEET>(product, sums);
}

/// Number of bits that are 1.
#[target_feature(enable = "popcnt")]
pub(super) fn ones(words: &[u64]) -> u32 {
    words.iter().map(|word| word.count_ones()).sum()
}
