//! What a quantization did, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::bits::{Bits, Mode, Rounding};
use super::layers::bits_of;
use super::plan::{Plan, Role};
use super::range::{Method, Scale};
use super::search::{Candidate, Search};
use super::{Granularity, Options};
use noroshi_onnx::{DataType, GraphProto, ModelProto};

/// What a quantization did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What became integer.
    pub mode: Mode,
    /// Bits of the weights where a layer has no others.
    pub weight_bits: Bits,
    /// Layers by the bits of their weights.
    pub layers_by_bits: BTreeMap<Bits, usize>,
    /// Bits of the activations.
    pub activation_bits: Bits,
    /// How many weights share a scale.
    pub granularity: Granularity,
    /// How weights were rounded.
    pub rounding: Rounding,
    /// Layers whose rounding looked at what they see.
    pub aware: usize,
    /// Groups of channels that were equalized.
    pub equalized: usize,
    /// Layers whose weights lie two to a byte.
    pub packed: usize,
    /// The method whose ranges were kept for each kind of activation: clipped, linear, other.
    pub methods: Vec<(&'static str, Method)>,
    /// Signal-to-noise ratio of the outputs on calibration inputs, in decibels; none without.
    pub decibels: Option<f64>,
    /// The same for each method that was tried for all activations.
    pub tried: Vec<(Method, f64)>,
    /// Calibration inputs.
    pub inputs: usize,
    /// Nodes that compute with integer weights.
    pub layers: usize,
    /// Other nodes that compute with integers.
    pub integer: usize,
    /// Clips that the rounding before them does.
    pub absorbed: usize,
    /// Nodes that stayed float, and why.
    pub float: Vec<FloatNode>,
    /// The scale of each integer activation.
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

impl Report {
    pub(super) fn new(
        search: &Search<'_>,
        plan: &Plan,
        best: &Candidate,
        options: &Options,
    ) -> Self {
        Self {
            aware: search.aware(),
            methods: best.methods(),
            decibels: Some(best.decibels),
            scales: best.scales.clone().into_iter().collect(),
            ..Self::without_ranges(search.graph(), plan, &best.model, options)
        }
    }

    /// What can be told without calibration.
    pub(super) fn without_ranges(
        graph: &GraphProto,
        plan: &Plan,
        made: &ModelProto,
        options: &Options,
    ) -> Self {
        let count = |wanted: fn(&Role) -> bool| {
            let roles = plan.roles.iter();
            roles.filter(|role| wanted(role)).count()
        };
        let mut layers_by_bits = BTreeMap::new();
        let mut float = Vec::new();
        for (node, role) in graph.node.iter().zip(&plan.roles) {
            match role {
                Role::Weighted { .. } => {
                    *layers_by_bits.entry(bits_of(node, options)).or_default() += 1;
                }
                Role::Float(reason) => float.push(FloatNode {
                    name: node.name.clone(),
                    operator: node.operator(),
                    reason,
                }),
                Role::Integer | Role::Absorbed => {}
            }
        }
        let tensors = made.graph.iter().flat_map(|graph| &graph.initializer);
        let narrow = tensors.filter(|tensor| tensor.data_type == DataType::I4 as i32);
        Self {
            mode: options.mode,
            weight_bits: options.weight_bits,
            layers_by_bits,
            activation_bits: options.activation_bits,
            granularity: options.granularity,
            rounding: options.rounding,
            aware: 0,
            equalized: 0,
            packed: narrow.count(),
            methods: Vec::new(),
            decibels: None,
            tried: Vec::new(),
            inputs: 0,
            layers: count(|role| matches!(role, Role::Weighted { .. })),
            integer: count(|role| *role == Role::Integer),
            absorbed: count(|role| *role == Role::Absorbed),
            float,
            scales: BTreeMap::new(),
        }
    }

    pub(super) fn tried(self, tried: Vec<(Method, f64)>) -> Self {
        Self { tried, ..self }
    }

    pub(super) fn calibrated(self, inputs: usize) -> Self {
        Self { inputs, ..self }
    }

    pub(super) fn equalized(self, equalized: usize) -> Self {
        Self { equalized, ..self }
    }

    /// What to expect of its time, if that is not what smaller numbers promise.
    pub fn speed(&self) -> Option<&'static str> {
        match self.mode {
            Mode::Weights => Some("smaller, not faster: its layers compute in floats"),
            Mode::Static | Mode::Dynamic if self.packed > 0 => Some(
                "weights of 4 bits are smaller, not faster than those of 8: they are widened \
                 when the model is loaded",
            ),
            Mode::Static if self.activation_bits < Bits::EIGHT => Some(
                "activations of fewer than 8 bits are not faster: they are clipped, then \
                 computed as bytes",
            ),
            Mode::Static | Mode::Dynamic => None,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (layers, integer, absorbed) = (self.layers, self.integer, self.absorbed);
        let bits: Vec<_> = self
            .layers_by_bits
            .iter()
            .map(|(bits, layers)| format!("{layers} of {bits} bits"))
            .collect();
        let bits = bits.join(", ");
        match self.mode {
            Mode::Static => writeln!(
                f,
                "{layers} layers ({bits}) and {integer} other operators compute with integers, \
                 activations of {} bits; {absorbed} clips are absorbed",
                self.activation_bits
            )?,
            Mode::Dynamic => writeln!(
                f,
                "{layers} layers ({bits}) compute with integers, ranges found as they run"
            )?,
            Mode::Weights => writeln!(f, "{layers} layers ({bits}) have integer weights")?,
        }
        if self.rounding == Rounding::Hessian {
            writeln!(f, "{} layers were rounded by what they see", self.aware)?;
        }
        if self.equalized > 0 {
            writeln!(f, "{} groups of channels were equalized", self.equalized)?;
        }
        if let Some(decibels) = self.decibels {
            writeln!(f, "{decibels:.1} dB on {} calibration inputs", self.inputs)?;
        }
        if !self.methods.is_empty() {
            let methods = self.methods.iter();
            let methods: Vec<_> = methods
                .map(|(kind, method)| format!("{kind} {method}"))
                .collect();
            writeln!(f, "ranges: {}", methods.join(", "))?;
        }
        for (method, decibels) in &self.tried {
            writeln!(f, "  {method} for all: {decibels:.1} dB")?;
        }
        if let Some(speed) = self.speed() {
            writeln!(f, "{speed}")?;
        }
        for node in &self.float {
            let (operator, name, reason) = (&node.operator, &node.name, node.reason);
            writeln!(f, "  float: {operator} {name} ({reason})")?;
        }
        Ok(())
    }
}
