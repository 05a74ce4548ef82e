//! Brings a model of an older operator set to a newer one, for the operators of image networks.

use crate::{Error, Result};
use noroshi_onnx::{DataType, ModelProto, NodeProto, TensorProto};

/// Oldest operator set that is brought up.
const OLDEST: i64 = 9;

/// Operators that mean the same in all sets from [`OLDEST`] to [`NARROW_OPSET`], as far as an
/// attribute of theirs that came later has its old meaning when it is absent.
const STEADY: [&str; 35] = [
    "Conv",
    "Gemm",
    "MatMul",
    "Relu",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "AveragePool",
    "MaxPool",
    "BatchNormalization",
    "Flatten",
    "Reshape",
    "Transpose",
    "Concat",
    "Identity",
    "Sigmoid",
    "HardSigmoid",
    "LeakyRelu",
    "PRelu",
    "Elu",
    "Tanh",
    "Shape",
    "Gather",
    "Constant",
    "Cast",
    "ConvTranspose",
    "Exp",
    "Sqrt",
    "Pow",
    "LRN",
    "Slice",
    "Neg",
];

/// One that means the same in all sets from [`OLDEST`] to 13 only.
const STEADY_TO_13: &str = "ReduceMean";

/// Those that mean the same from 13 to [`NARROW_OPSET`] only.
const STEADY_FROM_13: [&str; 10] = [
    "HardSwish",
    "Clip",
    "Squeeze",
    "Unsqueeze",
    "Dropout",
    "Softmax",
    "LogSoftmax",
    "Erf",
    "Pad",
    "InstanceNormalization",
];

/// The operator set since which 4-bit integers may be cast and restored by blocks.
pub(super) const NARROW_OPSET: i64 = 21;

/// The version of the format to which that set belongs.
const NARROW_IR: i64 = 10;

fn keeps_from_13(operator: &str) -> bool {
    STEADY.contains(&operator) || STEADY_FROM_13.contains(&operator)
}

/// Declares `model`, of set 13 or newer, to be of set `target`, or names the operator that stands
/// in the way; then nothing is changed.
pub(super) fn raise(model: &mut ModelProto, target: i64) -> Result<()> {
    if model.opset()? < target {
        let graph = model.graph()?;
        let changed = graph
            .node
            .iter()
            .find(|node| node.is_standard() && !keeps_from_13(&node.op_type));
        if let Some(node) = changed {
            return Err(Error::Quantize(format!(
                "4-bit weights need opset {target}, and the meaning of {} may have changed up to \
                 there; export the model again with opset {target} or newer",
                node.operator()
            )));
        }
        let sets = model.opset_import.iter_mut();
        sets.filter(|set| set.domain.is_empty())
            .for_each(|set| set.version = target);
    }
    model.ir_version = model.ir_version.max(NARROW_IR);
    Ok(())
}

/// Rewrites `model` for operator set `target`, or names the operator that stands in the way.
pub(super) fn upgrade(model: &mut ModelProto, target: i64) -> Result<()> {
    let from = model.opset()?;
    if from < OLDEST {
        return Err(Error::Quantize(format!(
            "the model is of opset {from}; export it again with opset {target} or newer"
        )));
    }
    let graph = model.graph_mut()?;
    let mut added = Vec::new();
    for node in graph.node.iter_mut().filter(|node| node.is_standard()) {
        match node.op_type.as_str() {
            "Clip" => bounds_to_inputs(node, &mut added),
            "Pad" => pads_to_inputs(node, &mut added)?,
            "Squeeze" | "Unsqueeze" => axes_to_inputs(node, &mut added),
            "Dropout" => node.attribute.retain(|attribute| attribute.name != "ratio"),
            // Since 13 one axis is normalized, before it was all from that axis on: the same for
            // the last axis, which every classifier uses.
            "Softmax" | "LogSoftmax" if matches!(node.int("axis"), None | Some(-1 | 1)) => {
                node.attribute.retain(|attribute| attribute.name != "axis");
            }
            operator if STEADY.contains(&operator) || operator == STEADY_TO_13 => {}
            operator => {
                return Err(Error::Quantize(format!(
                    "the model is of opset {from} and holds {operator}, whose meaning has \
                     changed; export it again with opset {target} or newer"
                )));
            }
        }
    }
    graph.initializer.extend(added);
    for set in model
        .opset_import
        .iter_mut()
        .filter(|set| set.domain.is_empty())
    {
        set.version = target;
    }
    model.ir_version = model.ir_version.max(7);
    Ok(())
}

fn bounds_to_inputs(node: &mut NodeProto, added: &mut Vec<TensorProto>) {
    for (place, name) in [(1, "min"), (2, "max")] {
        let Some(bound) = node.float(name) else {
            continue;
        };
        let constant = TensorProto::new(format!("{}.{name}", node.output[0]), &[], &[bound]);
        node.input
            .resize(node.input.len().max(place + 1), String::new());
        node.input[place].clone_from(&constant.name);
        added.push(constant);
    }
    node.attribute
        .retain(|attribute| attribute.name != "min" && attribute.name != "max");
}

fn pads_to_inputs(node: &mut NodeProto, added: &mut Vec<TensorProto>) -> Result<()> {
    let Some(pads) = node.ints("pads").map(<[i64]>::to_vec) else {
        return Ok(());
    };
    let value = node.float("value").unwrap_or(0.0);
    let output = node.output.first().cloned().unwrap_or_default();
    let pads = TensorProto::new(format!("{output}.pads"), &[pads.len()], &pads);
    let value = TensorProto::new(format!("{output}.value"), &[], &[value]);
    if pads.element()? != DataType::I64 || node.input.len() > 1 {
        return Ok(());
    }
    node.input.extend([pads.name.clone(), value.name.clone()]);
    node.attribute.retain(|attribute| attribute.name == "mode");
    added.extend([pads, value]);
    Ok(())
}

fn axes_to_inputs(node: &mut NodeProto, added: &mut Vec<TensorProto>) {
    let Some(axes) = node.ints("axes").map(<[i64]>::to_vec) else {
        return;
    };
    let axes = TensorProto::new(format!("{}.axes", node.output[0]), &[axes.len()], &axes);
    node.attribute.clear();
    node.input.truncate(1);
    node.input.push(axes.name.clone());
    added.push(axes);
}
