//! Pictures as inputs: a photo as the agent would see it, and deterministic other views of it.

use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use noroshi_engine::{Frame, Preprocessor, Tensor};
use noroshi_model::InputSpec;
use noroshi_train::data::Picture;
use rayon::prelude::*;

use crate::Result;

/// Smallest share of each side that a view shows.
const NARROWEST: f64 = 0.7;

/// A picture in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Photo {
    /// Reads a PNG or JPEG file.
    pub fn open(path: &Path) -> Result<Self> {
        let Picture { width, height, rgb } = Picture::open(path)?;
        Ok(Self { width, height, rgb })
    }

    /// A picture of `width * height * 3` bytes, red, green, blue.
    pub fn from_rgb(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self> {
        Frame::rgb(width, height, &rgb)?;
        Ok(Self { width, height, rgb })
    }

    /// The whole picture as a frame.
    pub fn frame(&self) -> Result<Frame<'_>> {
        Ok(Frame::rgb(self.width, self.height, &self.rgb)?)
    }

    /// The picture scaled down so that its shorter side has `short_side` pixels; itself if it is
    /// no larger.
    #[must_use]
    pub fn shrunk(&self, short_side: u32) -> Self {
        let (width, height) = (f64::from(self.width), f64::from(self.height));
        let factor = f64::from(short_side.max(1)) / width.min(height);
        let whole = || image::RgbImage::from_raw(self.width, self.height, self.rgb.clone());
        match whole().filter(|_| factor < 1.0) {
            None => self.clone(),
            Some(picture) => {
                let side = |size: f64| ((size * factor).round() as u32).max(1);
                let (width, height) = (side(width), side(height));
                let small = image::imageops::resize(&picture, width, height, FilterType::Triangle);
                Self {
                    width,
                    height,
                    rgb: small.into_raw(),
                }
            }
        }
    }

    /// The input for view number `place`: 0 is the picture as an agent sees it, the others are
    /// parts of it, every second one mirrored. The same number gives the same view.
    pub fn view(&self, spec: &InputSpec, place: usize) -> Result<Tensor> {
        let part = self.part(place);
        let mut preprocessor = Preprocessor::new(spec)?;
        Ok(preprocessor.run(&part.frame()?)?.clone())
    }

    fn part(&self, place: usize) -> Self {
        if place == 0 {
            return self.clone();
        }
        let share = NARROWEST + (1.0 - NARROWEST) * radical_inverse(place, 2);
        let cut = |size: u32, at: f64| {
            let length = ((f64::from(size) * share).round() as u32).clamp(1, size);
            ((f64::from(size - length) * at) as u32, length)
        };
        let (left, width) = cut(self.width, radical_inverse(place, 3));
        let (top, height) = cut(self.height, radical_inverse(place, 5));
        let mirrored = place % 2 == 1;
        let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
        for row in top..top + height {
            let start = (row as usize * self.width as usize + left as usize) * 3;
            let pixels = self.rgb[start..start + width as usize * 3].chunks_exact(3);
            if mirrored {
                rgb.extend(pixels.rev().flatten());
            } else {
                rgb.extend(pixels.flatten());
            }
        }
        Self { width, height, rgb }
    }
}

/// The inputs for `views` views of each picture, picture by picture.
pub fn inputs(paths: &[PathBuf], spec: &InputSpec, views: usize) -> Result<Vec<Tensor>> {
    let of_each: Vec<Vec<Tensor>> = paths
        .par_iter()
        .map(|path| {
            let photo = Photo::open(path)?;
            (0..views).map(|place| photo.view(spec, place)).collect()
        })
        .collect::<Result<_>>()?;
    Ok(of_each.into_iter().flatten().collect())
}

/// The digits of `number` in `base`, mirrored behind the point: evenly spread in 0..1.
fn radical_inverse(mut number: usize, base: usize) -> f64 {
    let (mut result, mut share) = (0.0, 1.0);
    while number > 0 {
        share /= base as f64;
        result += share * (number % base) as f64;
        number /= base;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, Network, Settings};

    fn photo() -> Photo {
        let rgb = (0..40u32 * 30 * 3).map(|byte| (byte % 251) as u8).collect();
        Photo::from_rgb(40, 30, rgb).unwrap()
    }

    #[test]
    fn views_repeat_and_differ() {
        let spec = Network::MobileNetV2.input_spec(&Settings {
            resolution: 32,
            ..Settings::default()
        });
        let photo = photo();
        for place in 0..4 {
            let view = photo.view(&spec, place).unwrap();
            assert_eq!(view.shape(), [1, 3, 32, 32]);
            assert_eq!(view, photo.view(&spec, place).unwrap());
            assert_ne!(view, photo.view(&spec, place + 1).unwrap());
        }
    }

    #[test]
    fn a_file_that_is_no_picture_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.png");
        std::fs::write(&path, b"\x89PNG\r\n\x1a\nnonsense").unwrap();
        assert!(matches!(Photo::open(&path), Err(Error::Data(_))));
    }
}
