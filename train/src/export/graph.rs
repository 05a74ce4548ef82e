//! Layer by layer into nodes.

use noroshi_onnx::tensor_shape_proto::{Dimension, Size};
use noroshi_onnx::{
    AttributeProto, DataType, GraphProto, NodeProto, TensorProto, ValueInfoProto, type_proto,
};

use super::NARROW;
use crate::kernel::activation::levels;
use crate::layer::{Activation, Conv, Layer, Pool, Pooling};
use crate::net::{Net, Node, Role, Value};
use crate::shape::Shape;
use crate::weights::{SMALLEST_STEP, Weights, round};
use crate::{Error, Result};

/// A value in the making: its name, and whether it is `[samples, features]` or has planes.
#[derive(Debug, Clone)]
struct Flow {
    name: String,
    flat: bool,
}

/// A graph that grows.
pub(super) struct Graph {
    graph: GraphProto,
    flows: Vec<Flow>,
}

impl Graph {
    /// The graph of a network.
    pub(super) fn of(net: &Net) -> Result<GraphProto> {
        let flat = net.input().plane() == 1;
        let mut graph = Self {
            graph: GraphProto {
                name: "network".into(),
                input: vec![described(net.input_name(), net.input(), flat)],
                ..GraphProto::default()
            },
            flows: vec![Flow {
                name: net.input_name().into(),
                flat,
            }],
        };
        for node in net.layers() {
            let flow = graph.layer(net, node)?;
            graph.flows.push(flow);
        }
        graph.finish(net)
    }

    fn finish(mut self, net: &Net) -> Result<GraphProto> {
        let last = self.flows.last().cloned();
        let last = last.ok_or_else(|| Error::layer(0, "a network needs a layer"))?;
        let shape = net.shape_of(Value::of(net.layers().len() - 1));
        let name = net.output_name();
        self.push("Identity", &[&last.name], name, Vec::new());
        self.graph.output.push(described(name, shape, last.flat));
        Ok(self.graph)
    }

    #[expect(clippy::too_many_lines, reason = "one arm a layer")]
    fn layer(&mut self, net: &Net, node: &Node) -> Result<Flow> {
        let inputs: Vec<Flow> = node
            .inputs
            .iter()
            .map(|v| self.flows[v.0].clone())
            .collect();
        let own = value_name(net, node);
        let (first, name) = (&inputs[0], own.as_str());
        let mut flat = first.flat;
        match &node.layer {
            Layer::Dense(_) => {
                let input = self.flattened(first, name);
                flat = true;
                let mut operands = vec![input, self.weights(node)];
                operands.extend(self.bias(node));
                self.push_owned(
                    "Gemm",
                    &operands,
                    name,
                    vec![AttributeProto::int("transB", 1)],
                );
            }
            Layer::Conv(conv) => {
                if flat {
                    return Err(Error::layer(
                        name,
                        "a convolution of a vector can't be written",
                    ));
                }
                let mut operands = vec![first.name.clone(), self.weights(node)];
                operands.extend(self.bias(node));
                self.push_owned("Conv", &operands, name, window(conv));
            }
            Layer::Normalize(layer) => {
                let statistics = node.statistics.as_ref();
                let statistics =
                    statistics.ok_or_else(|| Error::layer(name, "it has no statistics"))?;
                let numbers = [
                    ("scale", node.values(Role::Scale)),
                    ("shift", node.values(Role::Shift)),
                    ("mean", &statistics.mean),
                    ("variance", &statistics.variance),
                ];
                let mut operands = vec![first.name.clone()];
                for (part, values) in numbers {
                    operands.push(self.constant(
                        &format!("{name}.{part}"),
                        &[values.len()],
                        values,
                    ));
                }
                let epsilon = vec![AttributeProto::float("epsilon", layer.epsilon)];
                self.push_owned("BatchNormalization", &operands, name, epsilon);
            }
            Layer::Activation(function) => self.activation(node, *function, &first.name, name),
            Layer::Pool(pool) => self.pool(pool, &first.name, name),
            Layer::GlobalAverage if flat => self.push("Identity", &[&first.name], name, Vec::new()),
            Layer::GlobalAverage => {
                let pooled = format!("{name}.pooled");
                self.push("GlobalAveragePool", &[&first.name], &pooled, Vec::new());
                let axis = vec![AttributeProto::int("axis", 1)];
                self.push("Flatten", &[&pooled], name, axis);
                flat = true;
            }
            Layer::Flatten => {
                self.push(
                    "Flatten",
                    &[&first.name],
                    name,
                    vec![AttributeProto::int("axis", 1)],
                );
                flat = true;
            }
            Layer::Dropout { .. } => self.push("Identity", &[&first.name], name, Vec::new()),
            Layer::Add => {
                let [left, right] = self.alike(&inputs, name);
                flat = first.flat || inputs[1].flat;
                self.push("Add", &[&left, &right], name, Vec::new());
            }
            Layer::Multiply => {
                let right = self.factor(net, node, &inputs);
                self.push("Mul", &[&first.name, &right], name, Vec::new());
            }
            Layer::Concat => {
                let operands: Vec<String> = inputs.iter().map(|flow| flow.name.clone()).collect();
                if inputs.iter().any(|flow| flow.flat != flat) {
                    return Err(Error::layer(
                        name,
                        "vectors and planes can't be written as one",
                    ));
                }
                self.push_owned(
                    "Concat",
                    &operands,
                    name,
                    vec![AttributeProto::int("axis", 1)],
                );
            }
        }
        Ok(Flow {
            name: name.into(),
            flat,
        })
    }

    fn flattened(&mut self, flow: &Flow, name: &str) -> String {
        if flow.flat {
            return flow.name.clone();
        }
        let flat = format!("{name}.flat");
        self.push(
            "Flatten",
            &[&flow.name],
            &flat,
            vec![AttributeProto::int("axis", 1)],
        );
        flat
    }

    fn alike(&mut self, inputs: &[Flow], name: &str) -> [String; 2] {
        if inputs[0].flat == inputs[1].flat {
            return [inputs[0].name.clone(), inputs[1].name.clone()];
        }
        [
            self.flattened(&inputs[0], name),
            self.flattened(&inputs[1], name),
        ]
    }

    /// The second input of a product, with planes of one pixel where the first has planes.
    fn factor(&mut self, net: &Net, node: &Node, inputs: &[Flow]) -> String {
        let right = inputs[1].name.clone();
        if inputs[0].flat || !inputs[1].flat {
            return right;
        }
        let channels = net.shape_of(node.inputs[1]).channels as i64;
        let shape = format!("{}.shape", node.name);
        self.graph
            .initializer
            .push(TensorProto::new(&shape, &[4], &[-1, channels, 1, 1]));
        let factor = format!("{}.factor", node.name);
        self.push("Reshape", &[&right, &shape], &factor, Vec::new());
        factor
    }

    /// The weights as the forward pass sees them: numbers, or int8 with a step a channel.
    fn weights(&mut self, node: &Node) -> String {
        let name = format!("{}.weight", node.name);
        let Some(parameter) = node.parameter(Role::Weight) else {
            return name;
        };
        if let Some(Weights::LearnedStep { bits }) = node.weights() {
            let most = Weights::steps(bits);
            let steps = node.steps();
            let row = parameter.values.len() / steps.len().max(1);
            let level = |(place, w): (usize, &f32)| {
                round((w / steps[place / row]).clamp(-most, most)) as i8
            };
            let whole: Vec<i8> = parameter.values.iter().enumerate().map(level).collect();
            let (mut stored, step) = (format!("{name}.levels"), format!("{name}.step"));
            let narrow = bits <= NARROW;
            let tensor = if narrow {
                TensorProto::of_halves(&stored, &parameter.shape, &whole)
            } else {
                TensorProto::new(&stored, &parameter.shape, &whole)
            };
            self.graph.initializer.push(tensor);
            if narrow {
                // Engines widen them once, as they load the file.
                let wide = format!("{name}.wide");
                let to = vec![AttributeProto::int("to", DataType::I8 as i64)];
                self.push("Cast", &[&stored], &wide, to);
                stored = wide;
            }
            self.constant(&step, &[steps.len()], &steps);
            let zero = format!("{name}.zero");
            self.graph.initializer.push(TensorProto::new(
                &zero,
                &[steps.len()],
                &vec![0i8; steps.len()],
            ));
            let axis = vec![AttributeProto::int("axis", 0)];
            self.push("DequantizeLinear", &[&stored, &step, &zero], &name, axis);
            return name;
        }
        let seen = node.seen_weights().unwrap_or_default();
        self.constant(&name, &parameter.shape.clone(), &seen)
    }

    fn bias(&mut self, node: &Node) -> Option<String> {
        let bias = node.parameter(Role::Bias)?;
        Some(self.constant(
            &format!("{}.bias", node.name),
            &[bias.values.len()],
            &bias.values,
        ))
    }

    fn activation(&mut self, node: &Node, function: Activation, input: &str, name: &str) {
        match function {
            Activation::Relu => self.push("Relu", &[input], name, Vec::new()),
            Activation::Clip { low, high } => self.clip(input, name, low, high),
            Activation::Sigmoid => self.push("Sigmoid", &[input], name, Vec::new()),
            Activation::HardSigmoid => {
                let attributes = vec![
                    AttributeProto::float("alpha", 1.0 / 6.0),
                    AttributeProto::float("beta", 0.5),
                ];
                self.push("HardSigmoid", &[input], name, attributes);
            }
            Activation::HardSwish => self.push("HardSwish", &[input], name, Vec::new()),
            Activation::Sign => {
                // ONNX's own Sign has a zero.
                let [zero, one, less] = [("zero", 0.0), ("one", 1.0), ("less", -1.0)]
                    .map(|(part, value)| self.constant(&format!("{name}.{part}"), &[], &[value]));
                let test = format!("{name}.test");
                self.push("GreaterOrEqual", &[input, &zero], &test, Vec::new());
                self.push("Where", &[&test, &one, &less], name, Vec::new());
            }
            Activation::Levels { bits, limit } => {
                let most = ((1u32 << bits) - 1) as f32;
                self.quantize(input, name, limit / most, (0.0, most));
            }
            Activation::LearnedStep { bits, signed } => {
                let step = node.values(Role::Step).first().copied().unwrap_or(0.0);
                self.quantize(input, name, step.max(SMALLEST_STEP), levels(bits, signed));
            }
        }
    }

    fn clip(&mut self, input: &str, name: &str, low: f32, high: f32) {
        let low = self.constant(&format!("{name}.low"), &[], &[low]);
        let high = self.constant(&format!("{name}.high"), &[], &[high]);
        self.push("Clip", &[input, &low, &high], name, Vec::new());
    }

    /// Rounds to whole steps between two levels.
    fn quantize(&mut self, input: &str, name: &str, step: f32, (low, high): (f32, f32)) {
        let (scale, zero) = (format!("{name}.step"), format!("{name}.zero"));
        self.constant(&scale, &[], &[step]);
        let zeros = if low < 0.0 {
            TensorProto::new(&zero, &[], &[0i8])
        } else {
            TensorProto::new(&zero, &[], &[0u8])
        };
        self.graph.initializer.push(zeros);
        // Eight unsigned bits saturate where they should; fewer, or symmetric ones, don't.
        let mut source = input.to_owned();
        if low < 0.0 || high < 255.0 {
            source = format!("{name}.clipped");
            self.clip(input, &source, low * step, high * step);
        }
        let whole = format!("{name}.whole");
        self.push(
            "QuantizeLinear",
            &[&source, &scale, &zero],
            &whole,
            Vec::new(),
        );
        self.push(
            "DequantizeLinear",
            &[&whole, &scale, &zero],
            name,
            Vec::new(),
        );
    }

    fn pool(&mut self, pool: &Pool, input: &str, name: &str) {
        let attributes = vec![
            AttributeProto::ints("kernel_shape", &signed(&pool.kernel)),
            AttributeProto::ints("pads", &signed(&pool.padding)),
            AttributeProto::ints("strides", &signed(&pool.stride)),
        ];
        let operator = match pool.pooling {
            Pooling::Max => "MaxPool",
            Pooling::Average => "AveragePool",
        };
        self.push(operator, &[input], name, attributes);
    }

    fn constant(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        self.graph
            .initializer
            .push(TensorProto::new(name, dims, values));
        name.into()
    }

    fn push_owned(
        &mut self,
        operator: &str,
        inputs: &[String],
        output: &str,
        attributes: Vec<AttributeProto>,
    ) {
        let inputs = inputs.iter().map(String::as_str);
        self.graph
            .node
            .push(NodeProto::new(operator, inputs, output, attributes));
    }

    fn push(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: Vec<AttributeProto>,
    ) {
        let inputs = inputs.iter().copied();
        self.graph
            .node
            .push(NodeProto::new(operator, inputs, output, attributes));
    }
}

fn window(conv: &Conv) -> Vec<AttributeProto> {
    vec![
        AttributeProto::ints("dilations", &[1, 1]),
        AttributeProto::int("group", conv.groups as i64),
        AttributeProto::ints("kernel_shape", &signed(&conv.kernel)),
        AttributeProto::ints("pads", &signed(&conv.padding)),
        AttributeProto::ints("strides", &signed(&conv.stride)),
    ]
}

fn signed(sizes: &[usize]) -> Vec<i64> {
    sizes.iter().map(|&size| size as i64).collect()
}

/// A value of any number of samples.
fn described(name: &str, shape: Shape, flat: bool) -> ValueInfoProto {
    let sizes = [1, shape.channels, shape.height, shape.width];
    let sizes = if flat {
        vec![1, shape.len()]
    } else {
        sizes.to_vec()
    };
    let mut value = ValueInfoProto::tensor(name, DataType::F32, &sizes);
    if let Some(type_proto::Value::TensorType(tensor)) =
        value.r#type.as_mut().and_then(|kind| kind.value.as_mut())
        && let Some(first) = tensor
            .shape
            .as_mut()
            .and_then(|shape| shape.dim.first_mut())
    {
        *first = Dimension {
            value: Some(Size::DimParam("samples".into())),
            denotation: String::new(),
        };
    }
    value
}

/// What the value of a layer is called: as the layer, unless the whole network's input or output
/// is called so.
fn value_name(net: &Net, node: &Node) -> String {
    let taken = |name: &str| name != node.name && net.layers().iter().any(|one| one.name == name);
    let mut name = node.name.clone();
    while [net.input_name(), net.output_name()].contains(&name.as_str()) || taken(&name) {
        name.push_str(".layer");
    }
    name
}
