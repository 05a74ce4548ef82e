//! The integers of every layer with weights.

use std::collections::HashMap;

use super::Options;
use super::calibrate::Seen;
use super::emit::Layer;
use super::plan::{Plan, Role};
use super::range::Scale;
use super::weights::{self, Rows};
use crate::onnx::{GraphProto, Index, NodeProto};
use crate::{Error, Result};

/// A layer's weights as rows of one output channel each.
struct Float {
    weight: Rows,
    shape: Vec<usize>,
    axis: usize,
    bias: Option<Vec<f32>>,
    groups: usize,
}

/// Quantizes every layer of `graph`; by the place of its node.
pub(super) fn quantize(
    graph: &GraphProto,
    plan: &Plan,
    scales: &HashMap<String, Scale>,
    seen: &HashMap<String, Seen>,
    options: &Options,
) -> Result<HashMap<usize, Layer>> {
    let index = Index::new(graph);
    let mut layers = HashMap::new();
    for (place, node) in graph.node.iter().enumerate() {
        if matches!(plan.roles[place], Role::Weighted { .. }) {
            let float = read(node, &index)?;
            let input_scale = scales[&plan.scaled_as[&node.input[0]]].scale;
            let means = seen[&node.input[0]].channel_means();
            layers.insert(place, layer(float, input_scale, &means, options));
        }
    }
    Ok(layers)
}

fn read(node: &NodeProto, index: &Index<'_>) -> Result<Float> {
    let missing = || Error::model(format!("the weights of {:?} are missing", node.name));
    let tensor = node
        .input(1)
        .and_then(|name| index.initializer(name))
        .ok_or_else(missing)?;
    let (shape, values) = (tensor.shape()?, tensor.to_f32()?);
    let bias = node.input(2).and_then(|name| index.initializer(name));
    let mut bias = bias.map(crate::onnx::TensorProto::to_f32).transpose()?;
    let columns_first = node.is("Gemm") && node.int("transB").unwrap_or(0) == 0;
    let axis = usize::from(columns_first);
    let rows = shape[axis];
    if let Some(bias) = &mut bias
        && bias.len() == 1
    {
        *bias = vec![bias[0]; rows];
    }
    if bias.as_ref().is_some_and(|bias| bias.len() != rows) {
        return Err(Error::model(format!(
            "the bias of {:?} has the wrong size",
            node.name
        )));
    }
    let values = if columns_first {
        transposed(&values, shape[0], shape[1])
    } else {
        values
    };
    let groups = usize::try_from(node.int("group").unwrap_or(1))
        .unwrap_or(1)
        .max(1);
    Ok(Float {
        weight: Rows { values, rows },
        shape,
        axis,
        bias,
        groups,
    })
}

fn layer(float: Float, input_scale: f32, means: &[f64], options: &Options) -> Layer {
    let Float {
        weight,
        shape,
        axis,
        bias,
        groups,
    } = float;
    let known = bias.clone().unwrap_or_default();
    let mut quantized = weights::quantize(&weight, &known, input_scale, options.weights);
    let mut bias = bias;
    if options.correct_biases {
        let shifts = weights::mean_shifts(&weight, &quantized, means, groups);
        let corrected = bias.get_or_insert_with(|| vec![0.0; weight.rows]);
        for (bias, shift) in corrected.iter_mut().zip(shifts) {
            *bias = (f64::from(*bias) - shift) as f32;
        }
    }
    let bias = bias.map(|values| {
        let steps: Vec<f32> = quantized
            .scales
            .iter()
            .map(|scale| scale * input_scale)
            .collect();
        (weights::quantize_biases(&values, &steps), steps)
    });
    if axis == 1 {
        quantized.levels = transposed(&quantized.levels, shape[1], shape[0]);
    }
    Layer {
        weight: quantized,
        shape,
        axis,
        bias,
    }
}

/// The transpose of `rows` times `columns` values.
fn transposed<T: Copy>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    (0..columns)
        .flat_map(|column| (0..rows).map(move |row| values[row * columns + column]))
        .collect()
}
