//! Writes the quantized graph: every integer value between a `QuantizeLinear` and a
//! `DequantizeLinear`, which ONNX Runtime turns into integer kernels.
//!
//! Activations of fewer than 8 bits are clipped before they are rounded. Weights of at most 4 bits
//! lie two to a byte and a `Cast` widens them, which ONNX Runtime does once, when it loads.

use std::collections::{HashMap, HashSet};

use super::bits::Bits;
use super::plan::{Plan, Role};
use super::range::Scale;
use super::weights::Quantized;
use crate::Result;
use noroshi_onnx::prune;
use noroshi_onnx::{AttributeProto, DataType, GraphProto, NodeProto, TensorProto};

/// The integers of one layer.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) weight: Quantized,
    pub(super) shape: Vec<usize>,
    /// The axis of the output channels.
    pub(super) axis: usize,
    pub(super) bits: Bits,
    /// 32-bit biases with the step of each, if the layer has biases.
    pub(super) bias: Option<(Vec<i32>, Vec<f32>)>,
}

/// What the emitter is given.
pub(super) struct Emission<'a> {
    /// The prepared float graph, in order.
    pub(super) graph: &'a GraphProto,
    pub(super) plan: &'a Plan,
    /// The scale of each value that has one of its own.
    pub(super) scales: &'a HashMap<String, Scale>,
    /// The layers by the place of their node.
    pub(super) layers: &'a HashMap<usize, Layer>,
    /// Whether weights of few bits lie two to a byte.
    pub(super) packs: bool,
}

/// The quantized graph.
pub(super) fn emit(emission: &Emission<'_>) -> Result<GraphProto> {
    let mut writer = Writer {
        emission,
        graph: GraphProto {
            node: Vec::new(),
            ..emission.graph.clone()
        },
        outputs: emission
            .graph
            .output
            .iter()
            .map(|output| output.name.as_str())
            .collect(),
        rounded: HashSet::new(),
    };
    for (place, node) in emission.graph.node.iter().enumerate() {
        match &emission.plan.roles[place] {
            Role::Absorbed => {}
            Role::Float(_) => writer.float(node),
            Role::Integer => writer.integer(place, node, None),
            Role::Weighted { .. } => {
                let layer = &emission.layers[&place];
                writer.integer(place, node, Some(layer));
            }
        }
    }
    let mut graph = writer.graph;
    prune(&mut graph);
    graph.sort()?;
    graph.check()?;
    Ok(graph)
}

struct Writer<'a> {
    emission: &'a Emission<'a>,
    graph: GraphProto,
    outputs: HashSet<&'a str>,
    /// Values that have their pair of nodes already.
    rounded: HashSet<String>,
}

impl Writer<'_> {
    /// A node that stays float: it reads what integer kernels made through the pair.
    fn float(&mut self, node: &NodeProto) {
        let mut node = node.clone();
        for name in &mut node.input {
            if self.emission.plan.made.contains(name.as_str()) {
                *name = self.restored(name);
            }
        }
        self.graph.node.push(node);
    }

    fn integer(&mut self, place: usize, node: &NodeProto, layer: Option<&Layer>) {
        let plan = self.emission.plan;
        let mut made = node.clone();
        for name in &mut made.input {
            if plan.scaled_as.contains_key(name.as_str()) {
                self.round(&name.clone());
                *name = self.restored(name);
            }
        }
        if let Some(layer) = layer {
            self.weigh(&mut made, layer);
        }
        let output = plan.output(place, node);
        if plan.made.contains(output) {
            made.output[0] = self.unrounded(output);
        }
        self.graph.node.push(made);
        if plan.made.contains(output) {
            self.round(output);
        }
    }

    /// The name of a value before it is rounded.
    fn unrounded(&self, name: &str) -> String {
        if self.outputs.contains(name) {
            format!("{name}.unrounded")
        } else {
            name.to_owned()
        }
    }

    /// The name of a value after it was rounded, as a float again.
    fn restored(&self, name: &str) -> String {
        if self.outputs.contains(name) && self.emission.plan.made.contains(name) {
            name.to_owned()
        } else {
            format!("{name}.restored")
        }
    }

    /// Writes the pair of nodes for `name`, once.
    fn round(&mut self, name: &str) {
        if !self.rounded.insert(name.to_owned()) {
            return;
        }
        let root = &self.emission.plan.scaled_as[name];
        let (scale, zero) = (format!("{root}.scale"), format!("{root}.zero"));
        if self.graph.initializer(&scale).is_none() {
            let Scale {
                scale: step,
                zero_point,
                ..
            } = self.emission.scales[root];
            self.graph
                .initializer
                .push(TensorProto::new(&scale, &[], &[step]));
            self.graph
                .initializer
                .push(TensorProto::new(&zero, &[], &[zero_point]));
        }
        // A float value that integer kernels read keeps its name.
        let made = self.emission.plan.made.contains(name);
        let from = if made {
            self.unrounded(name)
        } else {
            name.to_owned()
        };
        let from = self.clipped(root, name, from);
        let to = self.restored(name);
        let quantized = format!("{name}.quantized");
        let pair = |op, from: &str, to: &str| NodeProto::new(op, [from, &scale, &zero], to, vec![]);
        self.graph
            .node
            .push(pair("QuantizeLinear", &from, &quantized));
        self.graph
            .node
            .push(pair("DequantizeLinear", &quantized, &to));
    }

    /// The value that is rounded: within the levels, where they are not all of a byte's.
    fn clipped(&mut self, root: &str, name: &str, from: String) -> String {
        let scale = self.emission.scales[root];
        if scale.highest == u8::MAX {
            return from;
        }
        let (low, high) = scale.ends();
        let bounds = [format!("{root}.low"), format!("{root}.high")];
        if self.graph.initializer(&bounds[0]).is_none() {
            for (bound, value) in bounds.iter().zip([low, high]) {
                let bound = TensorProto::new(bound, &[], &[value]);
                self.graph.initializer.push(bound);
            }
        }
        let to = format!("{name}.clipped.to.levels");
        let inputs = [from.as_str(), &bounds[0], &bounds[1]];
        self.graph
            .node
            .push(NodeProto::new("Clip", inputs, &to, vec![]));
        to
    }

    /// Gives a layer its integer weights and biases.
    fn weigh(&mut self, node: &mut NodeProto, layer: &Layer) {
        let base = node.output[0].clone();
        let rows = layer.shape[layer.axis];
        let scales = &layer.weight.scales;
        let shared = scales.len() < rows;
        let of = if shared { vec![] } else { vec![rows] };
        let axis = (!shared).then_some(layer.axis as i64);
        let steps = TensorProto::new("", &of, scales);
        let zeros = TensorProto::new("", &of, &vec![0i8; scales.len()]);
        let weight = format!("{base}.weight");
        let levels = TensorProto::new("", &layer.shape, &layer.weight.levels);
        let packs = self.emission.packs && layer.bits.packs();
        let levels = if packs {
            TensorProto::of_halves("", &layer.shape, &layer.weight.levels)
        } else {
            levels
        };
        self.constant(&weight, levels, steps, Some(zeros), axis);
        node.input.truncate(1);
        node.input.push(format!("{weight}.restored"));
        if let Some((levels, steps)) = &layer.bias {
            let bias = format!("{base}.bias");
            let levels = TensorProto::new("", &[levels.len()], levels);
            let steps = &steps[..of.first().copied().unwrap_or(1)];
            let steps = TensorProto::new("", &of, steps);
            self.constant(&bias, levels, steps, None, (!shared).then_some(0));
            node.input.push(format!("{bias}.restored"));
        }
    }

    fn constant(
        &mut self,
        base: &str,
        levels: TensorProto,
        steps: TensorProto,
        zeros: Option<TensorProto>,
        axis: Option<i64>,
    ) {
        let narrow = levels.data_type == DataType::I4 as i32;
        let parts = [
            ("levels", Some(levels)),
            ("steps", Some(steps)),
            ("zeros", zeros),
        ];
        let mut inputs = Vec::new();
        for (part, tensor) in parts {
            if let Some(tensor) = tensor {
                let name = format!("{base}.{part}");
                inputs.push(name.clone());
                self.graph.initializer.push(TensorProto { name, ..tensor });
            }
        }
        if narrow {
            let wide = format!("{base}.wide");
            let to = vec![AttributeProto::int("to", DataType::I8 as i64)];
            let cast = NodeProto::new("Cast", [inputs[0].as_str()], &wide, to);
            self.graph.node.push(cast);
            inputs[0] = wide;
        }
        let output = format!("{base}.restored");
        let axis = axis.map(|axis| AttributeProto::int("axis", axis));
        let axis = axis.into_iter().collect();
        let inputs = inputs.iter().map(String::as_str);
        self.graph
            .node
            .push(NodeProto::new("DequantizeLinear", inputs, &output, axis));
    }
}
