//! Weights in the blocks of GGUF, for candle: networks of linear layers without branches.

use std::io::Cursor;

use noroshi_engine::candle::{Graph, Input, Layer, Quantization, Weight, write_gguf};
use noroshi_onnx::{GraphProto, Index, ModelProto, NodeProto, TensorProto, infer};

use super::layers::transposed;
use super::prepare;
use crate::{Error, Result};

/// A GGUF file.
#[derive(Debug, Clone)]
pub struct Gguf {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Linear layers in it.
    pub layers: usize,
    /// How their weights are stored.
    pub quantization: Quantization,
}

/// Writes `model` with its weights in blocks of `quantization`; biases stay 32-bit floats.
///
/// Only a chain of linear layers and activations that candle's engine runs can be written; what is
/// in the way is named.
pub fn gguf(model: &ModelProto, quantization: Quantization) -> Result<Gguf> {
    let prepared = prepare::prepare(model)?;
    let graph = prepared.graph()?;
    let mut chain = Chain {
        index: Index::new(graph),
        weights: Vec::new(),
        layers: Vec::new(),
        quantization,
    };
    let input = input(graph)?;
    let mut value = input.name.clone();
    while !chain.index.is_output(&value) {
        let place = chain.index.only_reader(&value).ok_or_else(|| {
            Error::Quantize(format!(
                "candle runs networks without branches, but {value:?} has several readers or none"
            ))
        })?;
        let node = &graph.node[place];
        chain.step(node)?;
        value.clone_from(&node.output[0]);
    }
    let layers = chain.layers.iter();
    let linear = layers.filter(|layer| matches!(layer, Layer::Linear { .. }));
    let linear = linear.count();
    let description = Graph::new(input, value, chain.layers);
    let mut file = Cursor::new(Vec::new());
    write_gguf(&mut file, &description, &chain.weights)?;
    Ok(Gguf {
        bytes: file.into_inner(),
        layers: linear,
        quantization,
    })
}

fn input(graph: &GraphProto) -> Result<Input> {
    let names = graph.free_inputs();
    let shapes = infer(graph)?;
    let shape = match names.as_slice() {
        [name] => shapes.of(name).map(|shape| (*name, shape)),
        _ => None,
    };
    let Some((name, [_, sample @ ..])) = shape else {
        return Err(Error::Quantize(
            "candle's engine needs one input whose shape is known".into(),
        ));
    };
    Ok(Input {
        name: name.to_owned(),
        shape: sample.to_vec(),
    })
}

struct Chain<'a> {
    index: Index<'a>,
    weights: Vec<Weight>,
    layers: Vec<Layer>,
    quantization: Quantization,
}

impl Chain<'_> {
    fn step(&mut self, node: &NodeProto) -> Result<()> {
        let layer = match node.op_type.as_str() {
            // Samples are flat already when they come to the first layer.
            "Flatten" | "Reshape" if self.layers.is_empty() => return Ok(()),
            "Gemm" => self.linear(node)?,
            "Relu" => Layer::Relu,
            "Clip" if self.is_relu6(node) => Layer::Relu6,
            "Tanh" => Layer::Tanh,
            "Sigmoid" => Layer::Sigmoid,
            "Softmax" => Layer::Softmax,
            _ => {
                return Err(Error::Quantize(format!(
                    "candle's engine runs linear layers with activations; {} ({}) is in the way",
                    node.operator(),
                    node.name
                )));
            }
        };
        self.layers.push(layer);
        Ok(())
    }

    fn linear(&mut self, node: &NodeProto) -> Result<Layer> {
        let missing =
            || Error::Quantize(format!("the weights of {:?} are not constant", node.name));
        let constant = |place: usize| {
            node.input(place)
                .and_then(|name| self.index.initializer(name))
        };
        let tensor = constant(1).ok_or_else(missing)?;
        let shape = tensor.shape()?;
        let [first, second] = shape[..] else {
            return Err(missing());
        };
        let values = tensor.to_f32()?;
        let (shape, numbers) = if node.int("transB").unwrap_or(0) == 0 {
            (vec![second, first], transposed(&values, first, second))
        } else {
            (shape, values)
        };
        let bias = constant(2).map(TensorProto::to_f32).transpose()?;
        if node.input(2).is_some() && bias.as_ref().map(Vec::len) != Some(shape[0]) {
            return Err(missing());
        }
        let number = self.layers.len();
        let weight = format!("layer{number}.weight");
        self.weights.push(Weight {
            name: weight.clone(),
            shape,
            numbers,
            quantization: self.quantization,
        });
        let bias = bias.map(|numbers| {
            let name = format!("layer{number}.bias");
            self.weights.push(Weight {
                name: name.clone(),
                shape: vec![numbers.len()],
                numbers,
                quantization: Quantization::F32,
            });
            name
        });
        Ok(Layer::Linear { weight, bias })
    }

    fn is_relu6(&self, node: &NodeProto) -> bool {
        let bound = |place: usize| {
            let tensor = node
                .input(place)
                .and_then(|name| self.index.initializer(name))?;
            tensor.to_f32().ok()?.first().copied()
        };
        bound(1) == Some(0.0) && bound(2) == Some(6.0)
    }
}
