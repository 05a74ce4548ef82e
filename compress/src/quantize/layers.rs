//! The layers with weights: as they are, and as integers.

use std::collections::HashMap;

use super::Options;
use super::bits::{Bits, Granularity, Rounding};
use super::calibrate::Seen;
use super::emit::Layer;
use super::gram::Gram;
use super::hessian;
use super::plan::{Plan, Role};
use super::range::Scale;
use super::weights::{self, Rows, Steps};
use crate::{Error, Result};
use noroshi_onnx::{GraphProto, Index, NodeProto, TensorProto};

/// A layer's weights as rows of one output channel each.
pub(super) struct Float {
    place: usize,
    /// The value that it reads.
    pub(super) input: String,
    pub(super) weight: Rows,
    /// The step of each row.
    pub(super) scales: Vec<f32>,
    /// The levels of each row for those steps.
    pub(super) levels: Vec<i8>,
    pub(super) shape: Vec<usize>,
    pub(super) axis: usize,
    pub(super) bias: Option<Vec<f32>>,
    groups: usize,
    pub(super) steps: Steps,
    /// Whether the rounding looked at what the layer sees.
    aware: bool,
    /// The mean of each column of each group, where it was seen.
    means: Option<Vec<f64>>,
}

/// Reads the layers of `graph` that get integer weights, finds the steps of their rows and rounds.
pub(super) fn read(
    graph: &GraphProto,
    plan: &Plan,
    grams: &HashMap<usize, Gram>,
    options: &Options,
) -> Result<Vec<Float>> {
    let index = Index::new(graph);
    let weighted = graph.node.iter().enumerate().zip(&plan.roles);
    weighted
        .filter(|(_, role)| matches!(role, Role::Weighted { .. }))
        .map(|((place, node), _)| {
            let gram = grams.get(&place);
            read_layer(place, node, &index, options, gram)
        })
        .collect()
}

/// The bits of a node's weights.
pub(super) fn bits_of(node: &NodeProto, options: &Options) -> Bits {
    let own = options.node_bits.get(&node.name);
    own.copied().unwrap_or(options.weight_bits)
}

fn read_layer(
    place: usize,
    node: &NodeProto,
    index: &Index<'_>,
    options: &Options,
    gram: Option<&Gram>,
) -> Result<Float> {
    let missing = || Error::model(format!("the weights of {:?} are missing", node.name));
    let tensor = node
        .input(1)
        .and_then(|name| index.initializer(name))
        .ok_or_else(missing)?;
    let (shape, values) = (tensor.shape()?, tensor.to_f32()?);
    let columns_first = node.is("Gemm") && node.int("transB").unwrap_or(0) == 0;
    let axis = usize::from(columns_first);
    let rows = shape[axis];
    let bias = bias(node, index, rows)?;
    let values = if columns_first {
        transposed(&values, shape[0], shape[1])
    } else {
        values
    };
    let weight = Rows { values, rows };
    let steps = Steps {
        range: options.weights,
        bits: bits_of(node, options),
        granularity: options.granularity,
    };
    let scales = weights::row_scales(&weight, steps);
    let gram = gram.filter(|_| options.rounding == Rounding::Hessian);
    let levels = match gram {
        Some(gram) => {
            let centred = options.correct_biases;
            hessian::round(&weight, &scales, steps.bits, gram, centred)
        }
        None => weights::nearest(&weight, &scales, steps.bits),
    };
    let groups = usize::try_from(node.int("group").unwrap_or(1))
        .unwrap_or(1)
        .max(1);
    Ok(Float {
        place,
        input: node.input[0].clone(),
        weight,
        scales,
        levels,
        shape,
        axis,
        bias,
        groups,
        steps,
        aware: gram.is_some(),
        means: gram.map(Gram::means),
    })
}

/// The bias, one number a row.
fn bias(node: &NodeProto, index: &Index<'_>, rows: usize) -> Result<Option<Vec<f32>>> {
    let bias = node.input(2).and_then(|name| index.initializer(name));
    let mut bias = bias.map(TensorProto::to_f32).transpose()?;
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
    Ok(bias)
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
        let means = correct_biases.then(|| layer.means(&seen[&layer.input]));
        (layer.place, layer.quantized(input_scale, means.as_deref()))
    };
    layers.iter().map(one).collect()
}

impl Float {
    /// The place of its node.
    pub(super) fn place(&self) -> usize {
        self.place
    }

    /// Whether its rounding looked at what the layer sees.
    pub(super) fn is_aware(&self) -> bool {
        self.aware
    }

    fn means(&self, seen: &Seen) -> Vec<f64> {
        self.means.clone().unwrap_or_else(|| {
            let length = self.weight.values.len() / self.weight.rows.max(1);
            weights::column_means(&seen.channel_means(), length, self.groups)
        })
    }

    /// Keeps the means of what the layer reads.
    pub(super) fn remember(&mut self, seen: &Seen) {
        self.means = Some(self.means(seen));
    }

    /// Lets the bias make up for the mean errors of the rounded weights, if the means are known.
    pub(super) fn correct(&mut self) {
        if let Some(means) = &self.means {
            let shifts = self.shifts(&self.levels, &self.scales, means);
            self.bias = Some(self.shifted(&shifts));
        }
    }

    /// The bias that makes up for the mean errors of other weights than the layer's own; none if
    /// there was none and the means are not known.
    pub(super) fn bias_for(&self, restored: &[f32]) -> Option<Vec<f32>> {
        let Some(means) = &self.means else {
            return self.bias.clone();
        };
        let length = self.weight.values.len() / self.weight.rows.max(1);
        let rows = self.weight.iter().zip(restored.chunks(length.max(1)));
        let shifts: Vec<f64> = rows
            .map(|(values, restored)| {
                let errors = values.iter().zip(restored).map(|(v, r)| f64::from(r - v));
                errors.zip(means).map(|(error, mean)| error * mean).sum()
            })
            .collect();
        Some(self.shifted(&shifts))
    }

    fn shifts(&self, levels: &[i8], scales: &[f32], means: &[f64]) -> Vec<f64> {
        weights::mean_shifts(&self.weight, levels, scales, means, self.groups)
    }

    /// The bias without the shifts.
    fn shifted(&self, shifts: &[f64]) -> Vec<f32> {
        let bias = self.bias.clone();
        let bias = bias.unwrap_or_else(|| vec![0.0; self.weight.rows]);
        let pairs = bias.iter().zip(shifts);
        pairs
            .map(|(&bias, shift)| (f64::from(bias) - shift) as f32)
            .collect()
    }

    /// The layer's integers; with the means of its input columns the biases make up for the
    /// mean errors of the rounded weights.
    pub(super) fn quantized(&self, input_scale: f32, means: Option<&[f64]>) -> Layer {
        let known = self.bias.as_deref().unwrap_or_default();
        let mut quantized = weights::quantize(
            &self.weight,
            &self.scales,
            &self.levels,
            known,
            input_scale,
            self.steps,
        );
        let mut bias = self.bias.clone();
        if let Some(means) = means {
            let shifts = self.shifts(&quantized.levels, &quantized.scales, means);
            bias = Some(self.shifted(&shifts));
        }
        let bias = bias.map(|values| {
            let steps: Vec<f32> = quantized.scales.iter().map(|s| s * input_scale).collect();
            (weights::quantize_biases(&values, &steps), steps)
        });
        if self.axis == 1 {
            quantized.levels = transposed(&quantized.levels, self.shape[1], self.shape[0]);
        }
        if self.steps.granularity == Granularity::Tensor {
            quantized.scales.truncate(1);
        }
        Layer {
            weight: quantized,
            shape: self.shape.clone(),
            axis: self.axis,
            bits: self.steps.bits,
            bias,
        }
    }
}

/// The transpose of `rows` times `columns` values.
pub(super) fn transposed<T: Copy>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    (0..columns)
        .flat_map(|column| (0..rows).map(move |row| values[row * columns + column]))
        .collect()
}
