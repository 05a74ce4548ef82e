//! The layers with weights: as they are, and as integers.

use std::collections::HashMap;

use super::Options;
use super::calibrate::Seen;
use super::emit::Layer;
use super::plan::{Plan, Role};
use super::range::Scale;
use super::weights::{self, Rows, WeightBits};
use crate::{Error, Result};
use noroshi_onnx::{GraphProto, Index, NodeProto, TensorProto};

/// A layer's weights as rows of one output channel each.
pub(super) struct Float {
    place: usize,
    /// The value that it reads.
    input: String,
    weight: Rows,
    /// The step of each row.
    scales: Vec<f32>,
    shape: Vec<usize>,
    axis: usize,
    bias: Option<Vec<f32>>,
    groups: usize,
    bits: WeightBits,
}

/// Reads the layers of `graph` that get 8-bit weights, and finds the steps of their rows.
pub(super) fn read(graph: &GraphProto, plan: &Plan, options: &Options) -> Result<Vec<Float>> {
    let index = Index::new(graph);
    let weighted = graph.node.iter().enumerate().zip(&plan.roles);
    weighted
        .filter(|(_, role)| matches!(role, Role::Weighted { .. }))
        .map(|((place, node), _)| read_layer(place, node, &index, options))
        .collect()
}

fn read_layer(
    place: usize,
    node: &NodeProto,
    index: &Index<'_>,
    options: &Options,
) -> Result<Float> {
    let missing = || Error::model(format!("the weights of {:?} are missing", node.name));
    let tensor = node
        .input(1)
        .and_then(|name| index.initializer(name))
        .ok_or_else(missing)?;
    let (shape, values) = (tensor.shape()?, tensor.to_f32()?);
    let bias = node.input(2).and_then(|name| index.initializer(name));
    let mut bias = bias.map(TensorProto::to_f32).transpose()?;
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
    let weight = Rows { values, rows };
    let scales = weights::row_scales(&weight, options.weights, options.weight_bits);
    let groups = usize::try_from(node.int("group").unwrap_or(1))
        .unwrap_or(1)
        .max(1);
    let input = node.input[0].clone();
    Ok(Float {
        place,
        input,
        weight,
        scales,
        shape,
        axis,
        bias,
        groups,
        bits: options.weight_bits,
    })
}

/// The integers of every layer for the given activation scales, by the place of its node.
pub(super) fn quantize(
    layers: &[Float],
    plan: &Plan,
    scales: &HashMap<String, Scale>,
    seen: &HashMap<String, Seen>,
    correct_biases: bool,
) -> HashMap<usize, Layer> {
    let one = |layer: &Float| {
        let input_scale = scales[&plan.scaled_as[&layer.input]].scale;
        let means = correct_biases.then(|| seen[&layer.input].channel_means());
        (layer.place, layer.quantized(input_scale, means.as_deref()))
    };
    layers.iter().map(one).collect()
}

impl Float {
    /// The layer's integers; with the means of its input channels the biases make up for the
    /// mean errors of the rounded weights.
    fn quantized(&self, input_scale: f32, means: Option<&[f64]>) -> Layer {
        let known = self.bias.as_deref().unwrap_or_default();
        let mut quantized =
            weights::quantize(&self.weight, &self.scales, known, input_scale, self.bits);
        let mut bias = self.bias.clone();
        if let Some(means) = means {
            let shifts = weights::mean_shifts(&self.weight, &quantized, means, self.groups);
            let corrected = bias.get_or_insert_with(|| vec![0.0; self.weight.rows]);
            for (bias, shift) in corrected.iter_mut().zip(shifts) {
                *bias = (f64::from(*bias) - shift) as f32;
            }
        }
        let bias = bias.map(|values| {
            let steps: Vec<f32> = quantized.scales.iter().map(|s| s * input_scale).collect();
            (weights::quantize_biases(&values, &steps), steps)
        });
        if self.axis == 1 {
            quantized.levels = transposed(&quantized.levels, self.shape[1], self.shape[0]);
        }
        Layer {
            weight: quantized,
            shape: self.shape.clone(),
            axis: self.axis,
            bias,
        }
    }
}

/// The transpose of `rows` times `columns` values.
fn transposed<T: Copy>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    (0..columns)
        .flat_map(|column| (0..rows).map(move |row| values[row * columns + column]))
        .collect()
}
