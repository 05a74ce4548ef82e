//! The layers that the networks here are made of, laid one after the other into a graph.

use super::weights::{Role, WeightSource, Weights};
use super::{INPUT, OUTPUT};
use crate::{Error, Result};
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
    /// None.
    Nothing,
}

/// What follows a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    Relu,
    /// x times a ramp from -3 to 3.
    HardSwish,
    /// A ramp from -3 to 3.
    HardSigmoid,
}

/// A window whose largest value, or mean, is taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pool {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
    /// Windows may reach beyond the image.
    pub(super) ceil: bool,
}

/// A list of numbers, behind the images.
#[derive(Debug, Clone)]
pub(super) struct Vector {
    pub(super) name: String,
    pub(super) length: usize,
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

impl Convolution {
    /// All inputs go into every output.
    pub(super) const fn dense(outputs: usize, kernel: usize, stride: usize) -> Self {
        Self {
            outputs,
            kernel,
            stride,
            groups: 1,
            padding: Padding::Even,
        }
    }

    /// Every channel on its own.
    pub(super) const fn depthwise(channels: usize, kernel: usize, stride: usize) -> Self {
        Self {
            outputs: channels,
            kernel,
            stride,
            groups: channels,
            padding: Padding::Even,
        }
    }

    /// The same in groups.
    pub(super) const fn grouped(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// The same with other borders.
    pub(super) const fn padded(self, padding: Padding) -> Self {
        Self { padding, ..self }
    }
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
        let tensor = self.weights.take(name, shape, role)?;
        self.graph.initializer.push(tensor);
        Ok(())
    }

    /// A convolution without bias; its weight is `<path>.weight`.
    pub(super) fn convolve(&mut self, path: &str, from: &Flow, layer: Convolution) -> Result<Flow> {
        self.convolution(path, from, layer, false)
    }

    /// A convolution with a bias, `<path>.bias`.
    pub(super) fn convolve_biased(
        &mut self,
        path: &str,
        from: &Flow,
        layer: Convolution,
    ) -> Result<Flow> {
        self.convolution(path, from, layer, true)
    }

    fn convolution(
        &mut self,
        path: &str,
        from: &Flow,
        layer: Convolution,
        biased: bool,
    ) -> Result<Flow> {
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
        let bias = format!("{path}.bias");
        if biased {
            self.constant(&bias, &[outputs], Role::Shift)?;
        }
        let (before, after, side) =
            borders(from.side, kernel, stride, padding).ok_or_else(|| too_small(path))?;
        let (before, after) = (before as i64, after as i64);
        let attributes = vec![
            AttributeProto::ints("dilations", &[1, 1]),
            AttributeProto::int("group", groups as i64),
            AttributeProto::ints("kernel_shape", &[kernel as i64; 2]),
            AttributeProto::ints("pads", &[before, before, after, after]),
            AttributeProto::ints("strides", &[stride as i64; 2]),
        ];
        let output = format!("{path}.output");
        let mut inputs = vec![from.name.as_str(), &weight];
        inputs.extend(biased.then_some(bias.as_str()));
        self.push("Conv", &inputs, &output, attributes);
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

    /// An activation.
    pub(super) fn activate(&mut self, path: &str, from: &Flow, activation: Activation) -> Flow {
        let output = match activation {
            Activation::Relu => format!("{path}.positive"),
            Activation::HardSwish => format!("{path}.swish"),
            Activation::HardSigmoid => format!("{path}.gate"),
        };
        let (operator, attributes) = match activation {
            Activation::Relu => ("Relu", Vec::new()),
            Activation::HardSwish => ("HardSwish", Vec::new()),
            Activation::HardSigmoid => (
                "HardSigmoid",
                vec![
                    AttributeProto::float("alpha", 1.0 / 6.0),
                    AttributeProto::float("beta", 0.5),
                ],
            ),
        };
        self.push(operator, &[&from.name], &output, attributes);
        Flow {
            name: output,
            ..from.clone()
        }
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

    /// The product of an image and a factor for each of its channels.
    pub(super) fn scale(&mut self, path: &str, image: &Flow, factors: &Flow) -> Flow {
        let output = format!("{path}.scaled");
        self.push("Mul", &[&image.name, &factors.name], &output, Vec::new());
        Flow {
            name: output,
            ..image.clone()
        }
    }

    /// Images of one size, channel behind channel.
    pub(super) fn concatenate(&mut self, path: &str, parts: &[Flow]) -> Flow {
        let output = format!("{path}.joined");
        let inputs: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
        self.push(
            "Concat",
            &inputs,
            &output,
            vec![AttributeProto::int("axis", 1)],
        );
        Flow {
            name: output,
            channels: parts.iter().map(|part| part.channels).sum(),
            side: parts[0].side,
        }
    }

    /// The largest value of each window.
    pub(super) fn largest(&mut self, path: &str, from: &Flow, pool: Pool) -> Result<Flow> {
        self.pool("MaxPool", path, from, pool)
    }

    /// The mean of each window, the borders counted as zeros.
    pub(super) fn average(&mut self, path: &str, from: &Flow, pool: Pool) -> Result<Flow> {
        self.pool("AveragePool", path, from, pool)
    }

    fn pool(&mut self, operator: &str, path: &str, from: &Flow, pool: Pool) -> Result<Flow> {
        let Pool {
            kernel,
            stride,
            padding,
            ceil,
        } = pool;
        let room = (from.side + 2 * padding).checked_sub(kernel);
        let room = room.ok_or_else(|| too_small(path))?;
        let mut side = if ceil {
            room.div_ceil(stride)
        } else {
            room / stride
        } + 1;
        // A window may not begin in the border behind the image.
        if (side - 1) * stride >= from.side + padding {
            side -= 1;
        }
        let mut attributes = vec![
            AttributeProto::int("ceil_mode", i64::from(ceil)),
            AttributeProto::ints("kernel_shape", &[kernel as i64; 2]),
            AttributeProto::ints("pads", &[padding as i64; 4]),
            AttributeProto::ints("strides", &[stride as i64; 2]),
        ];
        if operator == "AveragePool" {
            attributes.push(AttributeProto::int("count_include_pad", 1));
        }
        let output = format!("{path}.pooled");
        self.push(operator, &[&from.name], &output, attributes);
        Ok(Flow {
            name: output,
            side,
            ..from.clone()
        })
    }

    /// Local response normalization over five channels: value / (bias + alpha / 5 * squares)^0.75.
    pub(super) fn compete(&mut self, path: &str, from: &Flow, alpha: f32, bias: f32) -> Flow {
        let output = format!("{path}.normalized");
        let attributes = vec![
            AttributeProto::float("alpha", alpha),
            AttributeProto::float("beta", 0.75),
            AttributeProto::float("bias", bias),
            AttributeProto::int("size", 5),
        ];
        self.push("LRN", &[&from.name], &output, attributes);
        Flow {
            name: output,
            ..from.clone()
        }
    }

    /// Deals channels out, one group's first, the next group's first and so on.
    pub(super) fn shuffle(&mut self, path: &str, from: &Flow, groups: usize) -> Flow {
        let (side, per_group) = (from.side as i64, (from.channels / groups) as i64);
        let shapes = [
            ("split", vec![1, groups as i64, per_group, side, side]),
            ("merged", vec![1, from.channels as i64, side, side]),
        ];
        let [split, merged] = shapes.map(|(part, shape)| {
            let name = format!("{path}.{part}.shape");
            let tensor = TensorProto::new(&name, &[shape.len()], &shape);
            self.graph.initializer.push(tensor);
            (name, format!("{path}.{part}"))
        });
        let dealt = format!("{path}.dealt");
        self.push("Reshape", &[&from.name, &split.0], &split.1, Vec::new());
        let order = vec![AttributeProto::ints("perm", &[0, 2, 1, 3, 4])];
        self.push("Transpose", &[&split.1], &dealt, order);
        self.push("Reshape", &[&dealt, &merged.0], &merged.1, Vec::new());
        Flow {
            name: merged.1,
            ..from.clone()
        }
    }

    /// The mean of each channel, still an image, of one pixel.
    pub(super) fn mean(&mut self, path: &str, from: &Flow) -> Flow {
        let output = format!("{path}.mean");
        self.push("GlobalAveragePool", &[&from.name], &output, Vec::new());
        Flow {
            name: output,
            side: 1,
            ..from.clone()
        }
    }

    /// The numbers of an image as a list.
    pub(super) fn flatten(&mut self, name: &str, from: &Flow) -> Vector {
        let axis = vec![AttributeProto::int("axis", 1)];
        self.push("Flatten", &[&from.name], name, axis);
        Vector {
            name: name.into(),
            length: from.channels * from.side * from.side,
        }
    }

    /// A linear layer with a bias, whose output is called `output`.
    pub(super) fn linear(
        &mut self,
        path: &str,
        from: &Vector,
        length: usize,
        output: &str,
    ) -> Result<Vector> {
        let (weight, bias) = (format!("{path}.weight"), format!("{path}.bias"));
        let role = Role::Kernel {
            fan_in: from.length,
        };
        self.constant(&weight, &[length, from.length], role)?;
        self.constant(&bias, &[length], Role::Shift)?;
        let transposed = vec![AttributeProto::int("transB", 1)];
        self.push("Gemm", &[&from.name, &weight, &bias], output, transposed);
        Ok(Vector {
            name: output.into(),
            length,
        })
    }

    /// A linear layer and an activation.
    pub(super) fn hidden(
        &mut self,
        path: &str,
        from: &Vector,
        length: usize,
        activation: Activation,
    ) -> Result<Vector> {
        let Vector { name, .. } = self.linear(path, from, length, &format!("{path}.output"))?;
        let flow = Flow {
            name,
            channels: length,
            side: 1,
        };
        let Flow { name, .. } = self.activate(path, &flow, activation);
        Ok(Vector { name, length })
    }

    /// The mean of each channel, then a linear layer that makes the logits.
    pub(super) fn classify(&mut self, path: &str, from: &Flow, classes: usize) -> Result<()> {
        let pooled = self.mean("last", from);
        let flat = self.flatten("flat", &pooled);
        self.logits(path, &flat, classes)
    }

    /// A linear layer that makes the logits.
    pub(super) fn logits(&mut self, path: &str, from: &Vector, classes: usize) -> Result<()> {
        self.linear(path, from, classes, OUTPUT)?;
        self.answer(classes);
        Ok(())
    }

    /// Declares the logits, which a node has made.
    pub(super) fn answer(&mut self, classes: usize) {
        let logits = ValueInfoProto::tensor(OUTPUT, DataType::F32, &[1, classes]);
        self.graph.output.push(logits);
    }

    fn push(&mut self, op: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) {
        let node = NodeProto::new(op, inputs.iter().copied(), output, attributes);
        self.graph.node.push(node);
    }
}

/// Pixels added before and after, and the output's side; none if the kernel does not fit.
fn borders(
    side: usize,
    kernel: usize,
    stride: usize,
    padding: Padding,
) -> Option<(usize, usize, usize)> {
    let even = |half: usize| {
        let room = (side + 2 * half).checked_sub(kernel)?;
        Some((half, half, room / stride + 1))
    };
    match padding {
        Padding::Even => even(kernel / 2),
        Padding::Nothing => even(0),
        Padding::Same => {
            let output = side.div_ceil(stride);
            let total = ((output - 1) * stride + kernel).saturating_sub(side);
            Some((total / 2, total - total / 2, output))
        }
    }
}

fn too_small(path: &str) -> Error {
    Error::Description(format!(
        "nothing is left of the image at {path}; choose a higher resolution"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_keep_to_each_convention() {
        assert_eq!(borders(224, 3, 2, Padding::Even), Some((1, 1, 112)));
        assert_eq!(borders(224, 3, 2, Padding::Same), Some((0, 1, 112)));
        assert_eq!(borders(56, 5, 2, Padding::Same), Some((1, 2, 28)));
        assert_eq!(borders(7, 3, 1, Padding::Same), Some((1, 1, 7)));
        assert_eq!(borders(227, 11, 4, Padding::Nothing), Some((0, 0, 55)));
        assert_eq!(borders(2, 3, 1, Padding::Nothing), None);
    }
}
