//! The layers that the networks here are made of, laid one after the other into a graph.

use super::weights::{Role, WeightSource, Weights};
use super::{INPUT, OUTPUT};
use crate::Result;
use noroshi_onnx::{AttributeProto, DataType, GraphProto, NodeProto, TensorProto, ValueInfoProto};

/// The upper end of ReLU6.
const CEILING: f32 = 6.0;

/// How the border of an image is padded before a strided convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Padding {
    /// The same on both sides, half the kernel.
    Even,
    /// So that the output has size / stride pixels, an odd pixel after the image: TensorFlow's way.
    Same,
}

/// A value that flows through the network: an image of channels.
#[derive(Debug, Clone)]
pub(super) struct Flow {
    pub(super) name: String,
    pub(super) channels: usize,
    pub(super) side: usize,
}

/// What a convolution is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Convolution {
    pub(super) outputs: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) groups: usize,
    pub(super) padding: Padding,
}

/// A graph that grows layer by layer.
pub(super) struct Layers<'a> {
    graph: GraphProto,
    weights: WeightSource<'a>,
    resolution: usize,
}

impl<'a> Layers<'a> {
    pub(super) fn new(name: &str, resolution: usize, weights: Weights<'a>) -> Self {
        let shape = [1, 3, resolution, resolution];
        let graph = GraphProto {
            name: name.into(),
            input: vec![ValueInfoProto::tensor(INPUT, DataType::F32, &shape)],
            ..GraphProto::default()
        };
        Self {
            graph,
            weights: WeightSource::new(weights),
            resolution,
        }
    }

    /// The image that enters.
    pub(super) fn input(&self) -> Flow {
        Flow {
            name: INPUT.into(),
            channels: 3,
            side: self.resolution,
        }
    }

    /// The finished graph; an error if weights are left over.
    pub(super) fn finish(self) -> Result<GraphProto> {
        self.weights.finish()?;
        Ok(self.graph)
    }

    fn constant(&mut self, name: &str, shape: &[usize], role: Role) -> Result<()> {
        let values = self.weights.take(name, shape, role)?;
        self.graph
            .initializer
            .push(TensorProto::new(name, shape, &values));
        Ok(())
    }

    /// A convolution without bias; its weight is `<path>.weight`.
    pub(super) fn convolve(&mut self, path: &str, from: &Flow, layer: Convolution) -> Result<Flow> {
        let Convolution {
            outputs,
            kernel,
            stride,
            groups,
            padding,
        } = layer;
        let weight = format!("{path}.weight");
        let per_group = from.channels / groups;
        let role = Role::Kernel {
            fan_in: per_group * kernel * kernel,
        };
        self.constant(&weight, &[outputs, per_group, kernel, kernel], role)?;
        let (before, after, side) = borders(from.side, kernel, stride, padding);
        let (before, after) = (before as i64, after as i64);
        let attributes = vec![
            AttributeProto::ints("dilations", &[1, 1]),
            AttributeProto::int("group", groups as i64),
            AttributeProto::ints("kernel_shape", &[kernel as i64; 2]),
            AttributeProto::ints("pads", &[before, before, after, after]),
            AttributeProto::ints("strides", &[stride as i64; 2]),
        ];
        let output = format!("{path}.output");
        self.push("Conv", &[&from.name, &weight], &output, attributes);
        Ok(Flow {
            name: output,
            channels: outputs,
            side,
        })
    }

    /// A batch normalization with running statistics.
    pub(super) fn normalize(&mut self, path: &str, from: &Flow, epsilon: f32) -> Result<Flow> {
        let parts = [
            ("weight", Role::Scale),
            ("bias", Role::Shift),
            ("running_mean", Role::Mean),
            ("running_var", Role::Variance),
        ];
        let names = parts.map(|(part, _)| format!("{path}.{part}"));
        for (name, (_, role)) in names.iter().zip(parts) {
            self.constant(name, &[from.channels], role)?;
        }
        let output = format!("{path}.output");
        let mut inputs = vec![from.name.as_str()];
        inputs.extend(names.iter().map(String::as_str));
        let epsilon = vec![AttributeProto::float("epsilon", epsilon)];
        self.push("BatchNormalization", &inputs, &output, epsilon);
        Ok(Flow {
            name: output,
            ..from.clone()
        })
    }

    /// ReLU6: values below zero become zero, values above six become six.
    pub(super) fn clip(&mut self, path: &str, from: &Flow) -> Flow {
        for (name, bound) in [("relu6.low", 0.0), ("relu6.high", CEILING)] {
            if self.graph.initializer(name).is_none() {
                self.graph
                    .initializer
                    .push(TensorProto::new(name, &[], &[bound]));
            }
        }
        let output = format!("{path}.clipped");
        self.push(
            "Clip",
            &[&from.name, "relu6.low", "relu6.high"],
            &output,
            Vec::new(),
        );
        Flow {
            name: output,
            ..from.clone()
        }
    }

    /// The sum of two images of the same size.
    pub(super) fn add(&mut self, path: &str, left: &Flow, right: &Flow) -> Flow {
        let output = format!("{path}.sum");
        self.push("Add", &[&left.name, &right.name], &output, Vec::new());
        Flow {
            name: output,
            ..left.clone()
        }
    }

    /// The mean of each channel, then a linear layer that makes the logits.
    pub(super) fn classify(&mut self, path: &str, from: &Flow, classes: usize) -> Result<()> {
        self.push("GlobalAveragePool", &[&from.name], "pooled", Vec::new());
        self.push(
            "Flatten",
            &["pooled"],
            "flat",
            vec![AttributeProto::int("axis", 1)],
        );
        let (weight, bias) = (format!("{path}.weight"), format!("{path}.bias"));
        let role = Role::Kernel {
            fan_in: from.channels,
        };
        self.constant(&weight, &[classes, from.channels], role)?;
        self.constant(&bias, &[classes], Role::Shift)?;
        let transposed = vec![AttributeProto::int("transB", 1)];
        self.push("Gemm", &["flat", &weight, &bias], OUTPUT, transposed);
        let logits = ValueInfoProto::tensor(OUTPUT, DataType::F32, &[1, classes]);
        self.graph.output.push(logits);
        Ok(())
    }

    fn push(&mut self, op: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) {
        let node = NodeProto::new(op, inputs.iter().copied(), output, attributes);
        self.graph.node.push(node);
    }
}

/// Pixels added before and after, and the output's side.
fn borders(side: usize, kernel: usize, stride: usize, padding: Padding) -> (usize, usize, usize) {
    match padding {
        Padding::Even => {
            let half = kernel / 2;
            (half, half, (side + 2 * half - kernel) / stride + 1)
        }
        Padding::Same => {
            let output = side.div_ceil(stride);
            let total = ((output - 1) * stride + kernel).saturating_sub(side);
            (total / 2, total - total / 2, output)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_keep_to_each_convention() {
        assert_eq!(borders(224, 3, 2, Padding::Even), (1, 1, 112));
        assert_eq!(borders(224, 3, 2, Padding::Same), (0, 1, 112));
        assert_eq!(borders(56, 5, 2, Padding::Same), (1, 2, 28));
        assert_eq!(borders(7, 3, 1, Padding::Same), (1, 1, 7));
    }
}
