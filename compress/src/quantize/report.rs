//! What a quantization did, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::plan::{Plan, Role};
use super::range::{Method, Scale};
use super::search::Candidate;
use noroshi_onnx::GraphProto;

/// What a quantization did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The method whose ranges were kept for each kind of activation: clipped, linear, other.
    pub methods: Vec<(&'static str, Method)>,
    /// Signal-to-noise ratio of the outputs on calibration inputs, in decibels.
    pub decibels: f64,
    /// The same for each method that was tried for all activations.
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

impl Report {
    pub(super) fn new(
        graph: &GraphProto,
        plan: &Plan,
        best: &Candidate,
        tried: Vec<(Method, f64)>,
        inputs: usize,
    ) -> Self {
        let count = |wanted: fn(&Role) -> bool| {
            let roles = plan.roles.iter();
            roles.filter(|role| wanted(role)).count()
        };
        let roles = graph.node.iter().zip(&plan.roles);
        let float = roles.filter_map(|(node, role)| match role {
            Role::Float(reason) => Some(FloatNode {
                name: node.name.clone(),
                operator: node.operator(),
                reason,
            }),
            _ => None,
        });
        Self {
            methods: best.methods(),
            decibels: best.decibels,
            tried,
            inputs,
            layers: count(|role| matches!(role, Role::Weighted { .. })),
            integer: count(|role| *role == Role::Integer),
            absorbed: count(|role| *role == Role::Absorbed),
            float: float.collect(),
            scales: best.scales.clone().into_iter().collect(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (layers, integer, absorbed) = (self.layers, self.integer, self.absorbed);
        let (decibels, inputs) = (self.decibels, self.inputs);
        writeln!(
            f,
            "{layers} layers and {integer} other operators compute with 8-bit integers, \
             {absorbed} clips are absorbed"
        )?;
        writeln!(f, "{decibels:.1} dB on {inputs} calibration inputs")?;
        let methods = self.methods.iter();
        let methods: Vec<_> = methods
            .map(|(kind, method)| format!("{kind} {method}"))
            .collect();
        writeln!(f, "ranges: {}", methods.join(", "))?;
        for (method, decibels) in &self.tried {
            writeln!(f, "  {method} for all: {decibels:.1} dB")?;
        }
        for node in &self.float {
            let (operator, name, reason) = (&node.operator, &node.name, node.reason);
            writeln!(f, "  float: {operator} {name} ({reason})")?;
        }
        Ok(())
    }
}
