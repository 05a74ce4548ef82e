//! Samples in memory, with what they should be answered.

use crate::data;
use crate::random::Random;
use crate::shape::Shape;
use crate::{Error, Result};

/// What samples should be answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// Nothing is known: a teacher answers.
    Unknown,
    /// One class a sample, below `count`.
    Classes {
        /// In the samples' order.
        labels: Vec<u32>,
        /// Classes that there are.
        count: usize,
    },
    /// Rows of numbers.
    Values {
        /// `[samples, width]`.
        values: Vec<f32>,
        /// Numbers of a row.
        width: usize,
    },
}

impl Targets {
    /// Targets as they were read; truth values become ±1.
    pub fn read(data: &data::Dataset) -> Self {
        match data.targets() {
            data::Targets::None => Self::Unknown,
            data::Targets::Classes(classes) => Self::Classes {
                labels: classes.of.clone(),
                count: classes.names.len(),
            },
            data::Targets::Several(labels) => Self::Values {
                values: labels
                    .values
                    .iter()
                    .map(|&yes| if yes { 1.0 } else { -1.0 })
                    .collect(),
                width: labels.width,
            },
            data::Targets::Figures(figures) => Self::Values {
                values: figures.to_f32(),
                width: figures.sample_len(),
            },
        }
    }
}

/// Samples of one shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Examples {
    shape: Shape,
    inputs: Vec<f32>,
    targets: Targets,
}

impl Examples {
    /// `[samples, channels, height, width]` numbers with their targets; an error unless they fit.
    pub fn new(shape: Shape, inputs: Vec<f32>, targets: Targets) -> Result<Self> {
        if shape.is_empty() || inputs.is_empty() || !inputs.len().is_multiple_of(shape.len()) {
            let count = inputs.len();
            return Err(Error::Data(format!(
                "{count} numbers are not samples of {shape}"
            )));
        }
        let samples = inputs.len() / shape.len();
        let refuse = |what: String| Err(Error::Data(format!("{samples} samples have {what}")));
        match &targets {
            Targets::Classes { labels, .. } if labels.len() != samples => {
                return refuse(format!("{} labels", labels.len()));
            }
            Targets::Classes { labels, count } => {
                if let Some(label) = labels.iter().find(|&&label| label as usize >= *count) {
                    return refuse(format!("the label {label}, beyond {count} classes"));
                }
            }
            Targets::Values { values, width } if values.len() != samples * width => {
                return refuse(format!("{} values, {width} of each", values.len()));
            }
            Targets::Values { .. } | Targets::Unknown => {}
        }
        if let Some(place) = inputs.iter().position(|value| !value.is_finite()) {
            let sample = place / shape.len();
            return refuse(format!("a number that is not finite, in sample {sample}"));
        }
        Ok(Self {
            shape,
            inputs,
            targets,
        })
    }

    /// Data as they were read. One axis is a vector, three an image `[channels, rows, columns]`;
    /// an array of `[rows, columns]` is an image of one channel. Truth values become ±1.
    pub fn read(data: &data::Dataset) -> Result<Self> {
        let sizes = data.sample_shape();
        let shape = match sizes.as_slice() {
            [features] => Shape::flat(*features),
            [height, width] => Shape::image(1, *height, *width),
            [channels, height, width] => Shape::image(*channels, *height, *width),
            _ => {
                return Err(Error::Data(format!(
                    "samples of the shape {sizes:?} can't be taken"
                )));
            }
        };
        Self::new(shape, data.to_f32()?, Targets::read(data))
    }

    /// Samples of classes.
    pub fn classes(shape: Shape, inputs: Vec<f32>, labels: Vec<u32>, count: usize) -> Result<Self> {
        Self::new(shape, inputs, Targets::Classes { labels, count })
    }

    /// Shape of one sample.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.inputs.len() / self.shape.len()
    }

    /// Never: a data set has samples.
    pub const fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// All numbers.
    pub fn inputs(&self) -> &[f32] {
        &self.inputs
    }

    /// One sample.
    pub fn sample(&self, place: usize) -> &[f32] {
        &self.inputs[place * self.shape.len()..][..self.shape.len()]
    }

    /// What they should be answered.
    pub const fn targets(&self) -> &Targets {
        &self.targets
    }

    /// The classes, none if others are wanted.
    pub fn labels(&self) -> &[u32] {
        match &self.targets {
            Targets::Classes { labels, .. } => labels,
            _ => &[],
        }
    }

    /// The values, none if others are wanted.
    pub fn values(&self) -> &[f32] {
        match &self.targets {
            Targets::Values { values, .. } => values,
            _ => &[],
        }
    }

    /// The samples at these places, in this order.
    #[must_use]
    pub fn select(&self, places: &[usize]) -> Self {
        let inputs = places
            .iter()
            .flat_map(|&place| self.sample(place))
            .copied()
            .collect();
        let targets = match &self.targets {
            Targets::Unknown => Targets::Unknown,
            Targets::Classes { labels, count } => Targets::Classes {
                labels: places.iter().map(|&place| labels[place]).collect(),
                count: *count,
            },
            Targets::Values { values, width } => Targets::Values {
                values: places
                    .iter()
                    .flat_map(|&place| &values[place * width..][..*width])
                    .copied()
                    .collect(),
                width: *width,
            },
        };
        Self {
            shape: self.shape,
            inputs,
            targets,
        }
    }

    /// The same numbers as samples of another shape of as many; their order stays.
    pub fn reshaped(mut self, shape: Shape) -> Result<Self> {
        if shape.len() != self.shape.len() {
            let given = self.shape;
            return Err(Error::Data(format!(
                "samples are {given}, the network takes {shape}"
            )));
        }
        self.shape = shape;
        Ok(self)
    }

    /// Splits off a share of the samples at random: what stays, and the share. Both keep at
    /// least one sample, or there is an error.
    pub fn split(&self, share: f32, seed: u64) -> Result<(Self, Self)> {
        let mut places: Vec<usize> = (0..self.len()).collect();
        Random::of(seed, &[0x7370_6c69]).shuffle(&mut places);
        let count = (self.len() as f32 * share).round() as usize;
        if count == 0 || count >= self.len() {
            let samples = self.len();
            return Err(Error::Data(format!(
                "{share} of {samples} samples can't be split off"
            )));
        }
        let (held, kept) = places.split_at_mut(count);
        held.sort_unstable();
        kept.sort_unstable();
        Ok((self.select(kept), self.select(held)))
    }
}
