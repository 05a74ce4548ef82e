//! Plain loops: the definition that every other kernel must equal.

use super::{BIT_LANES, BYTE_GROUP, BYTE_LANES, BitProduct, ByteProduct, COLUMNS};

/// Packed bits: `MEET` counts the ones of `a and w`, otherwise those of `a xor w`.
pub(super) fn product<const MEET: bool>(product: &BitProduct<'_>, sums: &mut [i32]) {
    every_sum::<MEET>(product, sums);
}

/// The loops themselves, inlined into a function of a better instruction set where there is one.
#[expect(
    clippy::inline_always,
    reason = "only inlined does it take on the instruction set of its caller"
)]
#[inline(always)]
pub(super) fn every_sum<const MEET: bool>(product: &BitProduct<'_>, sums: &mut [i32]) {
    for panel in 0..product.panel_count() {
        let weights = product.panel(panel);
        for (row, base) in product.base.iter().enumerate() {
            let mut totals = [0_u64; BIT_LANES];
            for plane in (0..product.planes).rev() {
                for total in &mut totals {
                    *total <<= 1;
                }
                for (word, lanes) in product.row(row, plane).iter().zip(weights) {
                    for (total, lane) in totals.iter_mut().zip(lanes) {
                        let bits = if MEET { word & lane } else { word ^ lane };
                        *total = total.wrapping_add(u64::from(bits.count_ones()));
                    }
                }
            }
            let start = row * product.stride + panel * BIT_LANES;
            for (sum, total) in sums[start..start + BIT_LANES].iter_mut().zip(totals) {
                let twice = (total as i32) << 1;
                *sum = if MEET {
                    base.wrapping_add(twice)
                } else {
                    base.wrapping_sub(twice)
                };
            }
        }
    }
}

/// Bytes.
pub(super) fn bytes(product: &ByteProduct<'_>, sums: &mut [i32]) {
    for panel in 0..product.panel_count() {
        let weights = product.panel(panel);
        for row in 0..product.count {
            let mut totals = [0_i32; BYTE_LANES];
            for (group, lanes) in product.row(row).iter().zip(weights) {
                for (lane, total) in totals.iter_mut().enumerate() {
                    for (k, value) in group.iter().enumerate() {
                        let product = i32::from(*value) * i32::from(lanes[lane * BYTE_GROUP + k]);
                        *total = total.wrapping_add(product);
                    }
                }
            }
            let start = row * product.stride + panel * BYTE_LANES;
            sums[start..start + BYTE_LANES].copy_from_slice(&totals);
        }
    }
}

/// Whether sums reach their thresholds.
pub(super) fn reach(sums: &[i32], thresholds: &[i32], bits: &mut [u64]) {
    let limits = thresholds.as_chunks::<COLUMNS>().0.iter().cycle();
    let sums = sums.as_chunks::<COLUMNS>().0;
    for ((word, sums), limits) in bits.iter_mut().zip(sums).zip(limits) {
        *word = 0;
        for (place, (sum, limit)) in sums.iter().zip(limits).enumerate() {
            *word |= u64::from(sum >= limit) << place;
        }
    }
}

/// Number of bits that are 1.
pub(super) fn ones(words: &[u64]) -> u32 {
    words.iter().map(|word| word.count_ones()).sum()
}
