//! What flows between two layers while a network runs.

use super::kernels::COLUMNS;
use super::network::Pool;
use super::pack::mask;
use super::shape::Shape;

/// Packed bits of several samples: `[sample][pixel][plane][word]`, the lowest plane first, the
/// first channel in the lowest bit, bits beyond the channels 0.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Planes {
    pub(super) shape: Shape,
    pub(super) planes: usize,
    pub(super) words: Vec<u64>,
}

/// Bytes of several samples: `[sample][pixel][channel]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bytes {
    pub(super) shape: Shape,
    pub(super) zero: u8,
    pub(super) bytes: Vec<u8>,
}

/// What flows.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// One plane: bit 1 for +1, bit 0 for −1.
    Signs(Planes),
    /// Two planes: 0 to 3.
    Levels(Planes),
    /// 8-bit numbers.
    Bytes(Bytes),
    /// The answer.
    Numbers(Vec<f32>),
}

impl Planes {
    /// Words of one plane of a pixel.
    pub(super) const fn plane_words(&self) -> usize {
        self.shape.channels.div_ceil(COLUMNS)
    }

    /// Words of a pixel.
    pub(super) const fn pixel_words(&self) -> usize {
        self.plane_words() * self.planes
    }

    /// Number of samples.
    pub(super) const fn samples(&self) -> usize {
        self.words.len() / (self.pixel_words() * self.shape.pixels())
    }

    /// All pixels' channels as the features of one.
    pub(super) fn flatten(self) -> Self {
        let shape = self.shape.flat();
        if self.shape.pixels() == 1 {
            return Self { shape, ..self };
        }
        let (plane_words, channels) = (self.plane_words(), self.shape.channels);
        let mut words = Vec::new();
        for sample in self.words.chunks(self.pixel_words() * self.shape.pixels()) {
            for plane in 0..self.planes {
                let mut row = BitRow::new(shape.channels);
                for pixel in sample.chunks(self.pixel_words()) {
                    let plane = &pixel[plane * plane_words..(plane + 1) * plane_words];
                    row.append(plane, channels);
                }
                words.extend(row.words);
            }
        }
        Self {
            shape,
            words,
            ..self
        }
    }

    /// The largest of each channel in a window.
    pub(super) fn pool(&self, pool: Pool) -> Self {
        let shape = self.shape.pooled(pool).expect("the network was checked");
        let pixel_words = self.pixel_words();
        let mut words = Vec::with_capacity(self.samples() * shape.pixels() * pixel_words);
        for sample in self.words.chunks(pixel_words * self.shape.pixels()) {
            for window in windows(self.shape, shape, pool) {
                let start = words.len();
                words.resize(start + pixel_words, 0);
                for pixel in window {
                    let pixel = &sample[pixel * pixel_words..(pixel + 1) * pixel_words];
                    keep_largest(&mut words[start..], pixel, self.planes);
                }
            }
        }
        Self {
            shape,
            planes: self.planes,
            words,
        }
    }

    /// Turns every bit of the channels whose bit in `flips` is 1: a sign or level is turned.
    pub(super) fn flip(&mut self, flips: &[u64]) {
        for plane in self.words.chunks_exact_mut(flips.len()) {
            for (word, flip) in plane.iter_mut().zip(flips) {
                *word ^= flip;
            }
        }
    }

    /// The same numbers, one a byte: signs as 0 and 2 around a zero of 1.
    pub(super) fn to_bytes(&self, signs: bool) -> Bytes {
        let (plane_words, channels) = (self.plane_words(), self.shape.channels);
        let mut bytes = Vec::with_capacity(self.samples() * self.shape.pixels() * channels);
        for pixel in self.words.chunks(self.pixel_words()) {
            bytes.extend((0..channels).map(|channel| {
                let bits = (0..self.planes).map(|plane| {
                    let word = pixel[plane * plane_words + channel / 64];
                    ((word >> (channel % 64) & 1) as u8) << plane
                });
                bits.sum::<u8>() << u8::from(signs)
            }));
        }
        Bytes {
            shape: self.shape,
            zero: u8::from(signs),
            bytes,
        }
    }
}

/// The pixels of each window of `pool`, in the order of the windows.
fn windows(
    from: Shape,
    to: Shape,
    pool: Pool,
) -> impl Iterator<Item = impl Iterator<Item = usize>> {
    (0..to.pixels()).map(move |position| {
        let (top, left) = (
            position / to.width * pool.stride,
            position % to.width * pool.stride,
        );
        (0..pool.size * pool.size).map(move |at| {
            let (down, right) = (at / pool.size, at % pool.size);
            (top + down) * from.width + left + right
        })
    })
}

/// Keeps in `best` the larger of each channel, of one or two planes.
fn keep_largest(best: &mut [u64], other: &[u64], planes: usize) {
    if planes == 1 {
        for (best, other) in best.iter_mut().zip(other) {
            *best |= other;
        }
        return;
    }
    let half = best.len() / 2;
    let (low, high) = best.split_at_mut(half);
    for word in 0..half {
        let (other_low, other_high) = (other[word], other[half + word]);
        let higher = other_high & !high[word];
        let lower = high[word] & !other_high;
        low[word] = (low[word] & !higher) | (other_low & !lower);
        high[word] |= other_high;
    }
}

impl Bytes {
    /// Number of samples.
    pub(super) const fn samples(&self) -> usize {
        self.bytes.len() / (self.shape.pixels() * self.shape.channels)
    }

    /// The largest of each channel in a window.
    pub(super) fn pool(&self, pool: Pool) -> Self {
        let shape = self.shape.pooled(pool).expect("the network was checked");
        let channels = self.shape.channels;
        let mut bytes = Vec::with_capacity(self.samples() * shape.pixels() * channels);
        for sample in self.bytes.chunks(self.shape.pixels() * channels) {
            for window in windows(self.shape, shape, pool) {
                let start = bytes.len();
                bytes.resize(start + channels, 0);
                for pixel in window {
                    let pixel = &sample[pixel * channels..(pixel + 1) * channels];
                    for (best, other) in bytes[start..].iter_mut().zip(pixel) {
                        *best = (*best).max(*other);
                    }
                }
            }
        }
        Self {
            shape,
            zero: self.zero,
            bytes,
        }
    }

    /// The same numbers in eight planes of bits.
    pub(super) fn to_planes(&self) -> Planes {
        let mut words = Vec::new();
        for pixel in self.bytes.chunks(self.shape.channels) {
            let start = words.len();
            let plane_words = pixel.len().div_ceil(64);
            words.resize(start + 8 * plane_words, 0);
            for (at, eight) in pixel.chunks(8).enumerate() {
                let mut bytes = [0; 8];
                bytes[..eight.len()].copy_from_slice(eight);
                let bytes = u64::from_le_bytes(bytes);
                for plane in 0..8 {
                    // The lowest bit of each byte, gathered in the highest byte.
                    let bits = (bytes >> plane & 0x0101_0101_0101_0101)
                        .wrapping_mul(0x0102_0408_1020_4080)
                        >> 56;
                    words[start + plane * plane_words + at / 8] |= bits << (at % 8 * 8);
                }
            }
        }
        Planes {
            shape: self.shape,
            planes: 8,
            words,
        }
    }
}

/// A row of bits that grows from the front.
pub(super) struct BitRow {
    pub(super) words: Vec<u64>,
    length: usize,
}

impl BitRow {
    /// A row of zeros with room for `bits`.
    pub(super) fn new(bits: usize) -> Self {
        Self {
            words: vec![0; bits.div_ceil(64)],
            length: 0,
        }
    }

    /// Adds the first `bits` bits of `words`, whose other bits are 0.
    pub(super) fn append(&mut self, words: &[u64], bits: usize) {
        append(&mut self.words, self.length, words, bits);
        self.length += bits;
    }
}

/// Sets bits of `row` from `at` on, where it is 0, to the first `bits` bits of `words`.
pub(super) fn append(row: &mut [u64], at: usize, words: &[u64], bits: usize) {
    let (first, shift) = (at / 64, at % 64);
    for (word, source) in words.iter().enumerate() {
        let bits = bits - word * 64;
        let source = source & mask(bits);
        row[first + word] |= source << shift;
        if shift > 0 && bits.min(64) + shift > 64 {
            row[first + word + 1] |= source >> (64 - shift);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(height: usize, width: usize, channels: usize) -> Shape {
        Shape {
            height,
            width,
            channels,
        }
    }

    #[test]
    fn bytes_become_planes_and_come_back() {
        let bytes: Vec<u8> = (0..70_u8).map(|i| i.wrapping_mul(37)).collect();
        let value = Bytes {
            shape: shape(1, 2, 35),
            zero: 0,
            bytes,
        };
        let planes = value.to_planes();
        assert_eq!((planes.planes, planes.samples()), (8, 1));
        assert_eq!(planes.to_bytes(false), value);
    }

    #[test]
    fn the_larger_of_two_levels_is_kept() {
        for (a, b) in (0..4_u64).flat_map(|a| (0..4).map(move |b| (a, b))) {
            let mut best = [a & 1, a >> 1];
            keep_largest(&mut best, &[b & 1, b >> 1], 2);
            assert_eq!(best, [a.max(b) & 1, a.max(b) >> 1], "{a} and {b}");
        }
    }

    #[test]
    fn rows_of_bits_grow_over_words() {
        let mut row = BitRow::new(130);
        for _ in 0..2 {
            row.append(&[u64::MAX, 1], 65);
        }
        assert_eq!(row.words, [u64::MAX, u64::MAX, 3]);
    }

    #[test]
    fn flattening_keeps_the_order_of_pixels() {
        let planes = Planes {
            shape: shape(1, 3, 3),
            planes: 2,
            words: vec![1, 2, 3, 4, 5, 6],
        };
        let flat = planes.flatten();
        assert_eq!(flat.words, [0b101_011_001, 0b110_100_010]);
    }
}
