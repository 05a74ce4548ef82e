//! Brings a float graph into the form that is quantized: constants as initializers, batch
//! normalization folded, nothing that only matters in training.

use std::collections::HashSet;

use crate::{Error, Result};
use noroshi_onnx::prune;
use noroshi_onnx::{AttributeProto, GraphProto, Index, ModelProto, NodeProto, TensorProto, infer};

use super::{fold, upgrade};

/// Oldest operator set in which weights can have a scale for each channel.
const OLDEST_OPSET: i64 = 13;

/// Operators of ONNX that a quantized file is made of already.
const QUANTIZED: [&str; 6] = [
    "QuantizeLinear",
    "DequantizeLinear",
    "QLinearConv",
    "QLinearMatMul",
    "ConvInteger",
    "MatMulInteger",
];

/// A model ready to be quantized.
pub(super) fn prepare(model: &ModelProto) -> Result<ModelProto> {
    model.check()?;
    let mut model = model.clone();
    if let Some(node) = model.graph()?.node.iter().find(|node| is_quantized(node)) {
        let operator = node.operator();
        return Err(Error::Quantize(format!(
            "the model holds {operator}, so it is quantized already; start from the float model"
        )));
    }
    if let Some(node) = model
        .graph()?
        .node
        .iter()
        .find(|n| n.subgraphs().next().is_some())
    {
        let operator = node.operator();
        return Err(Error::Quantize(format!(
            "the model branches or loops ({operator}); export it for inference only"
        )));
    }
    if model.opset()? < OLDEST_OPSET {
        upgrade::upgrade(&mut model, OLDEST_OPSET)?;
    }
    let graph = model.graph_mut()?;
    graph.sort()?;
    constants_to_initializers(graph);
    forget_training(graph);
    means_to_pools(graph)?;
    matmuls_to_gemms(graph)?;
    fold::pads(graph)?;
    fold::normalizations(graph)?;
    prune(graph);
    graph.value_info.clear();
    graph.sort()?;
    name_nodes(graph);
    graph.check()?;
    Ok(model)
}

/// Gives each node a name of its own: layers are told apart by it.
fn name_nodes(graph: &mut GraphProto) {
    let mut known = HashSet::new();
    for node in &mut graph.node {
        if node.name.is_empty() || !known.insert(node.name.clone()) {
            node.name.clone_from(&node.output[0]);
            known.insert(node.name.clone());
        }
    }
}

fn is_quantized(node: &NodeProto) -> bool {
    QUANTIZED.contains(&node.op_type.as_str()) || node.domain == "com.microsoft"
}

fn constants_to_initializers(graph: &mut GraphProto) {
    let mut made = Vec::new();
    graph.node.retain(|node| {
        let tensor = node
            .attribute("value")
            .and_then(|attribute| attribute.t.clone());
        match (node.is("Constant"), tensor) {
            (true, Some(tensor)) => {
                made.push(TensorProto {
                    name: node.output[0].clone(),
                    ..tensor
                });
                false
            }
            _ => true,
        }
    });
    graph.initializer.extend(made);
}

/// Takes out `Identity` and `Dropout`, which change nothing when a network answers.
fn forget_training(graph: &mut GraphProto) {
    let mut place = 0;
    while place < graph.node.len() {
        if is_idle(graph, place) && bypass(graph, place) {
            continue;
        }
        place += 1;
    }
}

fn is_idle(graph: &GraphProto, place: usize) -> bool {
    let node = &graph.node[place];
    let is_read = |name: &String| {
        graph.output.iter().any(|output| output.name == *name)
            || graph.node.iter().any(|node| node.input.contains(name))
    };
    (node.is("Identity") || node.is("Dropout")) && !node.output.iter().skip(1).any(is_read)
}

/// Lets the readers of a node's output read its input instead, and removes the node.
///
/// False, and nothing changed, if both are names that the graph's callers know.
fn bypass(graph: &mut GraphProto, place: usize) -> bool {
    let (input, output) = (
        graph.node[place].input[0].clone(),
        graph.node[place].output[0].clone(),
    );
    let is_output = |name: &str| graph.output.iter().any(|value| value.name == name);
    let made_inside = graph.node.iter().any(|node| node.output.contains(&input));
    let (from, to) = match (is_output(&output), is_output(&input) || !made_inside) {
        (false, _) => (output, input),
        (true, false) => (input, output),
        (true, true) => return false,
    };
    graph.node.remove(place);
    for node in &mut graph.node {
        for name in node.input.iter_mut().chain(&mut node.output) {
            if *name == from {
                name.clone_from(&to);
            }
        }
    }
    true
}

/// Makes a mean over the pixels what it is: a pool, for which there are integer kernels.
fn means_to_pools(graph: &mut GraphProto) -> Result<()> {
    let shapes = infer(graph)?;
    let initializers = graph.initializer.clone();
    for node in graph.node.iter_mut().filter(|node| node.is("ReduceMean")) {
        let axes = match (node.ints("axes"), node.input(1)) {
            (Some(axes), _) => axes.to_vec(),
            (None, Some(name)) => match initializers.iter().find(|tensor| tensor.name == name) {
                Some(tensor) => tensor.to_i64()?,
                None => continue,
            },
            (None, None) => continue,
        };
        let rank = node
            .input(0)
            .and_then(|name| shapes.of(name))
            .map_or(0, <[usize]>::len);
        let keeps = node.int("keepdims").unwrap_or(1) != 0;
        if rank == 4 && keeps && (axes == [2, 3] || axes == [-2, -1] || axes == [-1, -2]) {
            *node = NodeProto {
                op_type: "GlobalAveragePool".into(),
                input: vec![node.input[0].clone()],
                attribute: Vec::new(),
                ..node.clone()
            };
        }
    }
    Ok(())
}

/// Joins `MatMul` with a constant and the `Add` of a bias behind it.
fn matmuls_to_gemms(graph: &mut GraphProto) -> Result<()> {
    let shapes = infer(graph)?;
    let index = Index::new(graph);
    let mut changes = Vec::new();
    for (place, node) in graph
        .node
        .iter()
        .enumerate()
        .filter(|(_, node)| node.is("MatMul"))
    {
        let weight = node.input(1).and_then(|name| index.initializer(name));
        let rank = node
            .input(0)
            .and_then(|name| shapes.of(name))
            .map(<[usize]>::len);
        let (Some(weight), Some(2)) = (weight, rank) else {
            continue;
        };
        let (Some(&outputs), 2) = (weight.shape()?.get(1), weight.dims.len()) else {
            continue;
        };
        let reader = index
            .only_reader(&node.output[0])
            .filter(|&r| graph.node[r].is("Add"));
        let bias = reader.and_then(|reader| {
            let names = graph.node[reader].input.iter();
            let mut biases = names.filter(|name| **name != node.output[0]);
            biases.find(|name| {
                index
                    .initializer(name)
                    .is_some_and(|bias| bias.dims == [outputs as i64])
            })
        });
        changes.push((place, reader.zip(bias.cloned())));
    }
    let mut gone = Vec::new();
    for (place, add) in changes {
        let mut inputs = graph.node[place].input.clone();
        let mut output = graph.node[place].output[0].clone();
        if let Some((adder, bias)) = add {
            inputs.push(bias);
            output.clone_from(&graph.node[adder].output[0]);
            gone.push(adder);
        }
        let inputs = inputs.iter().map(String::as_str);
        let not_transposed = vec![AttributeProto::int("transB", 0)];
        graph.node[place] = NodeProto::new("Gemm", inputs, &output, not_transposed);
    }
    remove_nodes(graph, &gone);
    Ok(())
}

/// Removes the nodes at `places`.
pub(super) fn remove_nodes(graph: &mut GraphProto, places: &[usize]) {
    let mut place = 0;
    graph.node.retain(|_| {
        place += 1;
        !places.contains(&(place - 1))
    });
}
