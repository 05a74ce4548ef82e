//! What pictures are made of.

/// Red, green, blue.
pub(super) type Color = [u8; 3];

/// Where a text stands relative to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A thing to draw, in units of the picture, the origin at the top left.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Line {
        from: (f64, f64),
        to: (f64, f64),
        width: f64,
        color: Color,
    },
    Rectangle {
        at: (f64, f64),
        size: (f64, f64),
        color: Color,
    },
    Dot {
        at: (f64, f64),
        radius: f64,
        color: Color,
    },
    /// `at` is the middle of the height of the letters.
    Text {
        at: (f64, f64),
        size: f64,
        anchor: Anchor,
        /// Read from below.
        upright: bool,
        text: String,
        color: Color,
    },
}

/// A text's width in units, near enough for both ways of drawing.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * 0.6
}
