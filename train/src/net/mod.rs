//! A network: layers in an order in which each follows those that it reads.

mod builder;
mod parameter;
mod small;
pub(crate) mod state;
mod stepped;

pub use builder::NetBuilder;
pub use parameter::{Parameter, Role};
pub use small::Family;
use state::MAX_NUMBERS;
pub use stepped::Bits;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::export::{INPUT, OUTPUT};
use crate::layer::{Activation, Layer};
use crate::pass::{Mode, Pass};
use crate::random::Random;
use crate::shape::Shape;
use crate::weights::{self, Weights};
use crate::{Error, Result};

/// Samples that are answered together.
const ANSWER_BATCH: usize = 128;

/// A value that flows through a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Value(pub(crate) usize);

impl Value {
    /// What enters the network.
    pub const INPUT: Self = Self(0);

    /// What the layer at this place gives.
    pub const fn of(place: usize) -> Self {
        Self(place + 1)
    }

    /// The place of the layer that gives it; `None` for the input.
    pub const fn place(self) -> Option<usize> {
        self.0.checked_sub(1)
    }
}

/// A layer at its place, with what it has learned.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Unlike those of the other layers.
    pub name: String,
    /// What it does.
    pub layer: Layer,
    /// What it reads.
    pub inputs: Vec<Value>,
    /// The shape of what it gives.
    pub output: Shape,
    /// What it learns, in the order of [`Role`].
    pub parameters: Vec<Parameter>,
    /// Running mean and variance of a normalization.
    pub statistics: Option<Statistics>,
    /// Whether training leaves it as it is.
    pub frozen: bool,
}

/// What a normalization has seen, `[channels]` each.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Variance of each channel.
    pub variance: Vec<f32>,
}

impl Node {
    /// The parameter with this role.
    pub fn parameter(&self, role: Role) -> Option<&Parameter> {
        self.parameters
            .iter()
            .find(|parameter| parameter.role == role)
    }

    /// Values of the parameter with this role, none if there is none.
    pub fn values(&self, role: Role) -> &[f32] {
        self.parameter(role)
            .map_or(&[], |parameter| &parameter.values)
    }

    /// The learned steps, none smaller than what is divided by.
    pub(crate) fn steps(&self) -> Vec<f32> {
        let steps = self.values(Role::Step).iter();
        steps.map(|step| step.max(weights::SMALLEST_STEP)).collect()
    }

    /// The parameter with this role, to change it.
    pub fn parameter_mut(&mut self, role: Role) -> Option<&mut Parameter> {
        self.parameters
            .iter_mut()
            .find(|parameter| parameter.role == role)
    }

    /// How its weights are seen, if it has any.
    pub const fn weights(&self) -> Option<Weights> {
        match &self.layer {
            Layer::Dense(dense) => Some(dense.weights),
            Layer::Conv(conv) => Some(conv.weights),
            _ => None,
        }
    }

    /// The weights that the forward pass computes with: signs, scaled signs or whole steps.
    pub fn seen_weights(&self) -> Option<Vec<f32>> {
        let real = &self.parameter(Role::Weight)?.values;
        let mut seen = vec![0.0; real.len()];
        let outputs = self.output.channels;
        weights::see(
            self.weights()?,
            real,
            self.values(Role::Step),
            outputs,
            &mut seen,
        );
        Some(seen)
    }

    pub(crate) fn learns(&self) -> bool {
        !self.frozen && !self.parameters.is_empty()
    }
}

/// A network that can be taught.
#[derive(Debug, Clone, PartialEq)]
pub struct Net {
    input: Shape,
    ends: Ends,
    nodes: Vec<Node>,
}

/// What the input and the output of a network's file are called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ends {
    pub(crate) input: String,
    pub(crate) output: String,
}

impl Default for Ends {
    fn default() -> Self {
        Self {
            input: INPUT.into(),
            output: OUTPUT.into(),
        }
    }
}

impl Net {
    /// A network that grows layer by layer; `seed` decides the first weights.
    pub fn builder(input: Shape, seed: u64) -> NetBuilder {
        NetBuilder::new(input, seed)
    }

    /// An empty network, to which [`Net::push`] adds.
    pub(crate) fn new(input: Shape) -> Self {
        let (ends, nodes) = (Ends::default(), Vec::new());
        Self { input, ends, nodes }
    }

    /// An empty network that takes the same samples, under the same names.
    pub(crate) fn emptied(&self) -> Self {
        Self {
            input: self.input,
            ends: self.ends.clone(),
            nodes: Vec::new(),
        }
    }

    /// The same network with other names for its file's input and output.
    #[must_use]
    pub(crate) fn called(mut self, input: &str, output: &str) -> Self {
        self.ends = Ends {
            input: input.into(),
            output: output.into(),
        };
        self
    }

    /// What its file's input is called: as in the file that it was read from, or [`INPUT`].
    pub fn input_name(&self) -> &str {
        &self.ends.input
    }

    /// What its file's output is called: as in the file that it was read from, or [`OUTPUT`].
    pub fn output_name(&self) -> &str {
        &self.ends.output
    }

    /// The shape of one sample.
    pub const fn input(&self) -> Shape {
        self.input
    }

    /// What leaves it.
    pub(crate) fn last(&self) -> Value {
        Value(self.nodes.len())
    }

    /// Numbers that leave for one sample.
    pub fn outputs(&self) -> usize {
        self.shape_of(self.last()).len()
    }

    /// The layers with what they have learned, in order.
    pub fn layers(&self) -> &[Node] {
        &self.nodes
    }

    /// The layers, to change what they have learned. Lengths and shapes must stay.
    pub fn layers_mut(&mut self) -> &mut [Node] {
        &mut self.nodes
    }

    /// Numbers that are learned.
    pub fn parameters(&self) -> usize {
        let parameters = self.nodes.iter().flat_map(|node| &node.parameters);
        parameters.map(|parameter| parameter.values.len()).sum()
    }

    pub(crate) fn shape_of(&self, value: Value) -> Shape {
        value
            .place()
            .map_or(self.input, |place| self.nodes[place].output)
    }

    /// The place of the layer with this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.name == name)
    }

    /// Adds a layer with fresh parameters; an error if it does not fit.
    pub(crate) fn push(
        &mut self,
        name: String,
        layer: Layer,
        inputs: Vec<Value>,
        random: &mut Random,
    ) -> Result<Value> {
        if inputs.iter().any(|value| value.0 > self.nodes.len()) || self.find(&name).is_some() {
            return Err(Error::layer(
                name,
                "it reads a later layer, or its name is taken",
            ));
        }
        let shapes: Vec<Shape> = inputs.iter().map(|&value| self.shape_of(value)).collect();
        let output = layer
            .output(&shapes)
            .map_err(|reason| Error::layer(&name, reason))?;
        check_bits(&layer).map_err(|reason| Error::layer(&name, reason))?;
        check_size(&layer, shapes[0]).map_err(|reason| Error::layer(&name, reason))?;
        let parameters = parameter::fresh(&layer, shapes[0], random);
        let statistics = matches!(layer, Layer::Normalize(_)).then(|| Statistics {
            mean: vec![0.0; output.channels],
            variance: vec![1.0; output.channels],
        });
        self.nodes.push(Node {
            name,
            layer,
            inputs,
            output,
            parameters,
            statistics,
            frozen: false,
        });
        Ok(Value(self.nodes.len()))
    }

    /// Adds a layer that another network has learned; its inputs must be values of this one.
    pub(crate) fn append(&mut self, node: Node) -> Value {
        debug_assert!(node.inputs.iter().all(|value| value.0 <= self.nodes.len()));
        self.nodes.push(node);
        Value(self.nodes.len())
    }

    /// The part from the input up to and with the layer at `place`.
    #[must_use]
    pub fn prefix(&self, place: usize) -> Self {
        let nodes = self.nodes[..=place].to_vec();
        Self {
            nodes,
            ..self.emptied()
        }
    }

    /// The same layers with fresh parameters and statistics.
    pub fn renewed(&self, seed: u64) -> Result<Self> {
        let mut net = self.emptied();
        let mut random = Random::of(seed, &[0x7265_6e65]);
        for node in &self.nodes {
            let (layer, inputs) = (node.layer.clone(), node.inputs.clone());
            net.push(node.name.clone(), layer, inputs, &mut random)?;
        }
        Ok(net)
    }

    /// Takes over parameters and statistics of layers with the same name and shapes; how many.
    pub fn adopt(&mut self, other: &Self) -> usize {
        let mut adopted = 0;
        for node in &mut self.nodes {
            let Some(place) = other.find(&node.name) else {
                continue;
            };
            let source = &other.nodes[place];
            let fits = source.output == node.output
                && parameter_shapes(source).eq(parameter_shapes(node))
                && source.statistics.is_some() == node.statistics.is_some();
            if fits {
                node.parameters.clone_from(&source.parameters);
                node.statistics.clone_from(&source.statistics);
                adopted += 1;
            }
        }
        adopted
    }

    /// The same network with the weights of some layers seen otherwise, the learned numbers kept.
    /// `view` gets the place among the layers with weights, their number, and the layer.
    pub fn with_weights(&self, view: impl Fn(usize, usize, &Node) -> Weights) -> Result<Self> {
        let mut net = self.clone();
        let count = net
            .nodes
            .iter()
            .filter(|node| node.weights().is_some())
            .count();
        let weighted = net.nodes.iter_mut().filter(|node| node.weights().is_some());
        for (place, node) in weighted.enumerate() {
            let weights = view(place, count, node);
            match &mut node.layer {
                Layer::Dense(dense) => dense.weights = weights,
                Layer::Conv(conv) => conv.weights = weights,
                _ => {}
            }
            check_bits(&node.layer).map_err(|reason| Error::layer(&node.name, reason))?;
            node.parameters
                .retain(|parameter| parameter.role != Role::Step);
            let steps = parameter::steps(weights, node.values(Role::Weight), node.output.channels);
            node.parameters.extend(steps);
        }
        Ok(net)
    }

    /// Outputs of `[samples, …]` inputs, one row a sample. In blocks, on the current rayon pool.
    pub fn logits(&self, samples: &[f32]) -> Result<Vec<f32>> {
        let size = self.input.len();
        if !samples.len().is_multiple_of(size) {
            let input = self.input;
            return Err(Error::Data(format!(
                "{} numbers are not samples of {input}",
                samples.len()
            )));
        }
        let mut pass = Pass::default();
        let mut answers = Vec::with_capacity(samples.len() / size * self.outputs());
        for block in samples.chunks(ANSWER_BATCH * size) {
            pass.set_input(block);
            pass.forward(self, block.len() / size, Mode::Answer);
            answers.extend_from_slice(pass.output());
        }
        Ok(answers)
    }

    /// The class with the largest output, of each sample.
    pub fn classify(&self, samples: &[f32]) -> Result<Vec<u32>> {
        Ok(largest(&self.logits(samples)?, self.outputs()))
    }
}

fn parameter_shapes(node: &Node) -> impl Iterator<Item = (Role, &[usize])> {
    node.parameters
        .iter()
        .map(|parameter| (parameter.role, parameter.shape.as_slice()))
}

/// The place of the largest number of each row, the first of equals.
pub(crate) fn largest(rows: &[f32], width: usize) -> Vec<u32> {
    let place = |row: &[f32]| {
        let best = row.iter().enumerate().fold(
            0,
            |best, (place, value)| {
                if *value > row[best] { place } else { best }
            },
        );
        best as u32
    };
    rows.par_chunks(width).map(place).collect()
}

fn check_bits(layer: &Layer) -> Result<(), String> {
    let refuse = |bits: u8| Err(format!("{bits} bits: there must be 2 to 8"));
    match layer {
        Layer::Dense(dense) => check_view(dense.weights),
        Layer::Conv(conv) => check_view(conv.weights),
        Layer::Activation(Activation::LearnedStep { bits, .. }) if !(2..=8).contains(bits) => {
            refuse(*bits)
        }
        Layer::Activation(Activation::Levels { bits, limit })
            if !((1..=8).contains(bits) && limit.is_finite() && *limit > 0.0) =>
        {
            Err(format!(
                "{bits} bits up to {limit}: there must be 1 to 8, up to more than 0"
            ))
        }
        _ => Ok(()),
    }
}

/// Refuses weights beyond any memory before they are made.
fn check_size(layer: &Layer, input: Shape) -> Result<(), String> {
    let sizes = match layer {
        Layer::Dense(dense) => [dense.outputs, input.len(), 1, 1],
        Layer::Conv(conv) => {
            let [height, width] = conv.kernel;
            [conv.outputs, input.channels / conv.groups, height, width]
        }
        _ => return Ok(()),
    };
    let count = sizes
        .iter()
        .try_fold(1usize, |count, &size| count.checked_mul(size));
    match count {
        Some(count) if count <= MAX_NUMBERS => Ok(()),
        _ => Err(format!(
            "weights of {sizes:?} are more than {MAX_NUMBERS} numbers"
        )),
    }
}

fn check_view(weights: Weights) -> Result<(), String> {
    match weights {
        Weights::LearnedStep { bits } if !(2..=8).contains(&bits) => Err(format!(
            "weights of {bits} bits: there must be 2 to 8, or choose their sign"
        )),
        _ => Ok(()),
    }
}
