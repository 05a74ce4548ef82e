use proptest::prelude::*;

use super::*;

/// Numbers that follow from `seed`, for data too long to be generated one by one.
fn words(seed: u64, count: usize) -> Vec<u64> {
    let mut state = seed | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.wrapping_mul(0x2545_F491_4F6C_DD1D)
        })
        .collect()
}

fn bytes(seed: u64, count: usize) -> Vec<u8> {
    let words = words(seed, count.div_ceil(8));
    let all = words.iter().flat_map(|word| word.to_le_bytes());
    all.take(count).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_bit_kernel_equals_the_plain_one(
        rows in 1_usize..7,
        planes in prop_oneof![Just(1_usize), Just(2), 3_usize..9],
        length in prop_oneof![1_usize..6, 30_usize..34, 60_usize..66],
        panels in 1_usize..7,
        more in 0_usize..9,
        seed: u64,
    ) {
        let activations = words(seed, rows * planes * length);
        let weights = words(!seed, panels * length * BIT_LANES);
        let base: Vec<i32> = words(seed ^ 7, rows).iter().map(|word| *word as i32 >> 8).collect();
        let stride = panels * BIT_LANES + more;
        let product = BitProduct {
            rows: &activations, planes, words: length, panels: &weights, base: &base, stride,
        };
        let plain = Kernels::of(Isa::Scalar).unwrap();
        let mut expected = [vec![-1; rows * stride], vec![-1; rows * stride]];
        plain.differ(&product, &mut expected[0]);
        plain.meet(&product, &mut expected[1]);
        for kernels in Kernels::available() {
            let mut sums = [vec![-1; rows * stride], vec![-1; rows * stride]];
            kernels.differ(&product, &mut sums[0]);
            kernels.meet(&product, &mut sums[1]);
            prop_assert_eq!(&sums, &expected, "{:?}", kernels.isa());
            prop_assert_eq!(kernels.ones(&weights), plain.ones(&weights));
        }
    }

    #[test]
    fn every_byte_kernel_equals_the_plain_one(
        count in 1_usize..10,
        groups in 1_usize..40,
        panels in 1_usize..4,
        more in 0_usize..9,
        seed: u64,
    ) {
        let rows = bytes(seed, count * groups * BYTE_GROUP);
        let weights = bytes(!seed, panels * groups * BYTE_GROUP * BYTE_LANES);
        let weights: Vec<i8> = weights.into_iter().map(|byte| byte as i8).collect();
        let stride = panels * BYTE_LANES + more;
        let product = ByteProduct { rows: &rows, groups, panels: &weights, count, stride };
        let mut expected = vec![-1; count * stride];
        Kernels::of(Isa::Scalar).unwrap().bytes(&product, &mut expected);
        for kernels in Kernels::available() {
            let mut sums = vec![-1; count * stride];
            kernels.bytes(&product, &mut sums);
            prop_assert_eq!(&sums, &expected, "{:?}", kernels.isa());
        }
    }

    #[test]
    fn every_comparison_equals_the_plain_one(rows in 1_usize..5, words_a_row in 1_usize..4, seed: u64) {
        let columns = words_a_row * COLUMNS;
        let few = |seed, count| -> Vec<i32> {
            words(seed, count).iter().map(|word| (word >> 61) as i32 - 4).collect()
        };
        let (sums, mut thresholds) = (few(seed, rows * columns), few(!seed, columns));
        thresholds[0] = i32::MIN;
        thresholds[1] = i32::MAX;
        let mut expected = vec![0; rows * words_a_row];
        Kernels::of(Isa::Scalar).unwrap().reach(&sums, &thresholds, &mut expected);
        for kernels in Kernels::available() {
            let mut bits = vec![u64::MAX; rows * words_a_row];
            kernels.reach(&sums, &thresholds, &mut bits);
            prop_assert_eq!(&bits, &expected, "{:?}", kernels.isa());
        }
    }
}

#[test]
fn the_plain_kernels_do_what_they_say() {
    // One row of the bits 1, 0, 1 (+1, −1, +1) and eight outputs with one bit pattern each.
    let product = BitProduct {
        rows: &[0b101],
        planes: 1,
        words: 1,
        panels: &[0, 1, 2, 3, 4, 5, 6, 7],
        base: &[3],
        stride: 8,
    };
    let plain = Kernels::of(Isa::Scalar).unwrap();
    let mut sums = [0; 8];
    plain.differ(&product, &mut sums);
    // (+1, −1, +1) · (w0, w1, w2), where bit 1 is +1.
    assert_eq!(sums, [-1, 1, -3, -1, 1, 3, -1, 1]);
    plain.meet(
        &BitProduct {
            base: &[-2],
            ..product
        },
        &mut sums,
    );
    // The levels 1, 0, 1 times the same weights.
    assert_eq!(sums, [-2, 0, -2, 0, 0, 2, 0, 2]);
}
