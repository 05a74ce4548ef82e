//! Features and their steps: how windows become rows of bytes.

use noroshi_model::Features;

use super::{Extractor, Step, file};
use crate::error::{Result, settings};
use crate::format::bytes::{Reader, Writer};

/// The intake of a model that takes windows of samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Windowed {
    extractor: Extractor,
    steps: Vec<Step>,
}

impl Windowed {
    /// A step for each feature.
    pub fn new(extractor: Extractor, steps: Vec<Step>) -> Result<Self> {
        let columns = extractor.features().columns();
        if steps.len() != columns {
            return Err(settings(format!(
                "{} steps for {columns} features",
                steps.len()
            )));
        }
        Ok(Self { extractor, steps })
    }

    /// What is computed of a window.
    pub fn features(&self) -> &Features {
        self.extractor.features()
    }

    /// What computes it.
    pub fn extractor(&self) -> &Extractor {
        &self.extractor
    }

    /// How features become bytes.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The row of a window, sample after sample.
    pub fn row(&self, window: &[i16]) -> Result<Vec<u8>> {
        Ok(self.bytes(&self.extractor.extract(window)?))
    }

    /// The row of a window of the sensor's numbers.
    pub fn row_of_numbers(&self, window: &[f32]) -> Result<Vec<u8>> {
        self.row(&self.extractor.samples(window)?)
    }

    /// Bytes of features.
    pub fn bytes(&self, features: &[i16]) -> Vec<u8> {
        let pairs = self.steps.iter().zip(features);
        pairs.map(|(step, &feature)| step.byte(feature)).collect()
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        file::write(self.features(), writer);
        self.steps.iter().for_each(|step| step.write(writer));
    }

    pub(crate) fn read(reader: &mut Reader<'_>, columns: u16) -> Result<Self> {
        let features = file::read(reader)?;
        if features.columns() != usize::from(columns) {
            return Err(crate::error::file(format!(
                "{} features for {columns} columns",
                features.columns()
            )));
        }
        let steps = reader.many(features.columns(), Step::read)?;
        Self::new(Extractor::new(&features)?, steps)
    }
}
