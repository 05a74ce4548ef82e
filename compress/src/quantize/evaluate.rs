//! How near a candidate comes to the float model on calibration inputs.

use noroshi_engine::{Options, Tensor};

use super::calibrate;
use crate::Result;
use noroshi_onnx::ModelProto;

/// Most inputs that candidates are compared on.
const INPUTS: usize = 48;

/// Most numbers of the float model's outputs that are kept.
const NUMBERS: usize = 16 << 20;

/// The float model's outputs on some of the inputs.
pub(super) struct Evaluation<'a> {
    inputs: Vec<&'a Tensor>,
    expected: Vec<Vec<f32>>,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(float: &ModelProto, inputs: &'a [Tensor], options: &Options) -> Result<Self> {
        let step = inputs.len().div_ceil(INPUTS).max(1);
        let mut evaluation = Self {
            inputs: Vec::new(),
            expected: Vec::new(),
        };
        let mut engine = calibrate::session(float, options)?;
        let mut numbers = 0;
        for input in inputs.iter().step_by(step) {
            let outputs = engine.run(std::slice::from_ref(input))?;
            let values: Vec<f32> = outputs
                .iter()
                .flat_map(|t| t.to_f32().into_owned())
                .collect();
            numbers += values.len();
            evaluation.inputs.push(input);
            evaluation.expected.push(values);
            if numbers > NUMBERS {
                break;
            }
        }
        Ok(evaluation)
    }

    /// Mean signal-to-noise ratio of `model`'s outputs over the inputs, in decibels.
    pub(super) fn decibels(&self, model: &ModelProto, options: &Options) -> Result<f64> {
        let mut engine = calibrate::session(model, options)?;
        let mut sum = 0.0;
        for (input, expected) in self.inputs.iter().zip(&self.expected) {
            let outputs = engine.run(std::slice::from_ref(*input))?;
            let values = outputs.iter().flat_map(|t| t.to_f32().into_owned());
            sum += crate::report::signal_to_noise(expected, &values.collect::<Vec<f32>>());
        }
        Ok(sum / self.inputs.len().max(1) as f64)
    }
}
