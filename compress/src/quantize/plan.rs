//! Decides which nodes compute with integers and which values are 8-bit.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::fold::is_plain_gemm;
use crate::Result;
use noroshi_onnx::{DataType, GraphProto, Index, NodeProto, TensorProto};

/// Operators that move values without changing them: their output has their input's scale.
const MOVING: [&str; 6] = [
    "MaxPool",
    "Reshape",
    "Flatten",
    "Transpose",
    "Squeeze",
    "Unsqueeze",
];

/// Operators with integer kernels whose output has a scale of its own.
const RESCALING: [&str; 7] = [
    "Add",
    "Mul",
    "GlobalAveragePool",
    "AveragePool",
    "Concat",
    "Sigmoid",
    "LeakyRelu",
];

/// What becomes of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    /// A `Conv` or `Gemm` with constant 8-bit weights.
    Weighted {
        /// Whether its output is 8-bit too, rather than float.
        rounds: bool,
    },
    /// Computes 8-bit values from 8-bit values.
    Integer,
    /// A clip that the rounding before it does already.
    Absorbed,
    /// Stays as it is.
    Float(&'static str),
}

/// The bound that an absorbed clip puts on a value; its lower end is zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Clipped {
    /// The upper end, infinite for a ReLU.
    pub(super) high: f32,
}

/// What becomes of a graph.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// For each node, in the graph's order.
    pub(super) roles: Vec<Role>,
    /// For each 8-bit value the value whose scale it has, often itself.
    pub(super) scaled_as: HashMap<String, String>,
    /// The values that have a scale of their own, with the clip that they absorbed.
    pub(super) scales: BTreeMap<String, Option<Clipped>>,
    /// For each node that absorbed a clip, the name of the clip's output.
    pub(super) outputs: HashMap<usize, String>,
    /// The 8-bit values that nodes with integer kernels make.
    pub(super) made: BTreeSet<String>,
}

impl Plan {
    /// Plans `graph`, whose nodes are in order; nodes named in `keep_float` stay as they are.
    pub(super) fn new(graph: &GraphProto, keep_float: &BTreeSet<String>) -> Result<Self> {
        let mut plan = Self {
            roles: vec![Role::Float("no integer kernel"); graph.node.len()],
            ..Self::default()
        };
        let index = Index::new(graph);
        for (place, node) in graph.node.iter().enumerate() {
            if plan.roles[place] == Role::Absorbed {
                continue;
            }
            let role = if keep_float.contains(&node.name) {
                Role::Float("kept in float as asked")
            } else {
                plan.role(node, &index, graph)?
            };
            plan.roles[place] = role;
            plan.mark(place, graph, &index);
        }
        Ok(plan)
    }

    /// The name under which the output of the node at `place` goes on.
    pub(super) fn output<'a>(&'a self, place: usize, node: &'a NodeProto) -> &'a str {
        self.outputs.get(&place).unwrap_or(&node.output[0])
    }

    fn role(&self, node: &NodeProto, index: &Index<'_>, graph: &GraphProto) -> Result<Role> {
        if !node.is_standard() {
            return Ok(Role::Float("not an operator of ONNX itself"));
        }
        if node.is("Conv") || node.is("Gemm") {
            return weighted(node, index, graph);
        }
        let operator = node.op_type.as_str();
        let computes = RESCALING.contains(&operator) || MOVING.contains(&operator);
        if !computes || node.output.len() > 1 && !node.output[1].is_empty() {
            return Ok(Role::Float("no integer kernel"));
        }
        let data = if MOVING.contains(&operator) {
            &node.input[..1]
        } else {
            &node.input[..]
        };
        if data.iter().all(|name| self.scaled_as.contains_key(name)) {
            Ok(Role::Integer)
        } else {
            Ok(Role::Float("its inputs are float"))
        }
    }

    /// Notes which values become 8-bit for the node at `place`.
    fn mark(&mut self, place: usize, graph: &GraphProto, index: &Index<'_>) {
        let node = &graph.node[place];
        let rounds = match self.roles[place] {
            Role::Weighted { rounds } => {
                self.scale(&node.input[0], None);
                rounds
            }
            Role::Integer => true,
            Role::Absorbed | Role::Float(_) => false,
        };
        if !rounds {
            return;
        }
        if MOVING.contains(&node.op_type.as_str()) {
            let root = self.scaled_as[&node.input[0]].clone();
            self.scaled_as.insert(node.output[0].clone(), root);
            self.made.insert(node.output[0].clone());
            return;
        }
        let clip = index
            .only_reader(&node.output[0])
            .and_then(|reader| Some((reader, clip_bound(&graph.node[reader], index)?)));
        let output = match clip {
            None => node.output[0].clone(),
            Some((reader, _)) => {
                self.roles[reader] = Role::Absorbed;
                let output = graph.node[reader].output[0].clone();
                self.outputs.insert(place, output.clone());
                output
            }
        };
        self.scale(&output, clip.map(|(_, bound)| bound));
        self.made.insert(output);
    }

    fn scale(&mut self, name: &str, clipped: Option<Clipped>) {
        if !self.scaled_as.contains_key(name) {
            self.scaled_as.insert(name.to_owned(), name.to_owned());
            self.scales.insert(name.to_owned(), clipped);
        }
    }
}

fn weighted(node: &NodeProto, index: &Index<'_>, graph: &GraphProto) -> Result<Role> {
    let constant = |place: usize| node.input(place).and_then(|name| index.initializer(name));
    let is_float = |tensor: &TensorProto| tensor.data_type == DataType::F32 as i32;
    let Some(weight) = constant(1) else {
        return Ok(Role::Float("its weights are not constant"));
    };
    if !is_float(weight) || weight.elements()? == 0 {
        return Ok(Role::Float("its weights are not 32-bit floats"));
    }
    if node.input(2).is_some() && !constant(2).is_some_and(|b| is_float(b) && b.dims.len() == 1) {
        return Ok(Role::Float("its bias is not constant"));
    }
    if node.is("Gemm") && (!is_plain_gemm(node) || weight.dims.len() != 2) {
        return Ok(Role::Float("it is more than a linear layer"));
    }
    // The integer convolution must round its output; a linear layer need not, and logits that
    // nobody computes with keep their precision.
    let rounds = node.is("Conv") || {
        let readers = index.readers(&node.output[0]);
        readers
            .iter()
            .any(|&reader| goes_on(&graph.node[reader], index))
    };
    Ok(Role::Weighted { rounds })
}

/// Whether a reader may compute with 8-bit values.
fn goes_on(reader: &NodeProto, index: &Index<'_>) -> bool {
    let operator = reader.op_type.as_str();
    matches!(operator, "Conv" | "Gemm" | "Add" | "Mul" | "Concat")
        || MOVING.contains(&operator)
        || clip_bound(reader, index).is_some()
}

/// The bound of a `Relu`, or of a `Clip` from zero up.
fn clip_bound(node: &NodeProto, index: &Index<'_>) -> Option<Clipped> {
    if node.is("Relu") {
        return Some(Clipped {
            high: f32::INFINITY,
        });
    }
    if !node.is("Clip") {
        return None;
    }
    let bound = |place: usize, unbounded: f32| match node.input(place) {
        None => Some(unbounded),
        Some(name) => index.initializer(name)?.to_f32().ok()?.first().copied(),
    };
    let (low, high) = (bound(1, f32::NEG_INFINITY)?, bound(2, f32::INFINITY)?);
    (low == 0.0 && high > 0.0).then_some(Clipped { high })
}
