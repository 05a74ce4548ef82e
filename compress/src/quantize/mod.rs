//! Static 8-bit quantization after training, for any convolutional network in ONNX.
//!
//! Batch normalization is folded; weights get a symmetric scale for each output channel,
//! activations an asymmetric one from calibration inputs, biases 32 bits. Clips from zero up are
//! absorbed into the rounding before them. The result is in QDQ form: ONNX Runtime makes integer
//! kernels of it on any CPU. What has no integer kernel stays float and is listed in the report.

mod calibrate;
mod emit;
mod evaluate;
mod fold;
mod histogram;
mod layers;
mod plan;
mod prepare;
mod range;
mod report;
mod search;
mod upgrade;
mod weights;

use std::collections::{BTreeSet, HashMap};

use noroshi_engine::Tensor;

use crate::{Error, Result};
use calibrate::Seen;
use noroshi_onnx::ModelProto;
use plan::{Plan, Role};
pub use range::{Method, Scale};
pub use report::{FloatNode, Report};
pub use weights::{WeightBits, WeightRange};

/// Most calibration inputs.
const INPUT_LIMIT: usize = 100_000;

/// How a model is quantized.
#[derive(Debug, Clone)]
pub struct Options {
    /// How activation ranges are found.
    pub method: Method,
    /// How weight ranges are found.
    pub weights: WeightRange,
    /// How many bits weights use.
    pub weight_bits: WeightBits,
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
            method: Method::Auto,
            weights: WeightRange::LeastError,
            weight_bits: WeightBits::Eight,
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
    /// The model in QDQ form.
    pub model: ModelProto,
    /// What was done.
    pub report: Report,
}

/// Quantizes `model` with ranges from `inputs`, tensors of the model's only input.
pub fn quantize(
    model: &ModelProto,
    inputs: &[Tensor],
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Quantized> {
    if inputs.is_empty() || inputs.len() > INPUT_LIMIT {
        let count = inputs.len();
        return Err(Error::Quantize(format!(
            "there are {count} calibration inputs; give 1 to {INPUT_LIMIT}, best a few hundred"
        )));
    }
    let prepared = prepare::prepare(model)?;
    let plan = Plan::new(prepared.graph()?, &options.keep_float)?;
    if !plan
        .roles
        .iter()
        .any(|role| matches!(role, Role::Weighted { .. }))
    {
        return Err(Error::Quantize(
            "the model has no Conv or Gemm with constant 32-bit float weights".into(),
        ));
    }
    let seen = observe(&prepared, &plan, inputs, options, progress)?;
    let search = search::Search::new(&prepared, &plan, &seen, inputs, options)?;
    let (best, tried) = search.run(progress)?;
    let report = Report::new(prepared.graph()?, &plan, &best, tried, inputs.len());
    Ok(Quantized {
        model: best.model,
        report,
    })
}

fn observe(
    prepared: &ModelProto,
    plan: &Plan,
    inputs: &[Tensor],
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<HashMap<String, Seen>> {
    let graph = prepared.graph()?;
    let mut wanted: BTreeSet<String> = plan.scales.keys().cloned().collect();
    let layers = graph.node.iter().zip(&plan.roles);
    let layers = layers.filter(|(_, role)| matches!(role, Role::Weighted { .. }));
    wanted.extend(layers.map(|(node, _)| node.input[0].clone()));
    let wanted: Vec<String> = wanted.into_iter().collect();
    calibrate::observe(prepared, &wanted, inputs, &options.engine, progress)
}
