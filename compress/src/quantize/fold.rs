//! Moves batch normalization and padding into the convolution next to them.

use std::collections::HashMap;

use super::prepare::remove_nodes;
use crate::Result;
use noroshi_onnx::{AttributeProto, GraphProto, Index, NodeProto, TensorProto};

/// Added to a variance if the file does not say.
const EPSILON: f32 = 1e-5;

/// A weight as rows, one for each output channel.
struct Weight {
    values: Vec<f32>,
    shape: Vec<usize>,
    /// Whether the output channel is the first axis; else it is the second of two.
    rows_first: bool,
}

impl Weight {
    fn channels(&self) -> usize {
        if self.rows_first {
            self.shape[0]
        } else {
            self.shape[1]
        }
    }

    fn scale(&mut self, factors: &[f32]) {
        let per_channel = self.values.len() / self.channels().max(1);
        let columns = self.channels();
        for (place, value) in self.values.iter_mut().enumerate() {
            let channel = if self.rows_first {
                place / per_channel
            } else {
                place % columns
            };
            *value *= factors[channel];
        }
    }
}

/// Folds every `BatchNormalization` that alone reads a `Conv` or `Gemm` with constant weights.
pub(super) fn normalizations(graph: &mut GraphProto) -> Result<()> {
    let index = Index::new(graph);
    let mut folded = Vec::new();
    for (place, node) in graph.node.iter().enumerate() {
        if !node.is("BatchNormalization") || node.int("training_mode").unwrap_or(0) != 0 {
            continue;
        }
        let Some(maker) = node.input(0).and_then(|name| index.maker(name)) else {
            continue;
        };
        let alone = index.only_reader(&node.input[0]) == Some(place);
        if !alone || !foldable(&graph.node[maker]) {
            continue;
        }
        if let Some((weight, bias)) = merged(&graph.node[maker], node, &index)? {
            folded.push((maker, place, weight, bias));
        }
    }
    let mut gone = Vec::new();
    for (maker, place, weight, bias) in folded {
        let output = graph.node[place].output[0].clone();
        let node = &mut graph.node[maker];
        node.output[0] = output;
        node.input.truncate(1);
        node.input.extend([weight.name.clone(), bias.name.clone()]);
        graph.initializer.extend([weight, bias]);
        gone.push(place);
    }
    remove_nodes(graph, &gone);
    Ok(())
}

fn foldable(node: &NodeProto) -> bool {
    node.is("Conv") || node.is("Gemm") && is_plain_gemm(node)
}

/// Whether a `Gemm` is a linear layer: the input as it is, the bias as it is.
pub(super) fn is_plain_gemm(node: &NodeProto) -> bool {
    let one = |name: &str| node.float(name).unwrap_or(1.0).to_bits() == 1f32.to_bits();
    one("alpha") && one("beta") && node.int("transA").unwrap_or(0) == 0
}

/// The weight and bias that do what the layer and its normalization did.
fn merged(
    layer: &NodeProto,
    normalization: &NodeProto,
    index: &Index<'_>,
) -> Result<Option<(TensorProto, TensorProto)>> {
    let tensor = |node: &NodeProto, place: usize| {
        node.input(place)
            .and_then(|name| index.initializer(name))
            .map(TensorProto::to_f32)
            .transpose()
    };
    let parameters = (1..=4)
        .map(|place| tensor(normalization, place))
        .collect::<Result<Vec<_>, noroshi_onnx::Error>>()?;
    let parameters: Option<Vec<_>> = parameters.into_iter().collect();
    let (Some(parameters), Some(values)) = (parameters, tensor(layer, 1)?) else {
        return Ok(None);
    };
    let [scale, shift, mean, variance] = parameters.as_slice() else {
        return Ok(None);
    };
    let Some(shape) = index.initializer(&layer.input[1]).map(TensorProto::shape) else {
        return Ok(None);
    };
    let rows_first = layer.is("Conv") || layer.int("transB").unwrap_or(0) != 0;
    let mut weight = Weight {
        values,
        shape: shape?,
        rows_first,
    };
    let channels = weight.channels();
    if parameters.iter().any(|values| values.len() != channels) {
        return Ok(None);
    }
    let bias = match (layer.input(2), tensor(layer, 2)?) {
        (None, _) => vec![0.0; channels],
        (Some(_), Some(bias)) if bias.len() == channels => bias,
        _ => return Ok(None),
    };
    let epsilon = f64::from(normalization.float("epsilon").unwrap_or(EPSILON));
    let factors: Vec<f32> = scale
        .iter()
        .zip(variance)
        .map(|(&scale, &variance)| {
            (f64::from(scale) / (f64::from(variance) + epsilon).sqrt()) as f32
        })
        .collect();
    let bias: Vec<f32> = (0..channels)
        .map(|channel| (bias[channel] - mean[channel]) * factors[channel] + shift[channel])
        .collect();
    weight.scale(&factors);
    // The names tell where the numbers come from; the output's name makes them unique.
    let output = &normalization.output[0];
    Ok(Some((
        TensorProto::new(format!("{output}.weight"), &weight.shape, &weight.values),
        TensorProto::new(format!("{output}.bias"), &[channels], &bias),
    )))
}

/// Adds a `Pad` with zeros around the pixels to the convolutions that read it.
pub(super) fn pads(graph: &mut GraphProto) -> Result<()> {
    let index = Index::new(graph);
    let mut folded: Vec<(usize, Vec<i64>)> = Vec::new();
    for (place, node) in graph
        .node
        .iter()
        .enumerate()
        .filter(|(_, node)| node.is("Pad"))
    {
        let readers = index.readers(&node.output[0]);
        let into_convolutions = readers
            .iter()
            .all(|&reader| takes_padding(&graph.node[reader]));
        if readers.is_empty() || !into_convolutions || index.is_output(&node.output[0]) {
            continue;
        }
        if let Some(pads) = zero_borders(node, &index)? {
            folded.push((place, pads));
        }
    }
    let readers: HashMap<usize, Vec<usize>> = folded
        .iter()
        .map(|(place, _)| {
            (
                *place,
                index.readers(&graph.node[*place].output[0]).to_vec(),
            )
        })
        .collect();
    let gone: Vec<usize> = folded.iter().map(|(place, _)| *place).collect();
    for (place, pads) in folded {
        let input = graph.node[place].input[0].clone();
        for &reader in &readers[&place] {
            let node = &mut graph.node[reader];
            node.input[0].clone_from(&input);
            let own = node
                .ints("pads")
                .filter(|own| own.len() == 4)
                .unwrap_or(&[0; 4]);
            let sum: Vec<i64> = own
                .iter()
                .zip(&pads)
                .map(|(own, added)| own + added)
                .collect();
            node.attribute.retain(|attribute| attribute.name != "pads");
            node.attribute.push(AttributeProto::ints("pads", &sum));
        }
    }
    remove_nodes(graph, &gone);
    Ok(())
}

fn takes_padding(node: &NodeProto) -> bool {
    node.is("Conv") && matches!(node.text("auto_pad"), None | Some("NOTSET" | "VALID" | ""))
}

/// The borders of an image that `node` fills with zeros: top, left, bottom, right.
fn zero_borders(node: &NodeProto, index: &Index<'_>) -> Result<Option<Vec<i64>>> {
    let constant = |place: usize| node.input(place).and_then(|name| index.initializer(name));
    if !matches!(node.text("mode"), None | Some("constant")) || node.input(3).is_some() {
        return Ok(None);
    }
    let filling = match (node.input(2), constant(2)) {
        (None, _) => 0.0,
        (Some(_), Some(value)) => value.to_f32()?.first().copied().unwrap_or(0.0),
        (Some(_), None) => return Ok(None),
    };
    let Some(pads) = constant(1).map(TensorProto::to_i64).transpose()? else {
        return Ok(None);
    };
    let &[0, 0, top, left, 0, 0, bottom, right] = pads.as_slice() else {
        return Ok(None);
    };
    let borders = vec![top, left, bottom, right];
    let usable = filling == 0.0
        && borders
            .iter()
            .all(|&border| (0..=1 << 20).contains(&border));
    Ok(usable.then_some(borders))
}
