//! What a model file needs and what it is made of.

mod cost;
mod fit;
mod histogram;
mod memory;
mod table;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use noroshi_model::{ElementType, Precision, Requirements};
use serde::Serialize;

use crate::Result;
pub use cost::Layer;
pub use fit::Fit;
pub use histogram::{WeightHistogram, histograms};
use noroshi_onnx::{
    DataType, GraphProto, ModelProto, NodeProto, Shapes, TensorProto, ValueInfoProto, infer, read,
};
pub(crate) use table::grouped;

/// What was read from a model file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// Bytes of the file, with external data.
    pub bytes: u64,
    /// Version of the ONNX format.
    pub ir: u32,
    /// Version of ONNX's own operators.
    pub opset: u32,
    /// What wrote the file.
    pub producer: String,
    /// What goes in.
    pub inputs: Vec<Value>,
    /// What comes out.
    pub outputs: Vec<Value>,
    /// How often each operator is used; `domain::Name` outside ONNX's own domain.
    pub operators: BTreeMap<String, usize>,
    /// Element types of constants, inputs and outputs.
    pub dtypes: BTreeSet<ElementType>,
    /// Learned numbers: weights, biases, batch-norm scale and shift, no running statistics.
    pub parameters: u64,
    /// The same after batch normalization is folded into the layer before it.
    pub folded_parameters: u64,
    /// Multiplications and additions of `Conv` and `Gemm` for one inference.
    pub macs: u64,
    /// Those of `MatMul`, `ConvTranspose` and recurrent layers, which `macs` leaves out.
    pub other_macs: u64,
    /// The nodes with parameters or multiplications, in order.
    pub layers: Vec<Layer>,
    /// Bytes of all constants.
    pub weight_bytes: u64,
    /// Most bytes of activations alive at one time, by a liveness plan.
    pub peak_activation_bytes: u64,
    /// The node at which they are alive; empty if it is the input.
    pub peak_at: String,
    /// What most of the work, of the weights and of the memory goes into.
    pub dominant: Dominant,
    /// Which engines run the file, and why the others do not.
    pub engines: Vec<Fit>,
    /// Values whose size does not follow from the file; they count as nothing in the figures.
    pub unknown_shapes: usize,
    /// Whether free sizes of the input, other than the batch, were counted as 224.
    pub guessed_sizes: bool,
    /// Nodes inside `If`, `Loop` and the like; their weights are counted, their work is not.
    pub inner_nodes: usize,
    /// The arithmetic that most of the weights are in.
    pub precision: Precision,
}

/// The layer that has most of something.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Share {
    /// The layer's name.
    pub layer: String,
    /// Its operator.
    pub operator: String,
    /// Its share of the whole, 0 to 1.
    pub share: f64,
}

/// The layers that dominate a network.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Dominant {
    /// Most multiplications.
    pub macs: Option<Share>,
    /// Most bytes of weights.
    pub weights: Option<Share>,
    /// The largest output.
    pub output: Option<Share>,
}

/// An input or output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Value {
    /// Its name.
    pub name: String,
    /// Its element type, if it is a tensor of a known one.
    pub element: Option<ElementType>,
    /// Its dimensions; none where any length will do.
    pub shape: Vec<Option<usize>>,
}

/// Reads and inspects the file at `path`.
pub fn inspect_file(path: &Path) -> Result<Inspection> {
    let model = read(path)?;
    let length = std::fs::metadata(path)
        .map_err(crate::Error::file(path))?
        .len();
    let mut seen = inspect(&model)?;
    // External data is counted through the weights, which the file then does not hold.
    seen.bytes = seen.bytes.max(length);
    Ok(seen)
}

/// Inspects a model; its `bytes` are what it takes as one file.
pub fn inspect(model: &ModelProto) -> Result<Inspection> {
    model.check()?;
    let graph = model.graph()?;
    types::check(graph)?;
    let shapes = infer(graph)?;
    let constants = constants(graph);
    let costs = cost::count(graph, &constants, &shapes)?;
    let weight_bytes = weight_bytes(graph)?;
    let mut operators = BTreeMap::new();
    count_operators(graph, &mut operators);
    let (peak_activation_bytes, peak_at) = memory::peak(graph, &shapes)?;
    let dominant = dominant(&costs.layers);
    Ok(Inspection {
        bytes: prost::Message::encoded_len(model) as u64,
        ir: u32::try_from(model.ir_version).unwrap_or(0),
        opset: u32::try_from(model.opset()?).unwrap_or(0),
        producer: format!("{} {}", model.producer_name, model.producer_version)
            .trim()
            .into(),
        inputs: free_inputs(graph),
        outputs: graph.output.iter().map(value).collect(),
        operators,
        dtypes: dtypes(graph, &constants)?,
        parameters: costs.parameters,
        folded_parameters: costs.folded_parameters,
        macs: costs.macs,
        other_macs: costs.other_macs,
        layers: costs.layers,
        weight_bytes,
        peak_activation_bytes,
        peak_at,
        dominant,
        engines: fit::engines(model, graph),
        unknown_shapes: unknown_shapes(graph, &shapes),
        guessed_sizes: shapes.guessed(),
        inner_nodes: graph.node.iter().map(inner_nodes).sum(),
        precision: precision(&constants)?,
    })
}

impl Inspection {
    /// What a device must have to run the file.
    pub fn requirements(&self) -> Requirements {
        Requirements {
            opset: self.opset,
            ir: self.ir,
            operators: self.operators.keys().cloned().collect(),
            dtypes: self.dtypes.clone(),
            peak_memory: self.weight_bytes + self.peak_activation_bytes,
            architectures: BTreeSet::new(),
            cpu_features: BTreeSet::new(),
            target: None,
        }
    }
}

fn dominant(layers: &[Layer]) -> Dominant {
    let most = |of: fn(&Layer) -> u64| {
        let whole: u64 = layers.iter().map(of).sum();
        let layer = layers.iter().rev().max_by_key(|layer| of(layer))?;
        (of(layer) > 0).then(|| Share {
            layer: layer.name.clone(),
            operator: layer.operator.clone(),
            share: of(layer) as f64 / whole as f64,
        })
    };
    Dominant {
        macs: most(|layer| layer.macs),
        weights: most(|layer| layer.weight_bytes),
        output: most(|layer| layer.output_bytes),
    }
}

/// The constants of a graph by the names of their values.
pub(crate) fn constants(graph: &GraphProto) -> BTreeMap<&str, &TensorProto> {
    let inside = graph
        .node
        .iter()
        .filter(|node| node.is("Constant"))
        .filter_map(|node| {
            let tensor = node.attribute("value")?.t.as_ref()?;
            Some((node.output.first()?.as_str(), tensor))
        });
    graph
        .initializer
        .iter()
        .map(|tensor| (tensor.name.as_str(), tensor))
        .chain(inside)
        .collect()
}

/// Bytes of all constants, also of the graphs inside nodes.
fn weight_bytes(graph: &GraphProto) -> Result<u64> {
    let mut bytes = 0u64;
    for tensor in constants(graph).values() {
        bytes = bytes.saturating_add(tensor.byte_len()?);
    }
    for inner in graph.node.iter().flat_map(NodeProto::subgraphs) {
        bytes = bytes.saturating_add(weight_bytes(inner)?);
    }
    Ok(bytes)
}

fn inner_nodes(node: &NodeProto) -> usize {
    let inner = node.subgraphs().flat_map(|graph| &graph.node);
    inner.map(|node| 1 + inner_nodes(node)).sum()
}

/// Adds how often each operator is used in `graph` and inside its nodes.
pub(crate) fn count_operators(graph: &GraphProto, operators: &mut BTreeMap<String, usize>) {
    for node in &graph.node {
        *operators.entry(node.operator()).or_default() += 1;
        for inner in node.subgraphs() {
            count_operators(inner, operators);
        }
    }
}

fn free_inputs(graph: &GraphProto) -> Vec<Value> {
    let free = graph.free_inputs();
    let inputs = graph
        .input
        .iter()
        .filter(|input| free.contains(&input.name.as_str()));
    inputs.map(value).collect()
}

fn value(value: &ValueInfoProto) -> Value {
    let number = value.tensor_type().map(|tensor| tensor.elem_type);
    Value {
        name: value.name.clone(),
        element: number
            .and_then(DataType::from_number)
            .map(DataType::element_type),
        shape: value.dims().unwrap_or_default(),
    }
}

fn dtypes(
    graph: &GraphProto,
    constants: &BTreeMap<&str, &TensorProto>,
) -> Result<BTreeSet<ElementType>> {
    let mut types = BTreeSet::new();
    for tensor in constants.values() {
        types.insert(tensor.element()?.element_type());
    }
    let values = graph.input.iter().chain(&graph.output).map(value);
    types.extend(values.filter_map(|value| value.element));
    Ok(types)
}

fn unknown_shapes(graph: &GraphProto, shapes: &Shapes) -> usize {
    let made = graph.node.iter().flat_map(|node| &node.output);
    made.filter(|name| !name.is_empty() && shapes.of(name).is_none())
        .count()
}

fn precision(constants: &BTreeMap<&str, &TensorProto>) -> Result<Precision> {
    let mut counts = BTreeMap::new();
    for tensor in constants.values() {
        let precision = match tensor.element()? {
            DataType::I8 | DataType::U8 => Precision::Int8,
            DataType::I4 | DataType::U4 => Precision::Int4,
            DataType::F16 | DataType::Bf16 => Precision::Fp16,
            DataType::F32 | DataType::F64 => Precision::Fp32,
            _ => continue,
        };
        *counts.entry(precision).or_insert(0) += tensor.elements()?;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    Ok(most.map_or(Precision::Fp32, |(precision, _)| precision))
}

#[cfg(test)]
mod tests;
