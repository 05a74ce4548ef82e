//! x86 with AVX-512: `vpopcntq` counts eight words at once, `vpdpbusd` multiplies 64 bytes.

use std::arch::x86_64::{
    __m256i, __m512i, _mm256_add_epi32, _mm256_set1_epi32, _mm256_slli_epi32, _mm256_storeu_si256,
    _mm256_sub_epi32, _mm512_add_epi64, _mm512_and_si512, _mm512_cmpge_epi32_mask,
    _mm512_cvtepi64_epi32, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_popcnt_epi64,
    _mm512_set1_epi32, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_slli_epi64,
    _mm512_storeu_si512, _mm512_xor_si512,
};

use super::{BIT_LANES, BYTE_GROUP, BYTE_LANES, BitProduct, ByteProduct, COLUMNS};

/// Packed bits.
#[target_feature(enable = "avx512f,avx512vpopcntdq,avx2")]
pub(super) fn product<const MEET: bool>(product: &BitProduct<'_>, sums: &mut [i32]) {
    let (rows, panels) = (product.base.len(), product.panel_count());
    let mut panel = 0;
    while panel + 4 <= panels {
        let mut row = 0;
        while row + 4 <= rows {
            tile::<MEET, 4, 4>(product, row, panel, sums);
            row += 4;
        }
        while row < rows {
            tile::<MEET, 1, 4>(product, row, panel, sums);
            row += 1;
        }
        panel += 4;
    }
    while panel < panels {
        let mut row = 0;
        while row + 4 <= rows {
            tile::<MEET, 4, 1>(product, row, panel, sums);
            row += 4;
        }
        while row < rows {
            tile::<MEET, 1, 1>(product, row, panel, sums);
            row += 1;
        }
        panel += 1;
    }
}

/// `R` rows by `P` panels.
#[inline]
#[target_feature(enable = "avx512f,avx512vpopcntdq,avx2")]
fn tile<const MEET: bool, const R: usize, const P: usize>(
    product: &BitProduct<'_>,
    row: usize,
    panel: usize,
    sums: &mut [i32],
) {
    let mut weights = [&[][..]; P];
    for (p, weights) in weights.iter_mut().enumerate() {
        *weights = product.panel(panel + p);
    }
    let mut totals = [[_mm512_setzero_si512(); P]; R];
    for plane in (0..product.planes).rev() {
        let mut words = [&[][..]; R];
        for (r, words) in words.iter_mut().enumerate() {
            *words = product.row(row + r, plane);
        }
        for total in totals.as_flattened_mut() {
            *total = _mm512_slli_epi64::<1>(*total);
        }
        for at in 0..product.words {
            let mut lanes = [_mm512_setzero_si512(); P];
            for p in 0..P {
                lanes[p] = load(&weights[p][at]);
            }
            for r in 0..R {
                let word = _mm512_set1_epi64(words[r][at] as i64);
                for p in 0..P {
                    let bits = if MEET {
                        _mm512_and_si512(word, lanes[p])
                    } else {
                        _mm512_xor_si512(word, lanes[p])
                    };
                    totals[r][p] = _mm512_add_epi64(totals[r][p], _mm512_popcnt_epi64(bits));
                }
            }
        }
    }
    for (r, totals) in totals.iter().enumerate() {
        let base = _mm256_set1_epi32(product.base[row + r]);
        for (p, total) in totals.iter().enumerate() {
            let twice = _mm256_slli_epi32::<1>(_mm512_cvtepi64_epi32(*total));
            let sum = if MEET {
                _mm256_add_epi32(base, twice)
            } else {
                _mm256_sub_epi32(base, twice)
            };
            let start = (row + r) * product.stride + (panel + p) * BIT_LANES;
            store(&mut sums[start..start + BIT_LANES], sum);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(lanes: &[u64; BIT_LANES]) -> __m512i {
    // SAFETY: eight words are 64 bytes; no alignment is asked for.
    unsafe { _mm512_loadu_si512(lanes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(eight: &mut [i32], vector: __m256i) {
    assert!(eight.len() >= 8);
    // SAFETY: eight numbers are 32 bytes; no alignment is asked for.
    unsafe { _mm256_storeu_si256(eight.as_mut_ptr().cast(), vector) }
}

/// Bytes.
#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) fn bytes(product: &ByteProduct<'_>, sums: &mut [i32]) {
    for panel in 0..product.panel_count() {
        let mut row = 0;
        while row + 4 <= product.count {
            byte_tile::<4>(product, row, panel, sums);
            row += 4;
        }
        while row < product.count {
            byte_tile::<1>(product, row, panel, sums);
            row += 1;
        }
    }
}

/// `R` rows by one panel.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn byte_tile<const R: usize>(
    product: &ByteProduct<'_>,
    row: usize,
    panel: usize,
    sums: &mut [i32],
) {
    let weights = product.panel(panel);
    let mut groups = [&[][..]; R];
    for (r, groups) in groups.iter_mut().enumerate() {
        *groups = product.row(row + r);
    }
    let mut totals = [_mm512_setzero_si512(); R];
    for at in 0..product.groups {
        let lanes = load_bytes(&weights[at]);
        for r in 0..R {
            let four = _mm512_set1_epi32(i32::from_le_bytes(groups[r][at]));
            totals[r] = _mm512_dpbusd_epi32(totals[r], four, lanes);
        }
    }
    for (r, total) in totals.iter().enumerate() {
        let start = (row + r) * product.stride + panel * BYTE_LANES;
        let sums = &mut sums[start..start + BYTE_LANES];
        // SAFETY: sixteen numbers are 64 bytes; no alignment is asked for.
        unsafe { _mm512_storeu_si512(sums.as_mut_ptr().cast(), *total) }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_bytes(lanes: &[i8; BYTE_LANES * BYTE_GROUP]) -> __m512i {
    // SAFETY: 64 bytes; no alignment is asked for.
    unsafe { _mm512_loadu_si512(lanes.as_ptr().cast()) }
}

/// Whether sums reach their thresholds.
#[target_feature(enable = "avx512f")]
pub(super) fn reach(sums: &[i32], thresholds: &[i32], bits: &mut [u64]) {
    let limits = thresholds.as_chunks::<COLUMNS>().0.iter().cycle();
    let sums = sums.as_chunks::<COLUMNS>().0;
    for ((word, sums), limits) in bits.iter_mut().zip(sums).zip(limits) {
        *word = 0;
        for part in 0..COLUMNS / 16 {
            let place = part * 16;
            let sums = load_sums(&sums[place..place + 16]);
            let limits = load_sums(&limits[place..place + 16]);
            *word |= u64::from(_mm512_cmpge_epi32_mask(sums, limits)) << place;
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_sums(sixteen: &[i32]) -> __m512i {
    assert!(sixteen.len() >= 16);
    // SAFETY: sixteen numbers are 64 bytes; no alignment is asked for.
    unsafe { _mm512_loadu_si512(sixteen.as_ptr().cast()) }
}
