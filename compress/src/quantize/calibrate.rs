//! Runs the float model on calibration inputs and keeps what is needed of every activation.

use std::collections::HashMap;

use noroshi_engine::{Engine, ModelSource, Options, Tensor, open};
use noroshi_model::EngineKind;
use rayon::prelude::*;

use super::Progress;
use super::histogram::Histogram;
use crate::{Error, Result};
use noroshi_onnx::{DataType, ModelProto, Shapes, ValueInfoProto, encode, infer};

/// Most bytes of activations that one run may return: more are seen in several runs.
const RUN_BYTES: u64 = 160 << 20;
/// Most values of one run: the engine opens no model with more outputs.
const RUN_VALUES: usize = 64;

/// What was seen of one activation.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) histogram: Histogram,
    /// Sum of each channel's mean over the inputs.
    sums: Vec<f64>,
    runs: u32,
}

impl Seen {
    fn new() -> Self {
        Self {
            histogram: Histogram::new(),
            sums: Vec::new(),
            runs: 0,
        }
    }

    /// The mean of each channel, the second dimension.
    pub(super) fn channel_means(&self) -> Vec<f64> {
        self.sums
            .iter()
            .map(|sum| sum / f64::from(self.runs.max(1)))
            .collect()
    }

    fn add(&mut self, name: &str, tensor: &Tensor) -> Result<()> {
        let values = tensor.to_f32();
        if !self.histogram.add(&values) {
            return Err(Error::Quantize(format!(
                "the activation {name:?} is not finite for a calibration input; the float model \
                 itself is broken or the inputs are"
            )));
        }
        let channels = tensor.shape().get(1).copied().unwrap_or(1).max(1);
        let per_channel = (values.len() / channels).max(1);
        self.sums.resize(channels, 0.0);
        for (sum, part) in self.sums.iter_mut().zip(values.chunks(per_channel)) {
            *sum += part.iter().map(|&value| f64::from(value)).sum::<f64>() / part.len() as f64;
        }
        self.runs += 1;
        Ok(())
    }
}

/// Runs `model` on every input and returns what was seen of the values in `wanted`.
pub(super) fn observe(
    model: &ModelProto,
    wanted: &[String],
    inputs: &[Tensor],
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<HashMap<String, Seen>> {
    let mut all: HashMap<String, Seen> = wanted
        .iter()
        .map(|name| (name.clone(), Seen::new()))
        .collect();
    each_run(model, wanted, inputs, options, progress, &mut |values| {
        let mut own: Vec<_> = values
            .iter()
            .filter_map(|(name, tensor)| Some((all.remove_entry(*name)?, *tensor)))
            .collect();
        own.par_iter_mut()
            .try_for_each(|((name, seen), tensor)| seen.add(name, tensor))?;
        all.extend(own.into_iter().map(|(entry, _)| entry));
        Ok(())
    })?;
    Ok(all)
}

/// Runs `model` on every input, in groups of values that fit into memory, and hands out the values
/// in `wanted`, a group and an input at a time.
pub(super) fn each_run(
    model: &ModelProto,
    wanted: &[String],
    inputs: &[Tensor],
    options: &Options,
    progress: &mut dyn FnMut(Progress),
    look: &mut dyn FnMut(&[(&String, &Tensor)]) -> Result<()>,
) -> Result<()> {
    let input_name = only_input(model)?;
    let (given, made): (Vec<&String>, Vec<&String>) =
        wanted.iter().partition(|name| **name == input_name);
    for name in given {
        for input in inputs {
            look(&[(name, input)])?;
        }
    }
    let shapes = infer(model.graph()?)?;
    let groups = grouped(&made, &shapes);
    let of = groups.len() * inputs.len();
    for (place, group) in groups.iter().enumerate() {
        let mut engine = exposing(model, group, options)?;
        for (done, input) in inputs.iter().enumerate() {
            let outputs = engine.run(std::slice::from_ref(input))?;
            let named: Vec<_> = group.iter().copied().zip(&outputs).collect();
            look(&named)?;
            progress(Progress {
                stage: "calibrate",
                done: place * inputs.len() + done + 1,
                of,
            });
        }
    }
    Ok(())
}

/// The name of the model's input, of which there must be one.
pub(super) fn only_input(model: &ModelProto) -> Result<String> {
    match model.graph()?.free_inputs().as_slice() {
        [name] => Ok((*name).to_owned()),
        names => Err(Error::Quantize(format!(
            "the model has {} inputs; calibration knows how to feed one",
            names.len()
        ))),
    }
}

fn grouped<'a>(names: &[&'a String], shapes: &Shapes) -> Vec<Vec<&'a String>> {
    let mut groups: Vec<Vec<&String>> = Vec::new();
    let mut room = 0;
    for name in names {
        let bytes = shapes.bytes(name).unwrap_or(RUN_BYTES / 8);
        match groups.last_mut() {
            Some(group) if bytes <= room && group.len() < RUN_VALUES => group.push(name),
            _ => {
                groups.push(vec![name]);
                room = RUN_BYTES;
            }
        }
        room = room.saturating_sub(bytes);
    }
    groups
}

/// A session of `model` whose outputs are the values called `names`, in that order.
pub(super) fn exposing(
    model: &ModelProto,
    names: &[&String],
    options: &Options,
) -> Result<Box<dyn Engine>> {
    let mut model = model.clone();
    let graph = model.graph_mut()?;
    let known: HashMap<String, ValueInfoProto> = graph
        .output
        .drain(..)
        .map(|output| (output.name.clone(), output))
        .collect();
    graph.output = names
        .iter()
        .map(|name| {
            known
                .get(*name)
                .cloned()
                .unwrap_or_else(|| ValueInfoProto::tensor_of_any_shape(name, DataType::F32))
        })
        .collect();
    session(&model, options)
}

/// A session of `model`.
pub(super) fn session(model: &ModelProto, options: &Options) -> Result<Box<dyn Engine>> {
    let bytes = encode(model)?;
    Ok(open(
        EngineKind::OnnxRuntime,
        ModelSource::Bytes(&bytes),
        options,
    )?)
}
