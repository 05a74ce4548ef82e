//! Quantization after training, for any convolutional network in ONNX.
//!
//! Batch normalization is folded; weights get a symmetric scale for each output channel,
//! activations an asymmetric one from calibration inputs, biases 32 bits. Clips from zero up are
//! absorbed into the rounding before them. The result is in QDQ form: ONNX Runtime makes integer
//! kernels of it on any CPU. What has no integer kernel stays float and is listed in the report.
//!
//! [`Options`] say how: 2 to 8 bits ([`Bits`]), one layer's differently from another's; ranges of
//! activations fixed or found as the model runs, or weights only ([`Mode`]); a scale for a channel
//! or for a layer ([`Granularity`]); weights rounded so that errors cancel ([`Rounding`]); channels
//! equalized first. A [`Study`] calibrates once for many ways; it tells which layers suffer
//! ([`Study::sensitivity`]), keeps those in float until a limit is met or refuses
//! ([`Study::within`]), and draws loss against bits ([`Study::curve`]).

mod bits;
mod blocks;
mod calibrate;
mod curve;
mod dynamic;
mod emit;
mod entropy;
mod equalize;
mod evaluate;
mod fold;
mod gguf;
mod gram;
mod hessian;
mod histogram;
mod judge;
mod layers;
mod plan;
mod prepare;
mod range;
mod report;
mod search;
mod sensitivity;
mod study;
mod upgrade;
mod weights;
mod within;

use std::collections::{BTreeMap, BTreeSet};

use noroshi_engine::Tensor;
use noroshi_onnx::ModelProto;

use crate::Result;
pub use bits::{Bits, Granularity, Mode, Rounding};
pub use curve::{Curve, Point};
pub use gguf::{Gguf, gguf};
pub use judge::{Goal, Loss, judge};
pub use range::{Method, Scale};
pub use report::{FloatNode, Report};
pub use sensitivity::Sensitivity;
pub use study::Study;
pub use weights::WeightRange;
pub use within::{Spared, Within};

/// How a model is quantized.
#[derive(Debug, Clone)]
pub struct Options {
    /// What becomes integer.
    pub mode: Mode,
    /// How activation ranges are found.
    pub method: Method,
    /// How weight ranges are found.
    pub weights: WeightRange,
    /// How many bits weights use.
    pub weight_bits: Bits,
    /// How many bits the weights of single nodes use, by name.
    pub node_bits: BTreeMap<String, Bits>,
    /// How many bits activations use; fewer than eight only where ranges are fixed.
    pub activation_bits: Bits,
    /// How many weights share a scale.
    pub granularity: Granularity,
    /// How weights are rounded.
    pub rounding: Rounding,
    /// Whether the channels between layers are equalized first.
    pub equalize: bool,
    /// Whether biases make up for the mean error of their channel.
    pub correct_biases: bool,
    /// Nodes, by name, that stay float.
    pub keep_float: BTreeSet<String>,
    /// The engine that runs the model for calibration.
    pub engine: noroshi_engine::Options,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::Static,
            method: Method::Auto,
            weights: WeightRange::LeastError,
            weight_bits: Bits::EIGHT,
            node_bits: BTreeMap::new(),
            activation_bits: Bits::EIGHT,
            granularity: Granularity::Channel,
            rounding: Rounding::Nearest,
            equalize: false,
            correct_biases: true,
            keep_float: BTreeSet::new(),
            engine: noroshi_engine::Options::default(),
        }
    }
}

/// How far the work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done, one word.
    pub stage: &'static str,
    /// Steps done of it.
    pub done: usize,
    /// Steps in all.
    pub of: usize,
}

/// A quantized model and what was done.
#[derive(Debug, Clone)]
pub struct Quantized {
    /// The model.
    pub model: ModelProto,
    /// What was done.
    pub report: Report,
}

/// Quantizes `model` by what is seen on `inputs`, tensors of its only input; they may be none
/// where ranges are not fixed and weights are rounded to the nearest.
pub fn quantize(
    model: &ModelProto,
    inputs: &[Tensor],
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Quantized> {
    match options.mode {
        Mode::Static => Study::new(model, inputs, options, progress)?.quantize(options, progress),
        Mode::Dynamic => dynamic::quantize(model, inputs, options, progress),
        Mode::Weights => blocks::quantize(model, inputs, options, progress),
    }
}
