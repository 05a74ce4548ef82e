//! Element types that can't go together, as far as the file itself says them.

use std::collections::HashMap;

use noroshi_onnx::{DataType, GraphProto, NodeProto};

use crate::{Error, Result};

/// Operators whose tensors are all of one type.
const ALIKE: [&str; 14] = [
    "Conv",
    "ConvTranspose",
    "Gemm",
    "MatMul",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Concat",
    "PRelu",
    "Sum",
    "Mean",
    "Max",
    "Min",
];

/// Operators that hand on the type of their first input.
const PASSING: [&str; 26] = [
    "Relu",
    "LeakyRelu",
    "Clip",
    "Sigmoid",
    "HardSigmoid",
    "HardSwish",
    "Tanh",
    "Softmax",
    "LogSoftmax",
    "BatchNormalization",
    "LRN",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Flatten",
    "Reshape",
    "Transpose",
    "Squeeze",
    "Unsqueeze",
    "Identity",
    "Dropout",
    "Pad",
    "ReduceMean",
    "Elu",
    "Selu",
];

/// Operators that only know floating-point numbers.
const FLOATING: [&str; 8] = [
    "Conv",
    "BatchNormalization",
    "Sigmoid",
    "HardSigmoid",
    "HardSwish",
    "Tanh",
    "Softmax",
    "GlobalAveragePool",
];

/// Refuses a graph in which an operator gets tensors of types that do not go together. Types that
/// do not follow from the file are believed.
pub(super) fn check(graph: &GraphProto) -> Result<()> {
    let mut types: HashMap<&str, DataType> = HashMap::new();
    for tensor in &graph.initializer {
        types.insert(&tensor.name, tensor.element()?);
    }
    for input in &graph.input {
        let number = input.tensor_type().map(|tensor| tensor.elem_type);
        if let Some(element) = number.and_then(DataType::from_number) {
            types.entry(&input.name).or_insert(element);
        }
    }
    for place in graph.order()? {
        let node = &graph.node[place];
        if !node.is_standard() {
            continue;
        }
        let operator = node.op_type.as_str();
        let alike = ALIKE.contains(&operator);
        if alike {
            check_alike(node, &types)?;
        }
        let first = node.input(0).and_then(|name| types.get(name)).copied();
        if let Some(element) = first {
            if FLOATING.contains(&operator) && !is_floating(element) {
                return Err(wrong(node, &[element]));
            }
            if alike || PASSING.contains(&operator) {
                types.extend(node.output.first().map(|output| (output.as_str(), element)));
            }
        }
    }
    Ok(())
}

fn check_alike(node: &NodeProto, types: &HashMap<&str, DataType>) -> Result<()> {
    let known: Vec<DataType> = (0..node.input.len())
        .filter_map(|place| types.get(node.input(place)?).copied())
        .collect();
    match known.windows(2).find(|pair| pair[0] != pair[1]) {
        Some(pair) => Err(wrong(node, pair)),
        None => Ok(()),
    }
}

fn is_floating(element: DataType) -> bool {
    matches!(
        element,
        DataType::F16 | DataType::Bf16 | DataType::F32 | DataType::F64
    )
}

fn wrong(node: &NodeProto, found: &[DataType]) -> Error {
    let (operator, output) = (node.operator(), node.output.first());
    Error::model(format!(
        "the {operator} node that makes {output:?} gets {found:?}, which it can't take"
    ))
}
