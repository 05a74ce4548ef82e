//! ProtoNN (Gupta and others, ICML 2017): a row is projected to a few numbers; how close it is
//! to each of some prototypes there gives the scores. s = Σⱼ zⱼ exp(−γ²‖Wx − bⱼ‖²).

mod integer;
mod parts;
mod pass;
mod teach;

pub use integer::{EXPONENTIALS, Entry, ProtoNn};
pub use teach::{ProtoNnSettings, Trained};

use crate::error::{Result, file};
use crate::format::bytes::{Reader, Writer};
use crate::model::{Part, Term};

/// A ProtoNN in floating point.
#[derive(Debug, Clone, PartialEq)]
pub struct ProtoNnFloat {
    /// Numbers of a projected row.
    pub(crate) dimensions: usize,
    pub(crate) classes: usize,
    /// γ².
    pub(crate) sharpness: f32,
    /// `[dimension][column]`, for bytes: means and deviations are inside.
    pub(crate) projection: Vec<f32>,
    /// Added to each projected number.
    pub(crate) bias: Vec<f32>,
    /// `[prototype][dimension]`.
    pub(crate) prototypes: Vec<f32>,
    /// `[prototype][class]`.
    pub(crate) scores: Vec<f32>,
}

impl ProtoNnFloat {
    /// How many prototypes.
    pub fn prototype_count(&self) -> usize {
        self.prototypes.len() / self.dimensions
    }

    /// Numbers of a projected row.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    pub(crate) fn project(&self, row: &[u8]) -> Vec<f32> {
        let rows = self.projection.chunks(row.len()).zip(&self.bias);
        rows.map(|(weights, bias)| {
            let values = weights.iter().zip(row);
            bias + values
                .map(|(weight, &value)| weight * f32::from(value))
                .sum::<f32>()
        })
        .collect()
    }

    /// How close the row is to each prototype, 0 to 1.
    fn closeness(&self, row: &[u8]) -> impl Iterator<Item = f32> {
        let projected = self.project(row);
        self.prototypes
            .chunks(self.dimensions)
            .map(move |prototype| {
                let differences = prototype.iter().zip(&projected);
                let square: f32 = differences.map(|(a, b)| (a - b) * (a - b)).sum();
                (-self.sharpness * square).exp()
            })
    }

    pub(crate) fn scores(&self, row: &[u8]) -> Vec<f32> {
        let mut scores = vec![0f32; self.classes];
        for (close, values) in self.closeness(row).zip(self.scores.chunks(self.classes)) {
            for (score, value) in scores.iter_mut().zip(values) {
                *score += close * value;
            }
        }
        scores
    }

    pub(crate) fn explain(&self, row: &[u8], label: usize) -> Vec<Term> {
        let closeness = self.closeness(row).enumerate();
        closeness
            .map(|(prototype, close)| {
                // As the sum is made: a product of f32.
                let value = close * self.scores[prototype * self.classes + label];
                Term {
                    part: Part::Prototype(prototype as u16),
                    value: f64::from(value),
                }
            })
            .collect()
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u16(self.dimensions as u16);
        writer.u16(self.prototype_count() as u16);
        writer.f32(self.sharpness);
        writer.f32s(&self.projection);
        writer.f32s(&self.bias);
        writer.f32s(&self.prototypes);
        writer.f32s(&self.scores);
    }

    pub(crate) fn read(reader: &mut Reader<'_>, columns: u16, classes: u16) -> Result<Self> {
        let (dimensions, prototypes) = read_shape(reader)?;
        let (columns, classes) = (usize::from(columns), usize::from(classes));
        Ok(Self {
            dimensions,
            classes,
            sharpness: reader.f32()?,
            projection: reader.many(dimensions * columns, Reader::f32)?,
            bias: reader.many(dimensions, Reader::f32)?,
            prototypes: reader.many(prototypes * dimensions, Reader::f32)?,
            scores: reader.many(prototypes * classes, Reader::f32)?,
        })
    }
}

/// Dimensions and prototypes.
fn read_shape(reader: &mut Reader<'_>) -> Result<(usize, usize)> {
    let (dimensions, prototypes) = (reader.u16()?, reader.u16()?);
    if (1..=256).contains(&dimensions) && prototypes > 0 {
        return Ok((usize::from(dimensions), usize::from(prototypes)));
    }
    Err(file(format!(
        "{prototypes} prototypes in {dimensions} dimensions"
    )))
}

#[cfg(test)]
mod tests;
