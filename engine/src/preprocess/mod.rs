//! From a frame to a model's input: resize, cut or border, colour order, layout, normalization.
//!
//! Pure, and the same bits on every CPU: 32-bit multiplications and additions in a fixed
//! order, rounded to 8-bit levels as an image library does, then a table look-up. So golden
//! answers made on one machine hold on another, and a model with 8-bit input sees what its
//! floating point twin sees.
//!
//! Rows are resized first (a sum of whole source rows, which vectorizes), then columns, one
//! output row at a time: scratch memory is one row, whatever the frame's size.

mod geometry;
mod values;
mod weights;

use std::ops::Range;

use noroshi_model::{ColorOrder, InputSpec, Normalization, Resize};

use self::geometry::fit;
use self::values::Values;
use self::weights::Weights;
use crate::error::{EngineError, Result};
use crate::frame::{Frame, PixelFormat};
use crate::tensor::Tensor;

/// Turns frames into one model's input tensor, reusing its buffers.
#[derive(Debug)]
pub struct Preprocessor {
    spec: InputSpec,
    values: Values,
    plan: Option<Plan>,
    tensor: Tensor,
    scratch: Scratch,
}

/// What depends on the frame's size: made once, kept while frames keep their size.
#[derive(Debug)]
struct Plan {
    width: u32,
    height: u32,
    columns: Weights,
    /// The source columns that are used at all.
    used: Range<usize>,
    rows: Weights,
    /// Where the picture begins in the input.
    at: (usize, usize),
}

#[derive(Debug, Default)]
struct Scratch {
    /// One row, as wide as the source pixels in use, after vertical resizing.
    tall: Vec<f32>,
    /// One finished row in 8-bit levels, channels as the frame has them.
    row: Vec<u8>,
    /// The same with channels as the tensor has them.
    colored: Vec<u8>,
}

impl Preprocessor {
    /// A preprocessor for the input that `spec` describes.
    pub fn new(spec: &InputSpec) -> Result<Self> {
        if let Some(fault) = spec.fault() {
            return Err(EngineError::Input(fault));
        }
        Ok(Self {
            values: Values::new(spec),
            plan: None,
            tensor: Tensor::zeros(&spec.shape(), spec.dtype)?,
            scratch: Scratch::default(),
            spec: spec.clone(),
        })
    }

    /// What the input must look like.
    pub const fn spec(&self) -> &InputSpec {
        &self.spec
    }

    /// The input tensor for `frame`; valid until the next frame.
    pub fn run(&mut self, frame: &Frame<'_>) -> Result<&Tensor> {
        if frame.format() == PixelFormat::F32 {
            return self.run_numbers(frame);
        }
        let fits = self
            .plan
            .as_ref()
            .is_some_and(|plan| (plan.width, plan.height) == (frame.width(), frame.height()));
        if !fits {
            self.make_plan(frame.width(), frame.height());
        }
        let Some(plan) = &self.plan else {
            return Err(EngineError::Input("no plan for the frame's size".into()));
        };
        for (index, (source, weights)) in plan.rows.iter().enumerate() {
            self.scratch.mix_rows(frame, plan, source, weights);
            match frame.format() {
                PixelFormat::Rgb8 => self.scratch.mix_columns::<3>(plan),
                PixelFormat::Gray8 | PixelFormat::F32 => self.scratch.mix_columns::<1>(plan),
            }
            let Scratch { row, colored, .. } = &mut self.scratch;
            let row = self.values.recolor(row, frame.format(), colored);
            let (x, y) = plan.at;
            self.values.place(self.tensor.data_mut(), row, x, y + index);
        }
        Ok(&self.tensor)
    }

    /// A row of numbers goes in as it is: only into an input of so many, which nothing rescales.
    fn run_numbers(&mut self, frame: &Frame<'_>) -> Result<&Tensor> {
        let numbers = frame.as_numbers();
        let wanted = self.tensor.data().len();
        let plain =
            self.spec.color == ColorOrder::Gray && self.spec.normalization == Normalization::NONE;
        if !plain || numbers.len() != wanted || frame.height() != 1 {
            return Err(EngineError::Input(format!(
                "a row of {} numbers came, the model takes {}",
                numbers.len(),
                if plain {
                    format!("rows of {wanted}")
                } else {
                    "pictures".to_owned()
                }
            )));
        }
        for (column, number) in numbers.enumerate() {
            self.tensor.data_mut().put(column, number)?;
        }
        Ok(&self.tensor)
    }

    /// The tensor of the last frame; zeros before the first.
    pub const fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    fn make_plan(&mut self, width: u32, height: u32) {
        let (x, y) = fit(&self.spec, width, height);
        let columns = Weights::new(width, x);
        self.plan = Some(Plan {
            width,
            height,
            used: columns.sources(),
            columns,
            rows: Weights::new(height, y),
            at: (x.at, y.at),
        });
        // The border never changes while the plan holds, so it is drawn only here.
        if let Resize::Letterbox { fill } = self.spec.resize {
            self.values.fill(self.tensor.data_mut(), fill);
        }
    }
}

impl Scratch {
    /// The weighted sum of source rows, for the columns that are used.
    fn mix_rows(&mut self, frame: &Frame<'_>, plan: &Plan, source: usize, weights: &[f32]) {
        let channels = frame.format().channels();
        let used = plan.used.start * channels..plan.used.end * channels;
        self.tall.clear();
        let Some((&first, rest)) = weights.split_first() else {
            return;
        };
        let row = &frame.row(source)[used.clone()];
        self.tall
            .extend(row.iter().map(|&level| f32::from(level) * first));
        for (offset, &weight) in rest.iter().enumerate() {
            let row = &frame.row(source + 1 + offset)[used.clone()];
            for (sum, &level) in self.tall.iter_mut().zip(row) {
                *sum += f32::from(level) * weight;
            }
        }
    }

    /// The weighted sum of neighbouring pixels, rounded to 8-bit levels.
    fn mix_columns<const CHANNELS: usize>(&mut self, plan: &Plan) {
        let start = plan.used.start;
        let (pixels, _) = self.tall.as_chunks::<CHANNELS>();
        self.row.clear();
        for (source, weights) in plan.columns.iter() {
            let mut sum = [0.5_f32; CHANNELS];
            let pixels = &pixels[source - start..source - start + weights.len()];
            for (pixel, &weight) in pixels.iter().zip(weights) {
                for (sum, &level) in sum.iter_mut().zip(pixel) {
                    *sum += level * weight;
                }
            }
            self.row.extend_from_slice(&sum.map(|sum| sum as u8));
        }
    }
}

#[cfg(test)]
mod tests;
