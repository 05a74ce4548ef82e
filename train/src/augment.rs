//! Varies samples, so that a network learns what does not matter.

use serde::{Deserialize, Serialize};

use crate::random::Random;
use crate::shape::Shape;

/// How samples are varied. The default leaves them as they are.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augmentation {
    /// Most pixels by which an image moves, along both axes; a series along time. The border
    /// repeats.
    pub shift: usize,
    /// Whether half of the images are mirrored left to right.
    pub flip: bool,
    /// Deviation of noise that is added.
    pub noise: f32,
}

impl Augmentation {
    /// Writes a variation of `sample` into `target`.
    pub(crate) fn vary(
        self,
        sample: &[f32],
        shape: Shape,
        random: &mut Random,
        target: &mut [f32],
    ) {
        let moved = |size: usize, random: &mut Random| {
            if size == 1 {
                0
            } else {
                random.below(2 * self.shift + 1) as isize - self.shift as isize
            }
        };
        let (down, right) = (moved(shape.height, random), moved(shape.width, random));
        let mirrored = self.flip && random.bits() & 1 == 1;
        if (down, right, mirrored) == (0, 0, false) {
            target.copy_from_slice(sample);
        } else {
            let planes = target
                .chunks_exact_mut(shape.plane())
                .zip(sample.chunks_exact(shape.plane()));
            for (target, plane) in planes {
                for (y, row) in target.chunks_exact_mut(shape.width).enumerate() {
                    let source =
                        &plane[clamp(y, down, shape.height) * shape.width..][..shape.width];
                    for (x, pixel) in row.iter_mut().enumerate() {
                        let x = if mirrored { shape.width - 1 - x } else { x };
                        *pixel = source[clamp(x, right, shape.width)];
                    }
                }
            }
        }
        if self.noise > 0.0 {
            target
                .iter_mut()
                .for_each(|t| *t += random.normal() * self.noise);
        }
    }
}

fn clamp(place: usize, by: isize, size: usize) -> usize {
    place.saturating_add_signed(by).min(size - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shifted_image_repeats_its_border() {
        let image: Vec<f32> = (0..9u8).map(f32::from).collect();
        let shift = Augmentation {
            shift: 1,
            ..Augmentation::default()
        };
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let mut target = vec![0.0; 9];
            shift.vary(
                &image,
                Shape::image(1, 3, 3),
                &mut Random::new(seed),
                &mut target,
            );
            seen.insert(target.iter().map(|&v| v as u8).collect::<Vec<_>>());
        }
        assert_eq!(seen.len(), 9);
        assert!(seen.contains(&vec![0, 0, 1, 0, 0, 1, 3, 3, 4]));
    }
}
