//! Shapes as pixels, drawn at twice their size with soft edges, and written as PNG.

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};

use super::font;
use super::shape::{Anchor, Color, Shape};
use super::{HEIGHT, WIDTH};
use crate::{Error, Result};

/// Pixels of one unit.
const FACTOR: f64 = 2.0;

/// Draws the shapes into a PNG file.
pub(super) fn draw(shapes: &[Shape]) -> Result<Vec<u8>> {
    let side = |length: f64| (length * FACTOR) as u32;
    let mut canvas = Canvas(RgbImage::new(side(WIDTH), side(HEIGHT)));
    for shape in shapes {
        canvas.add(shape);
    }
    let mut bytes = Cursor::new(Vec::new());
    canvas
        .0
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|error| Error::Description(format!("the picture can't be written: {error}")))?;
    Ok(bytes.into_inner())
}

struct Canvas(RgbImage);

impl Canvas {
    fn add(&mut self, shape: &Shape) {
        let scaled = |(x, y): (f64, f64)| (x * FACTOR, y * FACTOR);
        match shape {
            Shape::Rectangle { at, size, color } => {
                self.rectangle(scaled(*at), scaled(*size), *color);
            }
            Shape::Line {
                from,
                to,
                width,
                color,
            } => self.line(scaled(*from), scaled(*to), width * FACTOR, *color),
            Shape::Dot { at, radius, color } => {
                let at = scaled(*at);
                self.line(at, at, radius * 2.0 * FACTOR, *color);
            }
            Shape::Text {
                at,
                size,
                anchor,
                upright,
                text,
                color,
            } => self.text(scaled(*at), size * FACTOR, *anchor, *upright, text, *color),
        }
    }

    /// Mixes a colour into a pixel; `share` is how much of the pixel it covers.
    fn mix(&mut self, x: i64, y: i64, color: Color, share: f64) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else {
            return;
        };
        if x >= self.0.width() || y >= self.0.height() || share <= 0.0 {
            return;
        }
        let Rgb(pixel) = self.0.get_pixel_mut(x, y);
        for (below, above) in pixel.iter_mut().zip(color) {
            let mixed = f64::from(*below) + (f64::from(above) - f64::from(*below)) * share.min(1.0);
            *below = mixed.round() as u8;
        }
    }

    fn rectangle(&mut self, at: (f64, f64), size: (f64, f64), color: Color) {
        let overlap = |pixel: i64, from: f64, length: f64| {
            let (low, high) = (pixel as f64, pixel as f64 + 1.0);
            (high.min(from + length) - low.max(from)).max(0.0)
        };
        let ends = |from: f64, length: f64| from.floor() as i64..(from + length).ceil() as i64;
        for y in ends(at.1, size.1) {
            for x in ends(at.0, size.0) {
                let share = overlap(x, at.0, size.0) * overlap(y, at.1, size.1);
                self.mix(x, y, color, share);
            }
        }
    }

    /// A line with round ends; from a point to itself it is a dot.
    fn line(&mut self, from: (f64, f64), to: (f64, f64), width: f64, color: Color) {
        let half = width / 2.0;
        let range = |left: f64, right: f64| {
            let (low, high) = (left.min(right) - half, left.max(right) + half);
            low.floor() as i64 - 1..=high.ceil() as i64 + 1
        };
        let (across, down) = (to.0 - from.0, to.1 - from.1);
        let squared = across * across + down * down;
        for y in range(from.1, to.1) {
            for x in range(from.0, to.0) {
                let (px, py) = (x as f64 + 0.5 - from.0, y as f64 + 0.5 - from.1);
                let along = if squared > 0.0 {
                    ((px * across + py * down) / squared).clamp(0.0, 1.0)
                } else {
                    0.0
                };
                let distance = (px - along * across).hypot(py - along * down);
                self.mix(x, y, color, half + 0.5 - distance);
            }
        }
    }

    fn text(
        &mut self,
        at: (f64, f64),
        size: f64,
        anchor: Anchor,
        upright: bool,
        text: &str,
        color: Color,
    ) {
        // A letter is seven dots high, about as tall as three quarters of the font's size.
        let dot = (size * 0.75 / font::HEIGHT as f64).max(1.0);
        let step = (font::WIDTH + 1) as f64 * dot;
        let letters: Vec<_> = text
            .chars()
            .map(|letter| (font::glyph(letter), font::drop(letter)))
            .collect();
        let width = letters.len() as f64 * step - dot;
        let start = match anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -width / 2.0,
            Anchor::End => -width,
        };
        let top = -(font::HEIGHT as f64) * dot / 2.0;
        for (place, (letter, drop)) in letters.into_iter().enumerate() {
            for (row, bits) in letter.iter().enumerate() {
                for column in
                    (0..font::WIDTH).filter(|column| bits >> (font::WIDTH - 1 - column) & 1 == 1)
                {
                    let x = start + place as f64 * step + column as f64 * dot;
                    let y = top + (row + drop) as f64 * dot;
                    // Upright text is read from below: along becomes up.
                    let corner = if upright {
                        (at.0 + y, at.1 - x - dot)
                    } else {
                        (at.0 + x, at.1 + y)
                    };
                    self.rectangle(corner, (dot, dot), color);
                }
            }
        }
    }
}
