//! ARM with NEON: `cnt` counts the ones of sixteen bytes; byte counts gather for up to 31 words
//! (31 · 8 < 256) before pairwise additions widen them.

use std::arch::aarch64::{
    uint8x16_t, uint64x2_t, vaddq_u8, vaddq_u64, vandq_u8, vcntq_u8, vdupq_n_u8, vdupq_n_u64,
    veorq_u8, vld1q_u64, vpaddlq_u8, vpaddlq_u16, vpaddlq_u32, vreinterpretq_u8_u64, vshlq_n_u64,
    vst1q_u64,
};

use super::{BIT_LANES, BitProduct};

/// Words whose byte counts fit a byte.
const GATHERED: usize = 31;
/// Vectors of two words in a panel's row.
const PAIRS: usize = BIT_LANES / 2;

/// Packed bits.
#[target_feature(enable = "neon")]
pub(super) fn product<const MEET: bool>(product: &BitProduct<'_>, sums: &mut [i32]) {
    let rows = product.base.len();
    for panel in 0..product.panel_count() {
        let mut row = 0;
        while row + 2 <= rows {
            tile::<MEET, 2>(product, row, panel, sums);
            row += 2;
        }
        if row < rows {
            tile::<MEET, 1>(product, row, panel, sums);
        }
    }
}

/// `R` rows by one panel.
#[inline]
#[target_feature(enable = "neon")]
fn tile<const MEET: bool, const R: usize>(
    product: &BitProduct<'_>,
    row: usize,
    panel: usize,
    sums: &mut [i32],
) {
    let weights = product.panel(panel);
    let mut totals = [[vdupq_n_u64(0); PAIRS]; R];
    for plane in (0..product.planes).rev() {
        let mut words = [&[][..]; R];
        for (r, words) in words.iter_mut().enumerate() {
            *words = product.row(row + r, plane);
        }
        for total in totals.as_flattened_mut() {
            *total = vshlq_n_u64::<1>(*total);
        }
        for (chunk, weights) in weights.chunks(GATHERED).enumerate() {
            let mut counts = [[vdupq_n_u8(0); PAIRS]; R];
            for (at, lanes) in weights.iter().enumerate() {
                let lanes = load(lanes);
                for r in 0..R {
                    let word = words[r][chunk * GATHERED + at];
                    let word = vreinterpretq_u8_u64(vdupq_n_u64(word));
                    for pair in 0..PAIRS {
                        let bits = if MEET {
                            vandq_u8(word, lanes[pair])
                        } else {
                            veorq_u8(word, lanes[pair])
                        };
                        counts[r][pair] = vaddq_u8(counts[r][pair], vcntq_u8(bits));
                    }
                }
            }
            for r in 0..R {
                for pair in 0..PAIRS {
                    let wide = vpaddlq_u32(vpaddlq_u16(vpaddlq_u8(counts[r][pair])));
                    totals[r][pair] = vaddq_u64(totals[r][pair], wide);
                }
            }
        }
    }
    for (r, totals) in totals.iter().enumerate() {
        let base = product.base[row + r];
        let start = (row + r) * product.stride + panel * BIT_LANES;
        let sums = sums[start..start + BIT_LANES].as_chunks_mut::<2>().0;
        for (sums, total) in sums.iter_mut().zip(totals) {
            for (sum, total) in sums.iter_mut().zip(store(*total)) {
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

#[inline]
#[target_feature(enable = "neon")]
fn load(lanes: &[u64; BIT_LANES]) -> [uint8x16_t; PAIRS] {
    let mut vectors = [vdupq_n_u8(0); PAIRS];
    for (vector, pair) in vectors.iter_mut().zip(lanes.as_chunks::<2>().0) {
        // SAFETY: two words are one vector; no alignment is asked for.
        *vector = vreinterpretq_u8_u64(unsafe { vld1q_u64(pair.as_ptr()) });
    }
    vectors
}

#[inline]
#[target_feature(enable = "neon")]
fn store(vector: uint64x2_t) -> [u64; 2] {
    let mut pair = [0; 2];
    // SAFETY: two words are one vector; no alignment is asked for.
    unsafe { vst1q_u64(pair.as_mut_ptr(), vector) };
    pair
}

/// Number of bits that are 1.
#[target_feature(enable = "neon")]
pub(super) fn ones(words: &[u64]) -> u32 {
    words.iter().map(|word| word.count_ones()).sum()
}
