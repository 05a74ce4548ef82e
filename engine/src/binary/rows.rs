//! The window of pixels under each position, laid out as one row of a product.

use super::network::Window;
use super::shape::Shape;
use super::value::{Bytes, Planes, append};

/// Where a product's windows lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry {
    /// Of one sample that goes in.
    pub(super) from: Shape,
    /// Of one sample's sums.
    pub(super) to: Shape,
    pub(super) window: Window,
}

/// Neighbours in one row of pixels.
struct Line {
    /// The first one's place in the window.
    tap: usize,
    /// The first one's place in the sample.
    pixel: usize,
    count: usize,
}

/// Copies a line of pixels plane by plane.
fn line_of_planes(value: &Planes, sample: &[u64], line: &Line, words: usize, row: &mut [u64]) {
    let (channels, plane_words) = (value.shape.channels, value.plane_words());
    let pixel_words = value.pixel_words();
    let pixels = &sample[line.pixel * pixel_words..(line.pixel + line.count) * pixel_words];
    for (at, pixel) in pixels.chunks_exact(pixel_words).enumerate() {
        let tap = line.tap + at;
        for (plane, bits) in pixel.chunks_exact(plane_words).enumerate() {
            let row = &mut row[plane * words..(plane + 1) * words];
            if channels == 64 {
                // A call to copy eight bytes would take longer than the product.
                row[tap] = bits[0];
            } else if channels.is_multiple_of(64) {
                row[tap * plane_words..(tap + 1) * plane_words].copy_from_slice(bits);
            } else {
                append(row, tap * channels, bits, channels);
            }
        }
    }
}

impl Geometry {
    /// Whether a row is a pixel as it lies there.
    pub(super) const fn is_plain(&self) -> bool {
        self.window.size == 1 && self.window.stride == 1 && self.window.padding == 0
    }

    /// Inputs of one row.
    pub(super) const fn inputs(&self) -> usize {
        self.window.size * self.window.size * self.from.channels
    }

    /// The pixels under a position of one sample, as lines of neighbours, without those beyond
    /// the edge.
    fn lines(&self, position: usize) -> impl Iterator<Item = Line> {
        let Self { from, to, window } = *self;
        let top = position / to.width * window.stride;
        let left = position % to.width * window.stride;
        let first = window.padding.saturating_sub(left);
        let last = window
            .size
            .min((from.width + window.padding).saturating_sub(left));
        (0..window.size).filter_map(move |down| {
            let row = (top + down).checked_sub(window.padding)?;
            (row < from.height && first < last).then(|| Line {
                tap: down * window.size + first,
                pixel: row * from.width + left + first - window.padding,
                count: last - first,
            })
        })
    }

    /// The pixels under a position of one sample, in order; none beyond the edge.
    fn taps(&self, position: usize) -> impl Iterator<Item = Option<usize>> {
        let Self { from, to, window } = *self;
        let (top, left) = (
            position / to.width * window.stride,
            position % to.width * window.stride,
        );
        (0..window.size * window.size).map(move |tap| {
            let row = (top + tap / window.size).checked_sub(window.padding)?;
            let column = (left + tap % window.size).checked_sub(window.padding)?;
            (row < from.height && column < from.width).then_some(row * from.width + column)
        })
    }

    /// The taps of a position that lie beyond the edge, one bit each.
    pub(super) fn missing(&self, position: usize) -> u64 {
        let taps = self.taps(position).enumerate();
        taps.filter(|(_, pixel)| pixel.is_none())
            .fold(0, |mask, (tap, _)| mask | (1 << tap))
    }

    /// Lays out the rows of `count` positions from `first` on, counted through all samples, as
    /// `[row][plane][word]`. Bits of pixels beyond the edge are 0.
    pub(super) fn bit_rows(&self, value: &Planes, first: usize, count: usize, rows: &mut Vec<u64>) {
        let words = self.inputs().div_ceil(64);
        rows.clear();
        rows.resize(count * value.planes * words, 0);
        let sample_words = self.from.pixels() * value.pixel_words();
        let whole = self.from.channels.is_multiple_of(64);
        for (at, row) in rows.chunks_exact_mut(value.planes * words).enumerate() {
            let (sample, position) = self.place(first + at);
            let sample = &value.words[sample * sample_words..(sample + 1) * sample_words];
            for line in self.lines(position) {
                if whole && value.planes == 1 {
                    let words = value.plane_words();
                    let pixels = &sample[line.pixel * words..(line.pixel + line.count) * words];
                    let start = line.tap * words;
                    row[start..start + pixels.len()].copy_from_slice(pixels);
                } else {
                    line_of_planes(value, sample, &line, words, row);
                }
            }
        }
    }

    /// Lays out the same rows of bytes, each of `row_bytes`; pixels beyond the edge are zero.
    pub(super) fn byte_rows(
        &self,
        value: &Bytes,
        first: usize,
        count: usize,
        row_bytes: usize,
        rows: &mut Vec<u8>,
    ) {
        let channels = self.from.channels;
        rows.clear();
        rows.resize(count * row_bytes, 0);
        let sample_bytes = self.from.pixels() * channels;
        for (at, row) in rows.chunks_mut(row_bytes).enumerate() {
            let (sample, position) = self.place(first + at);
            let sample = &value.bytes[sample * sample_bytes..(sample + 1) * sample_bytes];
            let taps = self.taps(position);
            for (pixel, row) in taps.zip(row.chunks_mut(channels)) {
                match pixel {
                    Some(pixel) => {
                        row.copy_from_slice(&sample[pixel * channels..(pixel + 1) * channels]);
                    }
                    None => row.fill(value.zero),
                }
            }
        }
    }

    /// Sample and position of a position that is counted through all samples.
    const fn place(&self, position: usize) -> (usize, usize) {
        let pixels = self.to.pixels();
        (position / pixels, position % pixels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binary::network::Border;

    #[test]
    fn taps_beyond_the_edge_are_missing() {
        let side = |height, width| Shape {
            height,
            width,
            channels: 1,
        };
        let geometry = Geometry {
            from: side(2, 3),
            to: side(2, 3),
            window: Window {
                size: 3,
                stride: 1,
                padding: 1,
                border: Border::Zero,
            },
        };
        assert_eq!(geometry.missing(0), 0b001_001_111);
        assert_eq!(geometry.missing(4), 0b111_000_000);
        let value = Bytes {
            shape: side(2, 3),
            zero: 9,
            bytes: vec![1, 2, 3, 4, 5, 6],
        };
        let mut rows = Vec::new();
        geometry.byte_rows(&value, 4, 1, 12, &mut rows);
        assert_eq!(rows, [1, 2, 3, 4, 5, 6, 9, 9, 9, 0, 0, 0]);
    }
}
