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
mod upgrade;
mod weights;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use noroshi_engine::Tensor;
use serde::Serialize;

use crate::onnx::ModelProto;
use crate::{Error, Result};
use calibrate::Seen;
use plan::{Plan, Role};
pub use range::{Method, Scale};
pub use weights::WeightRange;

/// Most calibration inputs.
const INPUT_LIMIT: usize = 100_000;

/// Methods that [`Method::Auto`] tries.
const TRIED: [Method; 3] = [Method::MinMax, Method::Percentile(99.99), Method::Mse];

/// How a model is quantized.
#[derive(Debug, Clone)]
pub struct Options {
    /// How activation ranges are found.
    pub method: Method,
    /// How weight ranges are found.
    pub weights: WeightRange,
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

/// What a quantization did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The method whose ranges were kept.
    pub method: Method,
    /// Signal-to-noise ratio of the outputs on the calibration inputs, in decibels, for each
    /// method that was tried.
    pub tried: Vec<(Method, f64)>,
    /// Calibration inputs.
    pub inputs: usize,
    /// Nodes that compute with 8-bit weights.
    pub layers: usize,
    /// Other nodes that compute with 8-bit values.
    pub integer: usize,
    /// Clips that the rounding before them does.
    pub absorbed: usize,
    /// Nodes that stayed float, and why.
    pub float: Vec<FloatNode>,
    /// The scale of each 8-bit activation.
    pub scales: BTreeMap<String, Scale>,
}

/// A node that stayed float.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FloatNode {
    /// Its name.
    pub name: String,
    /// Its operator.
    pub operator: String,
    /// Why.
    pub reason: &'static str,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            layers,
            integer,
            absorbed,
            inputs,
            method,
            ..
        } = self;
        writeln!(
            f,
            "{layers} layers and {integer} other operators compute with 8-bit integers,"
        )?;
        writeln!(
            f,
            "{absorbed} clips are absorbed; ranges by {method} from {inputs} inputs"
        )?;
        for (method, decibels) in &self.tried {
            writeln!(f, "  {method}: {decibels:.1} dB on the calibration inputs")?;
        }
        for node in &self.float {
            writeln!(
                f,
                "  float: {} {} ({})",
                node.operator, node.name, node.reason
            )?;
        }
        Ok(())
    }
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
    let work = Work {
        prepared: &prepared,
        plan: &plan,
        seen: &seen,
        options,
    };
    let methods = match options.method {
        Method::Auto => TRIED.to_vec(),
        method => vec![method],
    };
    let mut evaluation = evaluate::Evaluation::new(&prepared, inputs, options)?;
    let mut best: Option<Candidate> = None;
    let mut tried = Vec::new();
    for (done, &method) in methods.iter().enumerate() {
        progress(Progress {
            stage: "quantize",
            done,
            of: methods.len(),
        });
        let candidate = work.candidate(method)?;
        let decibels = evaluation.decibels(&candidate.model, options)?;
        tried.push((method, decibels));
        if best.as_ref().is_none_or(|best| decibels > best.decibels) {
            best = Some(Candidate {
                decibels,
                ..candidate
            });
        }
    }
    progress(Progress {
        stage: "quantize",
        done: methods.len(),
        of: methods.len(),
    });
    let best = best.ok_or_else(|| Error::Quantize("no method was tried".into()))?;
    let report = work.report(&best, tried, inputs.len())?;
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

/// One way to quantize the model.
struct Candidate {
    method: Method,
    model: ModelProto,
    scales: HashMap<String, Scale>,
    decibels: f64,
}

/// Everything that the candidates share.
struct Work<'a> {
    prepared: &'a ModelProto,
    plan: &'a Plan,
    seen: &'a HashMap<String, Seen>,
    options: &'a Options,
}

impl Work<'_> {
    fn candidate(&self, method: Method) -> Result<Candidate> {
        let scales: HashMap<String, Scale> = self
            .plan
            .scales
            .iter()
            .map(|(name, clipped)| {
                let scale = range::choose(&self.seen[name].histogram, *clipped, method);
                (name.clone(), scale)
            })
            .collect();
        let layers = layers::quantize(
            self.prepared.graph()?,
            self.plan,
            &scales,
            self.seen,
            self.options,
        )?;
        let emission = emit::Emission {
            graph: self.prepared.graph()?,
            plan: self.plan,
            scales: &scales,
            layers: &layers,
        };
        let mut model = self.prepared.clone();
        model.graph = Some(emit::emit(&emission)?);
        model.producer_name = "noroshi".into();
        model.producer_version = env!("CARGO_PKG_VERSION").into();
        Ok(Candidate {
            method,
            model,
            scales,
            decibels: f64::NEG_INFINITY,
        })
    }

    fn report(&self, best: &Candidate, tried: Vec<(Method, f64)>, inputs: usize) -> Result<Report> {
        let nodes = &self.prepared.graph()?.node;
        let count =
            |wanted: fn(&Role) -> bool| self.plan.roles.iter().filter(|r| wanted(r)).count();
        let float = nodes
            .iter()
            .zip(&self.plan.roles)
            .filter_map(|(node, role)| match role {
                Role::Float(reason) => Some(FloatNode {
                    name: node.name.clone(),
                    operator: node.operator(),
                    reason,
                }),
                _ => None,
            });
        Ok(Report {
            method: best.method,
            tried,
            inputs,
            layers: count(|role| matches!(role, Role::Weighted { .. })),
            integer: count(|role| *role == Role::Integer),
            absorbed: count(|role| *role == Role::Absorbed),
            float: float.collect(),
            scales: best
                .scales
                .iter()
                .map(|(name, scale)| (name.clone(), *scale))
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests;
