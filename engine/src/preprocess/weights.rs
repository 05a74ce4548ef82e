//! Weights of an antialiased bilinear resize along one axis.
//!
//! Each output pixel is a weighted mean of the source pixels under a triangle around its
//! centre; when shrinking, the triangle is as wide as two output pixels, so that every
//! source pixel counts. These are the weights that Pillow's `BILINEAR` and torchvision's
//! `antialias=True` use. They are computed in 64-bit floating point and used in 32-bit.

use super::geometry::Span;

/// Weights for the kept pixels of one axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Weights {
    taps: Vec<Taps>,
    weights: Vec<f32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Taps {
    /// First source pixel.
    source: usize,
    /// First weight.
    first: usize,
    /// Number of both.
    count: usize,
}

impl Weights {
    /// Weights that make `span` of a source with `length` pixels.
    pub(super) fn new(length: u32, span: Span) -> Self {
        let scale = f64::from(length) / span.scaled as f64;
        let reach = scale.max(1.0);
        let mut made = Self {
            taps: Vec::with_capacity(span.kept),
            weights: Vec::new(),
        };
        for pixel in 0..span.kept as u64 {
            let centre = ((span.skip + pixel) as f64 + 0.5) * scale;
            made.push(length as usize, centre, reach);
        }
        made
    }

    fn push(&mut self, length: usize, centre: f64, reach: f64) {
        let low = ((centre - reach + 0.5).max(0.0) as usize).min(length - 1);
        let high = ((centre + reach + 0.5).max(0.0) as usize).clamp(low + 1, length);
        let triangle = |source: usize| {
            let distance = (source as f64 + 0.5 - centre).abs() / reach;
            (1.0 - distance).max(0.0)
        };
        // Pixels on the triangle's feet weigh nothing: leave them out.
        let low = (low..high - 1)
            .find(|&s| triangle(s) > 0.0)
            .unwrap_or(high - 1);
        let high = (low + 1..high)
            .rev()
            .find(|&s| triangle(s) > 0.0)
            .map_or(low + 1, |last| last + 1);
        let sum: f64 = (low..high).map(triangle).sum();
        let first = self.weights.len();
        self.weights
            .extend((low..high).map(|source| (triangle(source) / sum) as f32));
        self.taps.push(Taps {
            source: low,
            first,
            count: high - low,
        });
    }

    /// For every kept pixel: its first source pixel and the weights from there on.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.taps.iter().map(|taps| {
            let weights = &self.weights[taps.first..taps.first + taps.count];
            (taps.source, weights)
        })
    }

    /// The source pixels that are used at all.
    pub(super) fn sources(&self) -> std::ops::Range<usize> {
        let start = self.taps.iter().map(|taps| taps.source).min().unwrap_or(0);
        let end = self.taps.iter().map(|taps| taps.source + taps.count).max();
        start..end.unwrap_or(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(length: u32, scaled: u64) -> Vec<(usize, Vec<f32>)> {
        let span = Span {
            scaled,
            skip: 0,
            kept: scaled as usize,
            at: 0,
        };
        Weights::new(length, span)
            .iter()
            .map(|(source, weights)| (source, weights.to_vec()))
            .collect()
    }

    #[test]
    fn the_same_size_is_the_same_picture() {
        assert_eq!(
            weights(3, 3),
            vec![(0, vec![1.0]), (1, vec![1.0]), (2, vec![1.0])]
        );
    }

    #[test]
    fn halving_reads_four_pixels() {
        // Distances 0.75, 0.25, 0.25, 0.75 of the reach; the outer ones fall away at the edge.
        assert_eq!(weights(6, 3)[1], (1, vec![0.125, 0.375, 0.375, 0.125]));
        let edge = &weights(6, 3)[0];
        assert_eq!(edge.0, 0);
        assert!((edge.1[0] - 3.0 / 7.0).abs() < 1e-7 && (edge.1[2] - 1.0 / 7.0).abs() < 1e-7);
    }

    #[test]
    fn doubling_mixes_neighbours() {
        assert_eq!(
            weights(2, 4),
            vec![
                (0, vec![1.0]),
                (0, vec![0.75, 0.25]),
                (0, vec![0.25, 0.75]),
                (1, vec![1.0])
            ]
        );
    }

    #[test]
    fn weights_sum_to_one_for_odd_ratios() {
        for (length, scaled) in [(1, 7), (7, 1), (513, 256), (16_384, 3), (5, 4_000)] {
            for (source, weights) in weights(length, scaled) {
                let sum: f32 = weights.iter().sum();
                assert!((sum - 1.0).abs() < 1e-4, "{length} → {scaled}: {sum}");
                assert!(source + weights.len() <= length as usize);
            }
        }
    }
}
