//! Parameters and multiplications of each node.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use crate::Result;
use noroshi_onnx::{DataType, GraphProto, Index, NodeProto, Shapes, TensorProto};

/// A node with parameters or multiplications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// The node's name.
    pub name: String,
    /// Its operator.
    pub operator: String,
    /// The dimensions of its output; empty if unknown.
    pub output: Vec<usize>,
    /// Learned numbers, each counted at its first use.
    pub parameters: u64,
    /// Bytes that those numbers take.
    pub weight_bytes: u64,
    /// Bytes of its output.
    pub output_bytes: u64,
    /// Multiplications with an addition each.
    pub macs: u64,
}

/// The sums over a graph.
#[derive(Debug, Default)]
pub(super) struct Costs {
    pub(super) parameters: u64,
    pub(super) folded_parameters: u64,
    pub(super) macs: u64,
    pub(super) other_macs: u64,
    pub(super) layers: Vec<Layer>,
}

/// Counts parameters and multiplications, node by node.
pub(super) fn count(
    graph: &GraphProto,
    constants: &BTreeMap<&str, &TensorProto>,
    shapes: &Shapes,
) -> Result<Costs> {
    let index = Index::new(graph);
    let sources = sources(graph, constants);
    let mut counted = HashSet::new();
    let mut costs = Costs::default();
    let mut saved = 0;
    let mut seen_inside = HashSet::new();
    for node in &graph.node {
        let (mut parameters, mut weight_bytes) = (0, 0);
        for name in learned(node) {
            let source = sources.get(name).copied().unwrap_or(name);
            let tensor = constants
                .get(source)
                .filter(|tensor| is_learned(node, tensor));
            if let Some(tensor) = tensor
                && counted.insert(source)
            {
                parameters += tensor.elements()? as u64;
                weight_bytes += tensor.byte_len()?;
            }
        }
        let macs = macs(node, shapes).unwrap_or(0);
        saved += folding_saves(node, graph, &index, shapes);
        let inside = inside(node, &mut seen_inside)?;
        parameters += inside.0;
        weight_bytes += inside.1;
        costs.parameters += parameters;
        let total = match node.op_type.as_str() {
            "Conv" | "ConvInteger" | "QLinearConv" | "Gemm" => &mut costs.macs,
            _ => &mut costs.other_macs,
        };
        *total = total.saturating_add(macs);
        if parameters > 0 || macs > 0 {
            let output = node.output.first();
            let sizes = output.and_then(|name| shapes.of(name));
            costs.layers.push(Layer {
                name: node.name.clone(),
                operator: node.operator(),
                output: sizes.unwrap_or_default().to_vec(),
                parameters,
                weight_bytes,
                output_bytes: output.and_then(|name| shapes.bytes(name)).unwrap_or(0),
                macs,
            });
        }
    }
    costs.folded_parameters = costs.parameters.saturating_sub(saved);
    Ok(costs)
}

/// Values that are constants seen through a `DequantizeLinear` or the like.
fn sources<'a>(
    graph: &'a GraphProto,
    constants: &BTreeMap<&'a str, &TensorProto>,
) -> HashMap<&'a str, &'a str> {
    let through = |node: &&NodeProto| {
        ["DequantizeLinear", "QuantizeLinear", "Identity", "Cast"].contains(&node.op_type.as_str())
    };
    let mut sources: HashMap<&str, &str> = HashMap::new();
    for node in graph.node.iter().filter(through) {
        let (Some(input), Some(output)) = (node.input(0), node.output.first()) else {
            continue;
        };
        let source = sources.get(input).copied().unwrap_or(input);
        if constants.contains_key(source) {
            sources.insert(output, source);
        }
    }
    sources
}

/// The inputs of a node that can be learned numbers.
fn learned(node: &NodeProto) -> Vec<&str> {
    let places: &[usize] = match node.op_type.as_str() {
        "BatchNormalization" | "InstanceNormalization" | "LayerNormalization" => &[1, 2],
        "QLinearConv" => &[3, 8],
        "QLinearMatMul" => &[0, 3],
        "Conv" | "ConvTranspose" | "ConvInteger" | "Gemm" | "PRelu" => &[1, 2],
        "MatMul" | "MatMulInteger" | "Add" | "Sub" | "Mul" | "Div" => &[0, 1],
        "LSTM" | "GRU" | "RNN" => &[1, 2, 3],
        "Gather" => &[0],
        _ if !node.is_standard() => &[0, 1, 2, 3, 4, 5, 6, 7, 8],
        _ => &[],
    };
    places
        .iter()
        .filter_map(|&place| node.input(place))
        .collect()
}

/// Whether a constant is learned rather than a setting, such as an index or a single factor.
fn is_learned(node: &NodeProto, tensor: &TensorProto) -> bool {
    let arithmetic = ["Add", "Sub", "Mul", "Div"].contains(&node.op_type.as_str());
    let single = tensor.dims.iter().all(|&dim| dim == 1);
    let number = match DataType::from_number(tensor.data_type) {
        Some(DataType::I64 | DataType::Bool | DataType::Text) | None => false,
        Some(DataType::I32) => !arithmetic && node.op_type != "Gather",
        Some(_) => true,
    };
    number && !(single && (arithmetic || node.op_type == "Gather"))
}

fn macs(node: &NodeProto, shapes: &Shapes) -> Option<u64> {
    let of = |place: usize| node.input(place).and_then(|name| shapes.of(name));
    let product = |sizes: &[usize]| {
        sizes
            .iter()
            .try_fold(1u64, |product, &size| product.checked_mul(size as u64))
    };
    let output = product(shapes.of(node.output.first()?)?)?;
    let per_output = match node.op_type.as_str() {
        "Conv" | "ConvInteger" => product(of(1)?.get(1..)?)?,
        "QLinearConv" => product(of(3)?.get(1..)?)?,
        "Gemm" => {
            let transposed = node.int("transB").unwrap_or(0) != 0;
            *of(1)?.get(usize::from(transposed))? as u64
        }
        "MatMul" | "MatMulInteger" | "QLinearMatMul" => *of(0)?.last()? as u64,
        // Every input pixel meets every weight of its channel.
        "ConvTranspose" => {
            let input = product(of(0)?)?;
            return input.checked_mul(product(of(1)?.get(1..)?)?);
        }
        // Every step and sample meets all weights.
        "LSTM" | "GRU" | "RNN" => {
            let steps = product(of(0)?.get(..2)?)?;
            return steps.checked_mul(product(of(1)?)?.checked_add(product(of(2)?)?)?);
        }
        _ => return None,
    };
    output.checked_mul(per_output)
}

/// Learned numbers and their bytes in the graphs inside a node, each tensor counted once.
fn inside<'a>(node: &'a NodeProto, seen: &mut HashSet<*const TensorProto>) -> Result<(u64, u64)> {
    let (mut parameters, mut bytes) = (0, 0);
    for graph in node.subgraphs() {
        let constants = super::constants(graph);
        let sources = sources(graph, &constants);
        for inner in &graph.node {
            for name in learned(inner) {
                let source = sources.get(name).copied().unwrap_or(name);
                let tensor: Option<&&'a TensorProto> = constants
                    .get(source)
                    .filter(|tensor| is_learned(inner, tensor));
                if let Some(tensor) = tensor
                    && seen.insert(std::ptr::from_ref(*tensor))
                {
                    parameters += tensor.elements()? as u64;
                    bytes += tensor.byte_len()?;
                }
            }
            let deeper = self::inside(inner, seen)?;
            parameters += deeper.0;
            bytes += deeper.1;
        }
    }
    Ok((parameters, bytes))
}

/// How many parameters fewer there are once this batch normalization is folded.
fn folding_saves(node: &NodeProto, graph: &GraphProto, index: &Index<'_>, shapes: &Shapes) -> u64 {
    let maker = node
        .input(0)
        .and_then(|name| index.maker(name))
        .map(|maker| &graph.node[maker]);
    let (true, Some(maker)) = (node.is("BatchNormalization"), maker) else {
        return 0;
    };
    let alone = node
        .input(0)
        .is_some_and(|name| index.only_reader(name).is_some());
    let foldable = maker.is("Conv") || maker.is("Gemm");
    let channels = node
        .input(1)
        .and_then(|name| shapes.count(name))
        .unwrap_or(0) as u64;
    match (alone && foldable, maker.input(2)) {
        (false, _) => 0,
        (true, Some(_)) => 2 * channels,
        (true, None) => channels,
    }
}
