//! Shapes of the values of a graph, as far as they follow from the inputs.
//!
//! Covers the operators of convolutional networks and the integer arithmetic on shapes that
//! exporters leave in a graph. A value whose shape does not follow is left out. A free batch counts
//! as one, other free sizes as [`FREE_SIDE`]; with such a guess, sizes that do not fit are unknown
//! and no fault of the file.

mod layout;
mod selection;
mod spatial;
mod values;

use std::collections::HashMap;

use crate::graph::Index;
use crate::proto::{GraphProto, NodeProto, ValueInfoProto};
use crate::tensor::DataType;
use crate::{Error, Result};

/// What a free size counts as, unless it is the batch.
pub const FREE_SIDE: usize = 224;

/// Most elements that a value may have.
const ELEMENT_LIMIT: usize = 1 << 36;

/// What is known of a graph's values.
#[derive(Debug, Default)]
pub struct Shapes {
    shapes: HashMap<String, Vec<usize>>,
    elements: HashMap<String, DataType>,
    /// Small integer constants, for the shapes that are computed inside the graph.
    integers: HashMap<String, Vec<i64>>,
    /// Small constants of floating-point numbers, such as factors of sizes.
    floats: HashMap<String, Vec<f32>>,
    /// Whether a size was guessed.
    guessed: bool,
}

impl Shapes {
    /// Whether an input has a free size that had to be guessed.
    pub fn guessed(&self) -> bool {
        self.guessed
    }

    /// The dimensions of `name`.
    pub fn of(&self, name: &str) -> Option<&[usize]> {
        self.shapes.get(name).map(Vec::as_slice)
    }

    /// The element type of `name`.
    pub fn element(&self, name: &str) -> Option<DataType> {
        self.elements.get(name).copied()
    }

    /// The number of elements of `name`.
    pub fn count(&self, name: &str) -> Option<usize> {
        self.of(name).map(|shape| shape.iter().product())
    }

    /// Bytes that the value takes in memory.
    pub fn bytes(&self, name: &str) -> Option<u64> {
        let bits = self.element(name).unwrap_or(DataType::F32).bits()?;
        self.count(name)
            .map(|count| (count as u64 * bits).div_ceil(8))
    }

    fn set(&mut self, name: &str, shape: Vec<usize>) -> Result<()> {
        if name.is_empty() {
            return Ok(());
        }
        let elements = shape
            .iter()
            .try_fold(1usize, |product, &dim| product.checked_mul(dim));
        match elements {
            Some(elements) if elements <= ELEMENT_LIMIT && shape.len() <= 32 => {
                self.shapes.insert(name.into(), shape);
                Ok(())
            }
            _ => Err(Error::model(format!(
                "the value {name:?} has impossible sizes {shape:?}"
            ))),
        }
    }

    fn describe(&mut self, value: &ValueInfoProto) -> Result<()> {
        if let Some(tensor) = value.tensor_type()
            && let Some(element) = DataType::from_number(tensor.elem_type)
        {
            self.elements.insert(value.name.clone(), element);
        }
        match value.dims() {
            Some(dims) => {
                let batch = |axis: usize| if axis == 0 { 1 } else { FREE_SIDE };
                let sides = dims.iter().enumerate();
                let dims = sides.map(|(axis, side)| side.unwrap_or(batch(axis)));
                self.set(&value.name, dims.collect())
            }
            None => Ok(()),
        }
    }
}

/// Finds the shapes of all values of `graph` that follow from its inputs and constants.
pub fn infer(graph: &GraphProto) -> Result<Shapes> {
    let mut shapes = Shapes::default();
    for value in &graph.input {
        shapes.describe(value)?;
        let free = value
            .dims()
            .is_some_and(|dims| dims.iter().skip(1).any(Option::is_none));
        shapes.guessed |= free;
    }
    for tensor in &graph.initializer {
        shapes.set(&tensor.name, tensor.shape()?)?;
        if let Some(element) = DataType::from_number(tensor.data_type) {
            shapes.elements.insert(tensor.name.clone(), element);
        }
    }
    let index = Index::new(graph);
    let said: HashMap<&str, &ValueInfoProto> = graph
        .value_info
        .iter()
        .map(|value| (value.name.as_str(), value))
        .collect();
    for place in graph.order()? {
        values::follow(&graph.node[place], &index, &mut shapes);
        node(&graph.node[place], &mut shapes)?;
        // What does not follow is believed, if all its sizes are said.
        for name in &graph.node[place].output {
            if shapes.of(name).is_none()
                && let Some(value) = said.get(name.as_str())
                && value
                    .dims()
                    .is_some_and(|dims| dims.iter().all(Option::is_some))
            {
                shapes.describe(value)?;
            }
        }
    }
    // What the file says fills the gaps, and nothing else.
    for value in graph.value_info.iter().chain(&graph.output) {
        if shapes.of(&value.name).is_none() {
            shapes.describe(value)?;
        }
    }
    Ok(shapes)
}

fn node(node: &NodeProto, shapes: &mut Shapes) -> Result<()> {
    element(node, shapes);
    let Some(output) = node.output.first() else {
        return Ok(());
    };
    if let Some(pieces) = output_shapes(node, shapes) {
        let outputs = node.output.iter().zip(pieces);
        return outputs
            .into_iter()
            .try_for_each(|(name, shape)| shapes.set(name, shape));
    }
    match output_shape(node, shapes) {
        Ok(Some(shape)) => shapes.set(output, shape),
        // The guess does not fit the rest of the file.
        Err(_) if shapes.guessed => Ok(()),
        other => other.map(|_| ()),
    }
}

/// The shapes of all outputs of an operator that has several.
fn output_shapes(node: &NodeProto, shapes: &Shapes) -> Option<Vec<Vec<usize>>> {
    let first = shapes.of(node.input(0)?)?;
    match node.op_type.as_str() {
        "Split" => selection::split(node, first, shapes),
        "LSTM" | "GRU" | "RNN" => selection::recurrent(node, first, shapes),
        _ => None,
    }
}

fn element(node: &NodeProto, shapes: &mut Shapes) {
    let of = |place: usize| node.input(place).and_then(|name| shapes.element(name));
    let element = match node.op_type.as_str() {
        "QuantizeLinear" => of(2).or(Some(DataType::U8)),
        "DequantizeLinear" => of(1).or(Some(DataType::F32)),
        "QLinearConv" | "QLinearMatMul" => of(7),
        "ConvInteger" | "MatMulInteger" => Some(DataType::I32),
        "Shape" | "Size" | "ArgMax" | "ArgMin" => Some(DataType::I64),
        "Equal" | "Greater" | "Less" | "GreaterOrEqual" | "LessOrEqual" => Some(DataType::Bool),
        "Where" => of(1),
        "Cast" => node
            .int("to")
            .and_then(|number| DataType::from_number(number as i32)),
        "Constant" => node
            .attribute("value")
            .and_then(|attribute| attribute.t.as_ref())
            .and_then(|tensor| DataType::from_number(tensor.data_type)),
        _ => of(0),
    };
    if let Some(element) = element {
        let outputs = node.output.iter().filter(|name| !name.is_empty());
        shapes
            .elements
            .extend(outputs.map(|name| (name.clone(), element)));
    }
}

/// Operators whose output has the shape of their first input.
const KEEPING: [&str; 44] = [
    "Relu",
    "Clip",
    "LeakyRelu",
    "PRelu",
    "Elu",
    "Selu",
    "Celu",
    "Sigmoid",
    "HardSigmoid",
    "HardSwish",
    "Tanh",
    "Softmax",
    "LogSoftmax",
    "Softplus",
    "Softsign",
    "Mish",
    "Gelu",
    "Identity",
    "Dropout",
    "BatchNormalization",
    "InstanceNormalization",
    "LayerNormalization",
    "LRN",
    "Cast",
    "Abs",
    "Neg",
    "Exp",
    "Log",
    "Sqrt",
    "Erf",
    "QuantizeLinear",
    "DequantizeLinear",
    "Floor",
    "Ceil",
    "Round",
    "Reciprocal",
    "Not",
    "Sign",
    "Sin",
    "Cos",
    "ThresholdedRelu",
    "GroupNormalization",
    "CumSum",
    "Trilu",
];

/// Operators that stretch their inputs to a common shape.
const BROADCASTING: [&str; 17] = [
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Pow",
    "Max",
    "Min",
    "Sum",
    "Mean",
    "Where",
    "Equal",
    "Greater",
    "Less",
    "GreaterOrEqual",
    "LessOrEqual",
    "And",
    "Or",
];

fn output_shape(node: &NodeProto, shapes: &Shapes) -> Result<Option<Vec<usize>>> {
    let first = node.input(0).and_then(|name| shapes.of(name));
    let operator = node.op_type.as_str();
    if KEEPING.contains(&operator) {
        return Ok(first.map(<[usize]>::to_vec));
    }
    if BROADCASTING.contains(&operator) {
        return broadcast(node, shapes);
    }
    if operator == "Constant" {
        return constant(node);
    }
    let Some(first) = first else { return Ok(None) };
    match operator {
        "Conv" | "ConvInteger" | "QLinearConv" | "MaxPool" | "AveragePool" | "LpPool" => {
            spatial::window(node, first, shapes)
        }
        "GlobalAveragePool" | "GlobalMaxPool" => Ok(spatial::global(first)),
        "Gemm" => Ok(gemm(node, first, shapes)),
        "MatMul" | "MatMulInteger" => matmul(node, node.input(1), first, shapes),
        "QLinearMatMul" => matmul(node, node.input(3), first, shapes),
        "Flatten" => Ok(layout::flatten(node, first)),
        "Reshape" => layout::reshape(node, first, shapes),
        "Transpose" => Ok(layout::transpose(node, first)),
        "Concat" => Ok(layout::concat(node, first, shapes)),
        "Squeeze" => Ok(layout::squeeze(node, first, shapes)),
        "Unsqueeze" => Ok(layout::unsqueeze(node, first, shapes)),
        "Pad" => spatial::pad(node, first, shapes),
        "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL2"
        | "ReduceSumSquare" => Ok(layout::reduce(node, first, shapes)),
        "Gather" => Ok(selection::gather(node, first, shapes)),
        "Slice" => Ok(selection::slice(node, first, shapes)),
        "Expand" => Ok(selection::expand(node, first, shapes)),
        "Resize" | "Upsample" => Ok(selection::resize(node, first, shapes)),
        "ConvTranspose" => Ok(selection::transposed_convolution(node, first, shapes)),
        "Shape" => Ok(Some(vec![first.len()])),
        _ => Ok(shapes.of(&node.output[0]).map(<[usize]>::to_vec)),
    }
}

fn constant(node: &NodeProto) -> Result<Option<Vec<usize>>> {
    let tensor = node
        .attribute("value")
        .and_then(|attribute| attribute.t.as_ref());
    tensor.map(super::proto::TensorProto::shape).transpose()
}

fn broadcast(node: &NodeProto, shapes: &Shapes) -> Result<Option<Vec<usize>>> {
    let mut result: Vec<usize> = Vec::new();
    for place in 0..node.input.len() {
        let Some(shape) = node.input(place).and_then(|name| shapes.of(name)) else {
            return Ok(None);
        };
        let rank = result.len().max(shape.len());
        let at = |dims: &[usize], axis: usize| {
            (axis + dims.len())
                .checked_sub(rank)
                .map_or(1, |axis| dims[axis])
        };
        let mut merged = Vec::with_capacity(rank);
        for axis in 0..rank {
            merged.push(match (at(&result, axis), at(shape, axis)) {
                (1, size) | (size, 1) => size,
                (left, right) if left == right => left,
                (left, right) => {
                    let output = node.output.first();
                    return Err(Error::model(format!(
                        "the inputs of {output:?} differ in size: {left} and {right}"
                    )));
                }
            });
        }
        result = merged;
    }
    Ok(Some(result))
}

fn gemm(node: &NodeProto, first: &[usize], shapes: &Shapes) -> Option<Vec<usize>> {
    let second = shapes.of(node.input(1)?)?;
    let (&[rows, columns], &[height, width]) = (first, second) else {
        return None;
    };
    let transposed = |name| node.int(name).unwrap_or(0) != 0;
    let m = if transposed("transA") { columns } else { rows };
    let n = if transposed("transB") { height } else { width };
    Some(vec![m, n])
}

fn matmul(
    node: &NodeProto,
    second: Option<&str>,
    first: &[usize],
    shapes: &Shapes,
) -> Result<Option<Vec<usize>>> {
    let Some(second) = second.and_then(|name| shapes.of(name)) else {
        return Ok(None);
    };
    if first.len() < 2 || second.len() < 2 {
        return Ok(None);
    }
    let (rows, inner) = (first[first.len() - 2], first[first.len() - 1]);
    let (height, columns) = (second[second.len() - 2], second[second.len() - 1]);
    if inner != height {
        let output = &node.output[0];
        return Err(Error::model(format!(
            "the sizes {inner} and {height} of {output:?} differ"
        )));
    }
    let outer = if first.len() >= second.len() {
        &first[..first.len() - 2]
    } else {
        &second[..second.len() - 2]
    };
    Ok(Some(outer.iter().copied().chain([rows, columns]).collect()))
}
