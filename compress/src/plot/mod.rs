//! Pictures of measurements: axes, points, lines, bars, labels, a legend; as SVG and as PNG.
//!
//! A [`Plot`] says what to show. It is laid out once, into shapes, and the shapes are written as
//! SVG or drawn into pixels, so both look alike.

mod axis;
mod font;
mod layout;
mod pixels;
mod ready;
mod shape;
mod svg;
#[cfg(test)]
mod tests;

pub use axis::Scale;
pub use ready::{Candidate, Curve, bit_widths, front, pareto, sensitivity, weights};
pub(crate) use svg::escaped;

use crate::{Error, Result};

/// Width and height of every picture, in units of SVG; a PNG has twice as many pixels.
pub const WIDTH: f64 = 760.0;
/// Height of a picture.
pub const HEIGHT: f64 = 460.0;

/// Most points of a picture.
const POINT_LIMIT: usize = 100_000;

/// One axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// What it measures, with its unit.
    pub label: String,
    /// How numbers lie on it.
    pub scale: Scale,
    /// Names in place of numbers: place 0 is called by the first and so on.
    pub names: Vec<String>,
    /// Numbers that must be on the axis, besides those of the points.
    pub include: Vec<f64>,
}

impl Axis {
    /// An axis whose ends are those of the points.
    pub fn new(label: impl Into<String>, scale: Scale) -> Self {
        Self {
            label: label.into(),
            scale,
            names: Vec::new(),
            include: Vec::new(),
        }
    }

    /// The same, with a number that must be on it.
    #[must_use]
    pub fn with(mut self, number: f64) -> Self {
        self.include.push(number);
        self
    }
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Dots.
    Points,
    /// Dots that are joined.
    Line,
    /// A line that first goes along, then up or down: the border of what is possible.
    Steps,
    /// Bars from zero upwards.
    Bars,
    /// Bars from zero to the right, one for each name of the vertical axis.
    Rows,
}

/// One number against another.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Along.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// Ends of the interval of `y`.
    pub interval: Option<(f64, f64)>,
    /// What is written beside it; may be empty.
    pub label: String,
}

impl Point {
    /// A point without an interval or label.
    pub fn new(x: f64, y: f64) -> Self {
        Self {
            x,
            y,
            interval: None,
            label: String::new(),
        }
    }
}

/// Points that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name in the legend; none there if empty.
    pub name: String,
    /// How it is drawn.
    pub mark: Mark,
    /// Its points.
    pub points: Vec<Point>,
}

/// A picture of measurements.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// Along.
    pub x: Axis,
    /// Up.
    pub y: Axis,
    /// What is drawn, in this order.
    pub series: Vec<Series>,
}

impl Plot {
    /// The picture as a document of its own.
    ///
    /// Points that are no finite numbers, or not above zero on a logarithmic axis, are left out.
    pub fn svg(&self) -> Result<String> {
        Ok(svg::write(&self.title, &self.shapes()?))
    }

    /// The picture as a PNG file of twice as many pixels.
    pub fn png(&self) -> Result<Vec<u8>> {
        pixels::draw(&self.shapes()?)
    }

    fn shapes(&self) -> Result<Vec<shape::Shape>> {
        let points: usize = self.series.iter().map(|series| series.points.len()).sum();
        if points > POINT_LIMIT {
            return Err(Error::too_large(
                "the number of points of a picture",
                points as u64,
                POINT_LIMIT as u64,
            ));
        }
        layout::shapes(self)
            .ok_or_else(|| Error::Compare("there is nothing to draw a picture of".into()))
    }
}
