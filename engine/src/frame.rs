//! Frames: one picture as a source gives it, borrowed.

use crate::error::{EngineError, Result};

/// Most pixels along one side of a frame.
pub const MAX_FRAME_SIDE: u32 = 16_384;

/// How a frame's bytes make pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// Three bytes a pixel: red, green, blue.
    Rgb8,
    /// One byte a pixel: luma.
    Gray8,
    /// Four bytes a pixel: a number, f32, little-endian. A row of numbers is a frame of one row.
    F32,
}

impl PixelFormat {
    /// Bytes of one pixel.
    pub const fn channels(self) -> usize {
        match self {
            Self::Rgb8 => 3,
            Self::Gray8 => 1,
            Self::F32 => 4,
        }
    }
}

/// A picture in memory that belongs to someone else.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    width: u32,
    height: u32,
    stride: usize,
    format: PixelFormat,
    bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// A frame whose rows begin `stride` bytes apart; an error unless `bytes` holds them all.
    pub fn new(
        width: u32,
        height: u32,
        stride: usize,
        format: PixelFormat,
        bytes: &'a [u8],
    ) -> Result<Self> {
        let sides = 1..=MAX_FRAME_SIDE;
        if !sides.contains(&width) || !sides.contains(&height) {
            return Err(EngineError::Input(format!(
                "a frame's sides are 1 to {MAX_FRAME_SIDE} pixels, this one is {width}x{height}"
            )));
        }
        let row = width as usize * format.channels();
        let needed = stride
            .checked_mul(height as usize - 1)
            .and_then(|rows| rows.checked_add(row));
        if stride < row || needed.is_none_or(|needed| needed > bytes.len()) {
            return Err(EngineError::Input(format!(
                "a {width}x{height} {format:?} frame with stride {stride} does not fit {} bytes",
                bytes.len()
            )));
        }
        Ok(Self {
            width,
            height,
            stride,
            format,
            bytes,
        })
    }

    /// A tightly packed RGB frame.
    pub fn rgb(width: u32, height: u32, bytes: &'a [u8]) -> Result<Self> {
        Self::new(width, height, width as usize * 3, PixelFormat::Rgb8, bytes)
    }

    /// A tightly packed gray frame.
    pub fn gray(width: u32, height: u32, bytes: &'a [u8]) -> Result<Self> {
        Self::new(width, height, width as usize, PixelFormat::Gray8, bytes)
    }

    /// A row of numbers: four bytes each, little-endian.
    pub fn numbers(bytes: &'a [u8]) -> Result<Self> {
        let count = u32::try_from(bytes.len() / 4).unwrap_or(u32::MAX);
        if !bytes.len().is_multiple_of(4) {
            return Err(EngineError::Input(format!(
                "{} bytes are no row of numbers of four bytes",
                bytes.len()
            )));
        }
        Self::new(count, 1, bytes.len(), PixelFormat::F32, bytes)
    }

    /// The numbers of a row of numbers.
    pub(crate) fn as_numbers(&self) -> impl ExactSizeIterator<Item = f32> + use<'a> {
        let (numbers, _) = self.row(0).as_chunks::<4>();
        numbers.iter().map(|bytes| f32::from_le_bytes(*bytes))
    }

    /// Pixels in a row.
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// How bytes make pixels.
    pub const fn format(&self) -> PixelFormat {
        self.format
    }

    /// The bytes of row `y`, without padding. `y` must be below the height.
    pub(crate) fn row(&self, y: usize) -> &'a [u8] {
        let start = y * self.stride;
        &self.bytes[start..start + self.width as usize * self.format.channels()]
    }

    /// The frame as tightly packed RGB, copied; a row of numbers as it is.
    pub fn to_rgb(&self) -> Vec<u8> {
        let mut rgb = Vec::with_capacity(self.width as usize * self.height as usize * 3);
        for y in 0..self.height as usize {
            match self.format {
                PixelFormat::Rgb8 => rgb.extend_from_slice(self.row(y)),
                PixelFormat::F32 => rgb.extend_from_slice(self.row(y)),
                PixelFormat::Gray8 => rgb.extend(self.row(y).iter().flat_map(|&luma| [luma; 3])),
            }
        }
        rgb
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_skip_the_padding() {
        let bytes = [1, 2, 3, 0, 4, 5, 6];
        let frame = Frame::new(1, 2, 4, PixelFormat::Rgb8, &bytes).unwrap();
        assert_eq!(frame.row(1), &[4, 5, 6]);
        assert_eq!(frame.to_rgb(), vec![1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn numbers_are_a_frame_of_one_row() {
        let bytes: Vec<u8> = [1.5_f32, -2.0]
            .iter()
            .flat_map(|n| n.to_le_bytes())
            .collect();
        let frame = Frame::numbers(&bytes).unwrap();
        assert_eq!((frame.width(), frame.height()), (2, 1));
        assert_eq!(frame.as_numbers().collect::<Vec<_>>(), [1.5, -2.0]);
        assert_eq!(frame.to_rgb(), bytes);
        assert!(Frame::numbers(&bytes[..5]).is_err());
        assert!(Frame::numbers(&[]).is_err());
    }

    #[test]
    fn short_or_senseless_frames_are_refused() {
        assert!(Frame::rgb(2, 2, &[0; 11]).is_err());
        assert!(Frame::rgb(0, 2, &[0; 12]).is_err());
        assert!(Frame::new(2, 2, 5, PixelFormat::Rgb8, &[0; 100]).is_err());
        assert!(Frame::new(2, 2, usize::MAX, PixelFormat::Rgb8, &[0; 100]).is_err());
        assert!(Frame::rgb(16_385, 1, &vec![0; 100_000]).is_err());
    }
}
