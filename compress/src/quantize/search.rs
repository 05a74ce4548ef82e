//! Finds the ranges that bring the quantized model nearest to the float one.
//!
//! One method for all activations first, then each kind of activation on its own: clipped ones
//! tolerate other cuts than sums and linear layers, whose outliers carry meaning.

use std::collections::HashMap;

use super::evaluate::Evaluation;
use super::layers::Float;
use super::plan::{Plan, Role};
use super::range::{self, Method, Scale};
use super::study::Study;
use super::{Options, Progress, emit, layers, upgrade};
use crate::Result;
use noroshi_onnx::{GraphProto, ModelProto};

/// What is tried if no method is named, most cautious first.
const TRIED: [Method; 6] = [
    Method::MinMax,
    Method::Percentile(99.999),
    Method::Percentile(99.99),
    Method::Percentile(99.95),
    Method::Percentile(99.9),
    Method::Mse,
];

/// Decibels that a change must win: less is chance.
const GAIN: f64 = 0.05;

/// A kind of activation, by what makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Behind a clip or a ReLU.
    Clipped,
    /// Made by a layer with weights, as it is.
    Linear,
    /// Anything else: inputs, sums, means.
    Other,
}

const KINDS: [Kind; 3] = [Kind::Clipped, Kind::Linear, Kind::Other];

/// The method for each kind, in the order of [`KINDS`].
pub(super) type Choice = [Method; KINDS.len()];

/// One way to quantize the model.
pub(super) struct Candidate {
    pub(super) choice: Choice,
    pub(super) model: ModelProto,
    pub(super) scales: HashMap<String, Scale>,
    pub(super) decibels: f64,
}

/// Everything that the candidates share.
pub(super) struct Search<'a> {
    study: &'a Study<'a>,
    graph: &'a GraphProto,
    plan: &'a Plan,
    options: &'a Options,
    layers: Vec<Float>,
    kinds: HashMap<&'a str, Kind>,
    evaluation: &'a Evaluation<'a>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        study: &'a Study<'a>,
        plan: &'a Plan,
        evaluation: &'a Evaluation<'a>,
        options: &'a Options,
    ) -> Result<Self> {
        let graph = study.prepared.graph()?;
        Ok(Self {
            study,
            graph,
            plan,
            options,
            layers: layers::read(graph, plan, &study.grams, options)?,
            kinds: kinds(graph, plan),
            evaluation,
        })
    }

    /// The best candidate, and each method that was tried for all activations with its result.
    pub(super) fn run(
        &self,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Candidate, Vec<(Method, f64)>)> {
        let methods = match self.options.method {
            Method::Auto => TRIED.to_vec(),
            method => vec![method],
        };
        let alone = methods.len() == 1;
        let of = if alone {
            1
        } else {
            methods.len() + KINDS.len() * (methods.len() - 1)
        };
        let mut done = 0;
        let mut step = || {
            done += 1;
            progress(Progress {
                stage: "quantize",
                done,
                of,
            });
        };
        let mut tried = Vec::new();
        let mut best = self.candidate([methods[0]; KINDS.len()])?;
        tried.push((methods[0], best.decibels));
        step();
        for &method in &methods[1..] {
            let candidate = self.candidate([method; KINDS.len()])?;
            tried.push((method, candidate.decibels));
            if candidate.decibels > best.decibels + GAIN {
                best = candidate;
            }
            step();
        }
        for kind in 0..KINDS.len() {
            let kept = best.choice[kind];
            for &method in methods.iter().filter(|method| **method != kept) {
                let mut choice = best.choice;
                choice[kind] = method;
                let candidate = self.candidate(choice)?;
                if candidate.decibels > best.decibels + GAIN {
                    best = candidate;
                }
                step();
            }
        }
        Ok((best, tried))
    }

    /// The model with the ranges of `choice`.
    pub(super) fn candidate(&self, choice: Choice) -> Result<Candidate> {
        let mut scales = HashMap::new();
        let seen = &self.study.seen;
        for (name, clipped) in &self.plan.scales {
            let kind = self
                .kinds
                .get(name.as_str())
                .copied()
                .unwrap_or(Kind::Other);
            let method = choice[KINDS.iter().position(|k| *k == kind).unwrap_or(0)];
            let bits = self.options.activation_bits;
            let scale = range::choose(&seen[name].histogram, *clipped, method, bits);
            scales.insert(name.clone(), scale);
        }
        let correct = self.options.correct_biases;
        let layers = layers::quantize(&self.layers, self.plan, &scales, seen, correct);
        let model = self.written(&scales, &layers)?;
        let decibels = self.evaluation.decibels(&model, &self.options.engine)?;
        Ok(Candidate {
            choice,
            model,
            scales,
            decibels,
        })
    }

    fn written(
        &self,
        scales: &HashMap<String, Scale>,
        layers: &HashMap<usize, emit::Layer>,
    ) -> Result<ModelProto> {
        let mut model = ModelProto {
            producer_name: "noroshi".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            ..self.study.prepared.clone()
        };
        let narrow = layers.values().any(|layer| layer.bits.packs());
        let packs = narrow && upgrade::raise(&mut model, upgrade::NARROW_OPSET).is_ok();
        let emission = emit::Emission {
            graph: model.graph()?,
            plan: self.plan,
            scales,
            layers,
            packs,
        };
        model.graph = Some(emit::emit(&emission)?);
        Ok(model)
    }
}

impl Search<'_> {
    /// The graph that is quantized.
    pub(super) fn graph(&self) -> &GraphProto {
        self.graph
    }

    /// How many layers were rounded by what they see.
    pub(super) fn aware(&self) -> usize {
        let layers = self.layers.iter();
        layers.filter(|layer| layer.is_aware()).count()
    }
}

/// The places of the nodes that get integer weights.
pub(super) fn weighted(plan: &Plan) -> Vec<usize> {
    let roles = plan.roles.iter().enumerate();
    roles
        .filter(|(_, role)| matches!(role, Role::Weighted { .. }))
        .map(|(place, _)| place)
        .collect()
}

impl Candidate {
    /// The method of each kind of activation.
    pub(super) fn methods(&self) -> Vec<(&'static str, Method)> {
        let words = ["clipped", "linear", "other"];
        words.into_iter().zip(self.choice).collect()
    }
}

fn kinds<'a>(graph: &'a GraphProto, plan: &'a Plan) -> HashMap<&'a str, Kind> {
    let mut kinds: HashMap<&str, Kind> = graph
        .node
        .iter()
        .filter(|node| node.is("Conv") || node.is("Gemm"))
        .map(|node| (node.output[0].as_str(), Kind::Linear))
        .collect();
    let clipped = plan.scales.iter().filter(|(_, clipped)| clipped.is_some());
    kinds.extend(clipped.map(|(name, _)| (name.as_str(), Kind::Clipped)));
    kinds
}
