//! Reads a QDQ int8 ONNX file into a network of integers.
//!
//! Nodes are followed in order. A value is known as the graph's float input, as 8-bit levels
//! (before or after their `DequantizeLinear`), or as a result that a `QuantizeLinear` has yet to
//! round; that rounding makes it a step. Whatever is neither is refused by its name.

mod finish;
mod layer;
mod layout;
mod levels;
mod window;

use std::collections::HashMap;

use noroshi_onnx::{GraphProto, Index, ModelProto, NodeProto, Shapes, TensorProto};

use super::error::{Result, refused};
use super::network::{Network, Shape, Step, Value};
use finish::Pending;
use layout::View;
use levels::Levels;

/// Most bytes of a value, far beyond any microcontroller.
const VALUE_LIMIT: usize = 1 << 24;

/// Largest size of a value or window along one axis: sizes are 16 bits wide in the source.
const SIDE_LIMIT: usize = 32_767;

/// Most multiplications of a run: a minute of a microcontroller.
const MAC_LIMIT: u64 = 10_000_000_000;

/// The network of integers of a QDQ int8 model with one input and one output.
pub fn import(model: &ModelProto) -> Result<Network> {
    model.check()?;
    let mut graph = model.graph()?.clone();
    noroshi_onnx::prune(&mut graph);
    graph.sort()?;
    let mut importer = Importer::new(&graph)?;
    for node in &graph.node {
        importer.node(node)?;
    }
    importer.network()
}

/// What is known of a value of the graph.
#[derive(Debug, Clone)]
enum Known {
    /// The graph's input, floats that nothing rounded yet.
    Input,
    /// The output of a `QuantizeLinear`.
    Levels(View),
    /// The output of a `DequantizeLinear`.
    Restored(View),
    /// A result that is not rounded yet.
    Pending(Pending),
    /// Constant 8-bit or 32-bit levels with their steps.
    Constant(Levels),
}

struct Importer<'a> {
    graph: &'a GraphProto,
    index: Index<'a>,
    shapes: Shapes,
    /// Constants that are nodes.
    constants: HashMap<&'a str, &'a TensorProto>,
    known: HashMap<String, Known>,
    input: Option<usize>,
    values: Vec<Value>,
    steps: Vec<Step>,
}

impl<'a> Importer<'a> {
    fn new(graph: &'a GraphProto) -> Result<Self> {
        let inputs = graph.free_inputs();
        let ([input], [_]) = (inputs.as_slice(), graph.output.as_slice()) else {
            return refused(
                "the graph",
                format!(
                    "has {} inputs and {} outputs",
                    inputs.len(),
                    graph.output.len()
                ),
                "export it with one of each",
            );
        };
        Ok(Self {
            graph,
            index: Index::new(graph),
            shapes: noroshi_onnx::infer(graph)?,
            constants: HashMap::new(),
            known: HashMap::from([((*input).to_owned(), Known::Input)]),
            input: None,
            values: Vec::new(),
            steps: Vec::new(),
        })
    }

    fn node(&mut self, node: &'a NodeProto) -> Result<()> {
        if !node.is_standard() {
            return refuse_operator(node);
        }
        let made = match node.op_type.as_str() {
            "Constant" => return self.constant_node(node),
            "QuantizeLinear" => self.quantize(node)?,
            "DequantizeLinear" => self.dequantize(node)?,
            "Conv" => Known::Pending(self.convolution(node)?),
            "Gemm" => Known::Pending(self.linear(node)?),
            "MaxPool" | "AveragePool" | "GlobalAveragePool" => Known::Pending(self.pool(node)?),
            "Add" => Known::Pending(self.add(node)?),
            "Relu" | "Clip" => Known::Pending(self.clip(node)?),
            "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => self.reshape(node)?,
            "Identity" | "Dropout" => self.known_input(node, 0)?.clone(),
            _ => return refuse_operator(node),
        };
        self.known.insert(node.output[0].clone(), made);
        Ok(())
    }

    fn constant_node(&mut self, node: &'a NodeProto) -> Result<()> {
        let value = node.attribute("value").and_then(|value| value.t.as_ref());
        let Some(tensor) = value else {
            return refused(
                label(node),
                "holds no tensor",
                "export constants as initializers",
            );
        };
        self.constants.insert(&node.output[0], tensor);
        Ok(())
    }

    /// The constant called `name`.
    fn constant(&self, name: &str) -> Option<&'a TensorProto> {
        let node = self.constants.get(name).copied();
        self.index.initializer(name).or(node)
    }

    fn known_input(&self, node: &NodeProto, place: usize) -> Result<&Known> {
        let known = node.input(place).and_then(|name| self.known.get(name));
        known.map_or_else(
            || {
                refused(
                    label(node),
                    format!(
                        "reads {:?}, which is not 8-bit",
                        node.input(place).unwrap_or("")
                    ),
                    QUANTIZE,
                )
            },
            Ok,
        )
    }

    /// The 8-bit value that `node` reads through a `DequantizeLinear`.
    fn restored(&self, node: &NodeProto, place: usize) -> Result<View> {
        match self.known_input(node, place)? {
            Known::Restored(view) => Ok(*view),
            Known::Input | Known::Pending(_) => refused(
                label(node),
                format!(
                    "reads the floats {:?}, which nothing rounds",
                    node.input(place).unwrap_or("")
                ),
                QUANTIZE,
            ),
            Known::Levels(_) | Known::Constant(_) => refused(
                label(node),
                format!("reads {:?} where an activation belongs", node.input[place]),
                QUANTIZE,
            ),
        }
    }

    /// A value of 8-bit levels.
    fn add_value(&mut self, value: Value) -> Result<usize> {
        let Shape {
            channels,
            height,
            width,
        } = value.shape;
        let sides = [channels, height, width];
        if sides.iter().any(|&side| side == 0 || side > SIDE_LIMIT) || value.bytes() > VALUE_LIMIT {
            return refused(
                format!("the value {:?}", value.name),
                format!("has the sizes {sides:?}"),
                format!("keep every size within 1 to {SIDE_LIMIT} and each value within 16 MiB"),
            );
        }
        self.values.push(value);
        Ok(self.values.len() - 1)
    }

    fn network(mut self) -> Result<Network> {
        let name = &self.graph.output[0].name;
        let view = match self.known.get(name).cloned() {
            Some(Known::Levels(view) | Known::Restored(view)) => view,
            Some(Known::Pending(pending)) => self.finish_wide(pending)?,
            _ => return refused(format!("the output {name:?}"), "is not 8-bit", QUANTIZE),
        };
        if view.flat && !self.values[view.value].shape.is_plain() {
            return refused(
                format!("the output {name:?}"),
                "is a flattened image, whose numbers lie in another order here",
                "leave the last Flatten out",
            );
        }
        let Some(input) = self.input.filter(|_| !self.steps.is_empty()) else {
            return refused("the graph", "computes nothing with its input", QUANTIZE);
        };
        let network = Network {
            values: self.values,
            steps: self.steps,
            input,
            output: view.value,
        };
        if network.macs() > MAC_LIMIT {
            return refused(
                "the network",
                format!("multiplies {} times a run", network.macs()),
                "this is for small networks; use an agent's engine",
            );
        }
        Ok(network)
    }
}

const QUANTIZE: &str = "quantize the model first (`noroshi model quantize`, or ONNX Runtime's \
                        quantizer with quant_format QDQ)";

/// The operator and name of a node, for a sentence.
fn label(node: &NodeProto) -> String {
    let name = if node.name.is_empty() {
        node.output.first().unwrap_or(&node.name)
    } else {
        &node.name
    };
    format!("{} {name:?}", node.operator())
}

fn refuse_operator(node: &NodeProto) -> Result<()> {
    let cure = match node.op_type.as_str() {
        "Softmax" | "LogSoftmax" | "ArgMax" | "Sigmoid" if node.is_standard() => {
            "where it is last, export without it: the highest logit is the highest probability"
        }
        "MatMul" => "export the layer as a Gemm, or quantize with `noroshi model quantize`",
        "BatchNormalization" => "fold it into its convolution: `noroshi model quantize` does",
        "ReduceMean" => "export it as a GlobalAveragePool: `noroshi model quantize` does",
        "QLinearConv"
        | "QLinearMatMul"
        | "ConvInteger"
        | "MatMulInteger"
        | "DynamicQuantizeLinear" => "quantize in QDQ form (quant_format QDQ), static",
        "HardSwish" | "HardSigmoid" | "LeakyRelu" | "Tanh" | "Gelu" | "Elu" | "PRelu" => {
            "train with Relu or Clip instead"
        }
        _ => {
            "use Conv, Gemm, MaxPool, AveragePool, GlobalAveragePool, Add, Relu, Clip, Flatten and \
             Reshape, quantized in QDQ form"
        }
    };
    refused(label(node), "has no integer kernel here", cure)
}
