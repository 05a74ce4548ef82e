//! Integer layers whose inputs are rounded to a range found as the model runs: nothing to
//! calibrate, and a little time for each input to look at it.
//!
//! `DynamicQuantizeLinear` gives the input's levels, `MatMulInteger` and `ConvInteger` the sums,
//! which are scaled back to floats; ONNX Runtime fuses these into one kernel where it has one.

use std::collections::{BTreeSet, HashSet};

use noroshi_engine::Tensor;
use noroshi_onnx::{
    AttributeProto, DataType, GraphProto, ModelProto, NodeProto, TensorProto, prune,
};

use super::bits::{Bits, Granularity};
use super::layers::{Float, transposed};
use super::plan::{Plan, Role};
use super::study::float;
use super::{Options, Progress, Quantized, blocks, upgrade};
use crate::{Error, Result};

/// Quantizes the layers of `model`; with `inputs` their errors are measured, and weights may be
/// rounded by what the layers see.
pub(super) fn quantize(
    model: &ModelProto,
    inputs: &[Tensor],
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Quantized> {
    if options.activation_bits < Bits::EIGHT {
        return Err(Error::Quantize(
            "ranges found as the model runs have 8 bits; fewer need calibration: use the mode static"
                .into(),
        ));
    }
    let (prepared, equalized) = float(model, options)?;
    let (plan, layers) = blocks::read(&prepared, inputs, options, progress)?;
    let mut made = prepared.clone();
    let narrow = layers.iter().any(|layer| layer.steps.bits.packs());
    let packs = narrow && upgrade::raise(&mut made, upgrade::NARROW_OPSET).is_ok();
    let nodes = std::mem::take(&mut made.graph_mut()?.node);
    let mut writer = Writer {
        graph: made.graph_mut()?,
        looked_at: HashSet::new(),
        packs,
    };
    for (place, node) in nodes.into_iter().enumerate() {
        match layers.iter().find(|layer| layer.place() == place) {
            Some(layer) => writer.layer(&node, layer),
            None => writer.graph.node.push(node),
        }
    }
    let aware = layers.iter().filter(|layer| layer.is_aware()).count();
    blocks::finish(&prepared, made, &plan, inputs, options, equalized, aware)
}

/// The plan of a mode in which only layers with weights change.
pub(super) fn plan(graph: &GraphProto, keep_float: &BTreeSet<String>) -> Result<Plan> {
    let mut plan = Plan::new(graph, keep_float)?;
    for role in &mut plan.roles {
        if matches!(role, Role::Integer | Role::Absorbed) {
            *role = Role::Float("only layers with weights change");
        }
    }
    Ok(plan)
}

struct Writer<'a> {
    graph: &'a mut GraphProto,
    /// Values whose levels are there already.
    looked_at: HashSet<String>,
    packs: bool,
}

impl Writer<'_> {
    fn layer(&mut self, node: &NodeProto, layer: &Float) {
        let input = &node.input[0];
        let output = &node.output[0];
        let parts = ["levels", "step", "zero"].map(|part| format!("{input}.{part}"));
        if self.looked_at.insert(input.clone()) {
            self.graph.node.push(NodeProto {
                output: parts.to_vec(),
                ..NodeProto::new("DynamicQuantizeLinear", [input.as_str()], &parts[0], vec![])
            });
        }
        let [levels, step, zero] = parts;
        let weight = self.weight(node, layer);
        let (operator, attributes) = if node.is("Conv") {
            ("ConvInteger", node.attribute.clone())
        } else {
            ("MatMulInteger", vec![])
        };
        let name = |part: &str| format!("{output}.found.{part}");
        let sums = [levels.as_str(), &weight, &zero];
        self.push(operator, &sums, &name("sums"), attributes);
        let to = vec![AttributeProto::int("to", DataType::F32 as i64)];
        self.push("Cast", &[&name("sums")], &name("sums.float"), to);
        self.push("Mul", &[&step, &name("steps")], &name("step"), vec![]);
        let scaled = if layer.bias.is_some() {
            name("scaled")
        } else {
            output.clone()
        };
        let factors = [name("sums.float"), name("step")];
        self.push("Mul", &[&factors[0], &factors[1]], &scaled, vec![]);
        let dims = |count: usize| match (node.is("Conv"), count) {
            (_, 1) => vec![],
            (true, count) => [vec![count], vec![1; layer.shape.len() - 2]].concat(),
            (false, count) => vec![count],
        };
        let steps = match layer.steps.granularity {
            Granularity::Channel => layer.scales.as_slice(),
            Granularity::Tensor => &layer.scales[..1],
        };
        let steps = TensorProto::new(name("steps"), &dims(steps.len()), steps);
        self.graph.initializer.push(steps);
        if let Some(bias) = &layer.bias {
            let tensor = TensorProto::new(name("bias"), &dims(bias.len()), bias);
            self.graph.initializer.push(tensor);
            self.push("Add", &[&scaled, &name("bias")], output, vec![]);
        }
    }

    /// The name of the layer's weight, in the order that its integer operator reads.
    fn weight(&mut self, node: &NodeProto, layer: &Float) -> String {
        let name = format!("{}.weight.levels", node.output[0]);
        let (levels, shape) = if node.is("Conv") {
            (layer.levels.clone(), layer.shape.clone())
        } else {
            let rows = layer.weight.rows;
            let columns = layer.levels.len() / rows.max(1);
            (
                transposed(&layer.levels, rows, columns),
                vec![columns, rows],
            )
        };
        if !(self.packs && layer.steps.bits.packs()) {
            let tensor = TensorProto::new(&name, &shape, &levels);
            self.graph.initializer.push(tensor);
            return name;
        }
        self.graph.initializer.push(TensorProto {
            name: name.clone(),
            ..TensorProto::of_halves("", &shape, &levels)
        });
        let wide = format!("{}.weight.wide", node.output[0]);
        let to = vec![AttributeProto::int("to", DataType::I8 as i64)];
        self.push("Cast", &[&name], &wide, to);
        wide
    }

    fn push(&mut self, op: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) {
        let node = NodeProto::new(op, inputs.iter().copied(), output, attributes);
        self.graph.node.push(node);
    }
}

/// Forgets what nothing reads any more and puts the nodes in order.
pub(super) fn tidy(graph: &mut GraphProto) -> Result<()> {
    prune(graph);
    graph.sort()?;
    graph.check()?;
    Ok(())
}
