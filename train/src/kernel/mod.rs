//! The arithmetic of layers over slices: forward and backward, float, on the CPU.
//!
//! A batch is `[samples, channels, height, width]` in row-major order. Every sum has a fixed
//! order for a fixed number of threads, so that a run repeats bit by bit.

pub(crate) mod activation;
pub(crate) mod convolution;
pub(crate) mod depthwise;
pub(crate) mod matrix;
pub(crate) mod normalize;
pub(crate) mod pool;

/// Independent partial sums: lets a reduction use vector registers in an order that is fixed.
const LANES: usize = 8;

/// The sum of `length` numbers, in an order that depends on the length only.
pub(crate) fn sum(numbers: impl Iterator<Item = f32>, length: usize) -> f32 {
    debug_assert!(numbers.size_hint().0 <= length);
    let mut lanes = [0.0f32; LANES];
    for (place, number) in numbers.enumerate() {
        lanes[place % LANES] += number;
    }
    lanes.iter().sum()
}

/// The sum of a slice.
pub(crate) fn total(values: &[f32]) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0f32; LANES];
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().sum::<f32>()
}

/// The sum of products of two slices of one length.
pub(crate) fn dot(left: &[f32], right: &[f32]) -> f32 {
    let length = left.len().min(right.len());
    let (left, left_rest) = left[..length].as_chunks::<LANES>();
    let (right, right_rest) = right[..length].as_chunks::<LANES>();
    let mut lanes = [0.0f32; LANES];
    for (l, r) in left.iter().zip(right) {
        for lane in 0..LANES {
            lanes[lane] += l[lane] * r[lane];
        }
    }
    let rest: f32 = left_rest.iter().zip(right_rest).map(|(l, r)| l * r).sum();
    lanes.iter().sum::<f32>() + rest
}

/// Adds the second slice to the first.
pub(crate) fn add(sums: &mut [f32], values: &[f32]) {
    sums.iter_mut().zip(values).for_each(|(s, v)| *s += v);
}

/// Samples of one task when `batch` samples are shared by the threads of the current pool.
pub(crate) fn share(batch: usize) -> usize {
    batch.div_ceil(rayon::current_num_threads()).max(1)
}
