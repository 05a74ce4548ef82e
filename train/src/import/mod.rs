//! Reads a network from ONNX, so that a net of one's own can be taught.

mod layers;
mod windows;

use std::collections::{BTreeSet, HashMap};

use noroshi_onnx::{GraphProto, Index, ModelProto, NodeProto, TensorProto, ValueInfoProto};

use crate::net::{Net, Node, Value};
use crate::random::Random;
use crate::shape::Shape;
use crate::{Error, Result};

/// Operators that are read; each in the forms that `layers` knows.
const KNOWN: [&str; 23] = [
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Clip",
    "Concat",
    "Constant",
    "Conv",
    "Dropout",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "MatMul",
    "MaxPool",
    "Mul",
    "ReduceMean",
    "Relu",
    "Reshape",
    "Sigmoid",
    "Squeeze",
    "Unsqueeze",
];

impl Net {
    /// The network of a file of convolutions (grouped and depthwise too), linear layers,
    /// normalizations, activations, pools, sums, products and concatenations, with one input and
    /// one output. [`Error::Operators`] names what else is in the way.
    pub fn import_onnx(model: &ModelProto) -> Result<Self> {
        model.check()?;
        let graph = model.graph()?;
        let unknown: BTreeSet<String> = graph
            .node
            .iter()
            .filter(|node| !node.is_standard() || !KNOWN.contains(&node.op_type.as_str()))
            .map(NodeProto::operator)
            .collect();
        if !unknown.is_empty() {
            return Err(Error::Operators(unknown.into_iter().collect()));
        }
        Importer::new(graph)?.run()
    }
}

struct Importer<'a> {
    graph: &'a GraphProto,
    index: Index<'a>,
    constants: HashMap<&'a str, &'a TensorProto>,
    values: HashMap<&'a str, Value>,
    net: Net,
    random: Random,
}

impl<'a> Importer<'a> {
    fn new(graph: &'a GraphProto) -> Result<Self> {
        let free = graph.free_inputs();
        let ([input], [output]) = (free.as_slice(), graph.output.as_slice()) else {
            let (inputs, outputs) = (free.len(), graph.output.len());
            let text = format!("{inputs} inputs and {outputs} outputs; one of each can be taught");
            return Err(Error::layer("the graph", text));
        };
        let value = graph.input.iter().find(|value| value.name == *input);
        let shape = value.and_then(sample).ok_or_else(|| {
            Error::layer(
                input,
                "its sizes after the batch must be fixed: one, two or three of them",
            )
        })?;
        Ok(Self {
            graph,
            index: Index::new(graph),
            constants: HashMap::new(),
            values: HashMap::from([(*input, Value::INPUT)]),
            net: Net::new(shape).called(input, &output.name),
            random: Random::new(0),
        })
    }

    fn run(mut self) -> Result<Net> {
        for place in self.graph.order()? {
            let node = &self.graph.node[place];
            let refuse = |reason: String| {
                let name = if node.name.is_empty() {
                    &node.op_type
                } else {
                    &node.name
                };
                Error::layer(format!("{name} ({})", node.op_type), reason)
            };
            if let Some(value) = self.node(node).map_err(refuse)? {
                let output = node
                    .output
                    .first()
                    .ok_or_else(|| refuse("it has no output".into()))?;
                self.values.insert(output, value);
            }
        }
        let output = &self.graph.output[0].name;
        match self.values.get(output.as_str()) {
            Some(&value) if value == self.net.last() && value != Value::INPUT => Ok(self.net),
            _ => Err(Error::layer(
                output,
                "the output must be what the last layer gives",
            )),
        }
    }

    /// The tensor that a name stands for, if it is constant.
    fn constant(&self, name: &str) -> Option<&'a TensorProto> {
        self.constants
            .get(name)
            .copied()
            .or_else(|| self.index.initializer(name))
    }

    /// Numbers of the constant input at `place`.
    fn numbers(&self, node: &NodeProto, place: usize) -> Result<Vec<f32>, String> {
        let tensor = node.input(place).and_then(|name| self.constant(name));
        let tensor = tensor.ok_or_else(|| format!("its input {place} must be constant"))?;
        tensor.to_f32().map_err(|error| error.to_string())
    }

    /// Sizes of the constant input at `place`.
    fn sizes(&self, node: &NodeProto, place: usize) -> Result<Vec<usize>, String> {
        let tensor = node.input(place).and_then(|name| self.constant(name));
        let tensor = tensor.ok_or_else(|| format!("its input {place} must be constant"))?;
        tensor.shape().map_err(|error| error.to_string())
    }

    /// The value that flows into the input at `place`.
    fn value(&self, node: &NodeProto, place: usize) -> Result<Value, String> {
        let name = node
            .input(place)
            .ok_or_else(|| format!("its input {place} is missing"))?;
        let value = self.values.get(name).copied();
        value.ok_or_else(|| format!("its input {place}, {name:?}, must not be constant"))
    }

    /// Adds a layer under the name of the node's output, and lets `fill` put its numbers in.
    fn push(
        &mut self,
        node: &NodeProto,
        layer: crate::layer::Layer,
        inputs: Vec<Value>,
        fill: impl FnOnce(&mut Node) -> Result<(), String>,
    ) -> Result<Option<Value>, String> {
        let name = node.output.first().cloned().unwrap_or_default();
        let value = self
            .net
            .push(name, layer, inputs, &mut self.random)
            .map_err(|error| error.to_string())?;
        let last = self.net.layers_mut().last_mut();
        last.map_or(Ok(()), fill)?;
        Ok(Some(value))
    }
}

/// The shape of one sample of an input.
fn sample(value: &ValueInfoProto) -> Option<Shape> {
    let dims = value.dims()?;
    let (_, sizes) = dims.split_first()?;
    let sizes: Vec<usize> = sizes.iter().copied().collect::<Option<_>>()?;
    Some(match sizes.as_slice() {
        [features] => Shape::flat(*features),
        [channels, length] => Shape::series(*channels, *length),
        [channels, height, width] => Shape::image(*channels, *height, *width),
        _ => return None,
    })
    .filter(|shape| !shape.is_empty() && shape.len() <= crate::layer::MAX_VALUE)
}
