//! x86 with AVX2. The ones of a byte are looked up by its two halves (`vpshufb`), byte counts
//! gather for up to 31 words (31 · 8 < 256) before `vpsadbw` adds them to 64-bit totals.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi8, _mm256_add_epi32, _mm256_add_epi64, _mm256_and_si256,
    _mm256_castps_si256, _mm256_castsi256_ps, _mm256_cmpgt_epi32, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_movemask_ps, _mm256_permute4x64_epi64, _mm256_sad_epu8,
    _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_setr_epi8,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_shuffle_ps, _mm256_slli_epi16,
    _mm256_slli_epi32, _mm256_slli_epi64, _mm256_srai_epi16, _mm256_srli_epi16,
    _mm256_storeu_si256, _mm256_sub_epi32, _mm256_xor_si256,
};

use super::{BIT_LANES, BYTE_GROUP, BYTE_LANES, BitProduct, ByteProduct, COLUMNS};

/// Words whose byte counts fit a byte.
const GATHERED: usize = 31;

/// Packed bits.
#[target_feature(enable = "avx2")]
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
#[target_feature(enable = "avx2")]
fn tile<const MEET: bool, const R: usize>(
    product: &BitProduct<'_>,
    row: usize,
    panel: usize,
    sums: &mut [i32],
) {
    let weights = product.panel(panel);
    let zero = _mm256_setzero_si256();
    let mut totals = [[zero; 2]; R];
    for plane in (0..product.planes).rev() {
        let mut words = [&[][..]; R];
        for (r, words) in words.iter_mut().enumerate() {
            *words = product.row(row + r, plane);
        }
        for total in totals.as_flattened_mut() {
            *total = _mm256_slli_epi64::<1>(*total);
        }
        for (chunk, weights) in weights.chunks(GATHERED).enumerate() {
            let mut counts = [[zero; 2]; R];
            for (at, lanes) in weights.iter().enumerate() {
                let lanes = load(lanes);
                for r in 0..R {
                    let word = _mm256_set1_epi64x(words[r][chunk * GATHERED + at] as i64);
                    for half in 0..2 {
                        let bits = if MEET {
                            _mm256_and_si256(word, lanes[half])
                        } else {
                            _mm256_xor_si256(word, lanes[half])
                        };
                        counts[r][half] = _mm256_add_epi8(counts[r][half], count(bits));
                    }
                }
            }
            for r in 0..R {
                for half in 0..2 {
                    let sum = _mm256_sad_epu8(counts[r][half], zero);
                    totals[r][half] = _mm256_add_epi64(totals[r][half], sum);
                }
            }
        }
    }
    for (r, total) in totals.iter().enumerate() {
        let twice = _mm256_slli_epi32::<1>(narrow(total[0], total[1]));
        let base = _mm256_set1_epi32(product.base[row + r]);
        let sum = if MEET {
            _mm256_add_epi32(base, twice)
        } else {
            _mm256_sub_epi32(base, twice)
        };
        let start = (row + r) * product.stride + panel * BIT_LANES;
        store(&mut sums[start..start + BIT_LANES], sum);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(lanes: &[u64; BIT_LANES]) -> [__m256i; 2] {
    // SAFETY: eight words are two vectors of 32 bytes; no alignment is asked for.
    unsafe {
        [
            _mm256_loadu_si256(lanes.as_ptr().cast()),
            _mm256_loadu_si256(lanes.as_ptr().add(4).cast()),
        ]
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(eight: &mut [i32], vector: __m256i) {
    assert!(eight.len() >= 8);
    // SAFETY: eight numbers are 32 bytes; no alignment is asked for.
    unsafe { _mm256_storeu_si256(eight.as_mut_ptr().cast(), vector) }
}

/// The ones of each byte.
#[inline]
#[target_feature(enable = "avx2")]
fn count(bits: __m256i) -> __m256i {
    let table = _mm256_setr_epi8(
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3,
        3, 4,
    );
    let half = _mm256_set1_epi8(15);
    let low = _mm256_and_si256(bits, half);
    let high = _mm256_and_si256(_mm256_srli_epi16::<4>(bits), half);
    _mm256_add_epi8(
        _mm256_shuffle_epi8(table, low),
        _mm256_shuffle_epi8(table, high),
    )
}

/// The lower halves of eight 64-bit numbers, in order.
#[inline]
#[target_feature(enable = "avx2")]
fn narrow(first: __m256i, second: __m256i) -> __m256i {
    let even =
        _mm256_shuffle_ps::<0b10_00_10_00>(_mm256_castsi256_ps(first), _mm256_castsi256_ps(second));
    _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_castps_si256(even))
}

/// Bytes: even and odd ones apart as 16-bit numbers, so that no product is cut off.
#[target_feature(enable = "avx2")]
pub(super) fn bytes(product: &ByteProduct<'_>, sums: &mut [i32]) {
    let low = _mm256_set1_epi16(255);
    for panel in 0..product.panel_count() {
        let weights = product.panel(panel);
        for row in 0..product.count {
            let mut totals = [_mm256_setzero_si256(); 2];
            for (group, lanes) in product.row(row).iter().zip(weights) {
                let four = _mm256_set1_epi32(i32::from_le_bytes(*group));
                let even = _mm256_and_si256(four, low);
                let odd = _mm256_srli_epi16::<8>(four);
                for (total, weight) in totals.iter_mut().zip(load_bytes(lanes)) {
                    let even_weight = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(weight));
                    let odd_weight = _mm256_srai_epi16::<8>(weight);
                    let sum = _mm256_add_epi32(
                        _mm256_madd_epi16(even, even_weight),
                        _mm256_madd_epi16(odd, odd_weight),
                    );
                    *total = _mm256_add_epi32(*total, sum);
                }
            }
            let start = row * product.stride + panel * BYTE_LANES;
            let (first, second) = sums[start..start + BYTE_LANES].split_at_mut(8);
            store(first, totals[0]);
            store(second, totals[1]);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_bytes(lanes: &[i8; BYTE_LANES * BYTE_GROUP]) -> [__m256i; 2] {
    // SAFETY: 64 bytes are two vectors of 32; no alignment is asked for.
    unsafe {
        [
            _mm256_loadu_si256(lanes.as_ptr().cast()),
            _mm256_loadu_si256(lanes.as_ptr().add(32).cast()),
        ]
    }
}

/// Whether sums reach their thresholds.
#[target_feature(enable = "avx2")]
pub(super) fn reach(sums: &[i32], thresholds: &[i32], bits: &mut [u64]) {
    let limits = thresholds.as_chunks::<COLUMNS>().0.iter().cycle();
    let sums = sums.as_chunks::<COLUMNS>().0;
    for ((word, sums), limits) in bits.iter_mut().zip(sums).zip(limits) {
        *word = 0;
        for part in 0..COLUMNS / 8 {
            let below = _mm256_cmpgt_epi32(
                load_sums(&limits[part * 8..part * 8 + 8]),
                load_sums(&sums[part * 8..part * 8 + 8]),
            );
            let reached = !_mm256_movemask_ps(_mm256_castsi256_ps(below)) & 255;
            *word |= (reached as u64) << (part * 8);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_sums(eight: &[i32]) -> __m256i {
    assert!(eight.len() >= 8);
    // SAFETY: eight numbers are 32 bytes; no alignment is asked for.
    unsafe { _mm256_loadu_si256(eight.as_ptr().cast()) }
}
