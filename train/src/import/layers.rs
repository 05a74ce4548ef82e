//! Node by node into layers.

use noroshi_onnx::NodeProto;

use super::Importer;
use super::windows::{sizes, windows};
use crate::layer::{Activation, Conv, Dense, Layer, Normalize, Pool, Pooling};
use crate::net::{Node, Parameter, Role, Statistics, Value};
use crate::shape::Shape;
use crate::weights::Weights;

type Taken = Result<Option<Value>, String>;

impl<'a> Importer<'a> {
    /// Takes a node: the value it gives, or none if that is constant.
    pub(super) fn node(&mut self, node: &'a NodeProto) -> Taken {
        match node.op_type.as_str() {
            "Constant" => {
                let tensor = node
                    .attribute("value")
                    .and_then(|attribute| attribute.t.as_ref());
                let tensor = tensor.ok_or("only constants that are tensors are read")?;
                let output = node.output.first().ok_or("it has no output")?;
                self.constants.insert(output, tensor);
                Ok(None)
            }
            "Conv" => self.conv(node),
            "Gemm" | "MatMul" => self.dense(node),
            "BatchNormalization" => self.normalize(node),
            "Add" => self.add(node),
            "Mul" => self.multiply(node),
            "Concat" => self.concat(node),
            "MaxPool" | "AveragePool" => self.pool(node),
            "GlobalAveragePool" => self.plain(node, Layer::GlobalAverage),
            "ReduceMean" => self.reduce(node),
            "Identity" | "Dropout" | "Unsqueeze" => self.value(node, 0).map(Some),
            "Flatten" | "Reshape" | "Squeeze" => self.flatten(node),
            _ => self.activation(node),
        }
    }

    fn shape(&self, node: &NodeProto) -> Result<Shape, String> {
        Ok(self.net.shape_of(self.value(node, 0)?))
    }

    fn plain(&mut self, node: &NodeProto, layer: Layer) -> Taken {
        let input = self.value(node, 0)?;
        self.push(node, layer, vec![input], |_| Ok(()))
    }

    fn product(
        &mut self,
        node: &NodeProto,
        layer: Layer,
        weights: Vec<f32>,
        bias: Option<Vec<f32>>,
    ) -> Taken {
        let input = self.value(node, 0)?;
        self.push(node, layer, vec![input], |node| {
            put(node, Role::Weight, weights)?;
            bias.map_or(Ok(()), |bias| put(node, Role::Bias, bias))
        })
    }

    fn conv(&mut self, node: &NodeProto) -> Taken {
        let dims = self.sizes(node, 1)?;
        let [outputs, _, kernel @ ..] = dims.as_slice() else {
            return Err(format!("weights of {dims:?}"));
        };
        let windows = windows(node, self.shape(node)?, kernel)?;
        let groups = usize::try_from(node.int("group").unwrap_or(1)).unwrap_or(0);
        let weights = self.numbers(node, 1)?;
        let bias = node.input(2).map(|_| self.numbers(node, 2)).transpose()?;
        let layer = Layer::Conv(Conv {
            outputs: *outputs,
            kernel: windows.kernel,
            stride: windows.stride,
            padding: windows.padding,
            groups,
            bias: bias.is_some(),
            weights: Weights::Float,
        });
        self.product(node, layer, weights, bias)
    }

    fn dense(&mut self, node: &NodeProto) -> Taken {
        let gemm = node.op_type == "Gemm";
        let plain = |name: &str| (node.float(name).unwrap_or(1.0) - 1.0).abs() < f32::EPSILON;
        if gemm && (node.int("transA").unwrap_or(0) != 0 || !plain("alpha") || !plain("beta")) {
            return Err("only x·W + b is read, without transA, alpha and beta".into());
        }
        let transposed = gemm && node.int("transB").unwrap_or(0) != 0;
        let dims = self.sizes(node, 1)?;
        let &[first, second] = dims.as_slice() else {
            return Err(format!("weights of {dims:?}"));
        };
        let mut weights = self.numbers(node, 1)?;
        let outputs = if transposed { first } else { second };
        if !transposed {
            weights = (0..second)
                .flat_map(|column| weights.iter().skip(column).step_by(second))
                .copied()
                .collect();
        }
        if self.shape(node)?.plane() != 1 {
            return Err("it reads planes; flatten them first".into());
        }
        let bias = node.input(2).map(|_| self.numbers(node, 2)).transpose()?;
        let layer = Layer::Dense(Dense {
            outputs,
            bias: bias.is_some(),
            weights: Weights::Float,
        });
        self.product(node, layer, weights, bias)
    }

    fn normalize(&mut self, node: &NodeProto) -> Taken {
        let mut parts = (1..5).map(|place| self.numbers(node, place));
        let mut next = || {
            parts
                .next()
                .unwrap_or_else(|| Err("a part is missing".into()))
        };
        let (scale, shift, mean, variance) = (next()?, next()?, next()?, next()?);
        let layer = Layer::Normalize(Normalize {
            epsilon: node.float("epsilon").unwrap_or(1e-5),
            ..Normalize::default()
        });
        let input = self.value(node, 0)?;
        self.push(node, layer, vec![input], |node| {
            let channels = node.output.channels;
            if mean.len() != channels || variance.len() != channels {
                return Err(format!(
                    "its statistics are not those of {channels} channels"
                ));
            }
            node.statistics = Some(Statistics { mean, variance });
            put(node, Role::Scale, scale)?;
            put(node, Role::Shift, shift)
        })
    }

    /// A sum of two values, or the bias of the linear layer before.
    fn add(&mut self, node: &NodeProto) -> Taken {
        let constant = (0..2).find(|&place| {
            node.input(place)
                .is_some_and(|n| self.constant(n).is_some())
        });
        let Some(place) = constant else {
            let inputs = vec![self.value(node, 0)?, self.value(node, 1)?];
            return self.push(node, Layer::Add, inputs, |_| Ok(()));
        };
        let bias = self.numbers(node, place)?;
        let name = node.input(1 - place).ok_or("an input is missing")?;
        let value = self.value(node, 1 - place)?;
        let only = self.index.only_reader(name).is_some();
        let before = value
            .place()
            .filter(|_| only)
            .map(|place| &mut self.net.layers_mut()[place]);
        match before {
            Some(before) if bias.len() == before.output.channels => {
                let (Layer::Dense(Dense { bias: has, .. }) | Layer::Conv(Conv { bias: has, .. })) =
                    &mut before.layer
                else {
                    return Err("a constant is added to what is no linear layer".into());
                };
                if *has {
                    return Err("two constants are added one after the other".into());
                }
                *has = true;
                before.parameters.push(Parameter::bias(bias));
                Ok(Some(value))
            }
            _ => Err("a constant is added to what is no linear layer".into()),
        }
    }

    fn multiply(&mut self, node: &NodeProto) -> Taken {
        let mut inputs = vec![self.value(node, 0)?, self.value(node, 1)?];
        let planes = |value: &Value| self.net.shape_of(*value).plane();
        // A gate of one number a channel stands second.
        if planes(&inputs[0]) < planes(&inputs[1]) {
            inputs.swap(0, 1);
        }
        self.push(node, Layer::Multiply, inputs, |_| Ok(()))
    }

    fn concat(&mut self, node: &NodeProto) -> Taken {
        if !matches!(node.int("axis"), Some(1 | -3)) {
            return Err("only channels (axis 1) can be joined".into());
        }
        let inputs = (0..node.input.len()).map(|place| self.value(node, place));
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        self.push(node, Layer::Concat, inputs, |_| Ok(()))
    }

    fn pool(&mut self, node: &NodeProto) -> Taken {
        let kernel = sizes(node, "kernel_shape")?.ok_or("it has no kernel")?;
        let windows = windows(node, self.shape(node)?, &kernel)?;
        let max = node.op_type == "MaxPool";
        let counted = node.int("count_include_pad").unwrap_or(0) != 0;
        if node.output.len() > 1 || !max && counted && windows.padding != [0; 4] {
            return Err("neither places nor counted borders can be taught".into());
        }
        let layer = Layer::Pool(Pool {
            pooling: if max { Pooling::Max } else { Pooling::Average },
            kernel: windows.kernel,
            stride: windows.stride,
            padding: windows.padding,
        });
        self.plain(node, layer)
    }

    fn reduce(&mut self, node: &NodeProto) -> Taken {
        let axes = match node.ints("axes") {
            Some(axes) => axes.to_vec(),
            None => {
                let tensor = node.input(1).and_then(|name| self.constant(name));
                let tensor = tensor.ok_or("its axes must be constant")?;
                tensor.to_i64().map_err(|error| error.to_string())?
            }
        };
        if !matches!(axes.as_slice(), [2, 3] | [-2, -1]) {
            return Err(format!(
                "only the mean of each channel is read, not over {axes:?}"
            ));
        }
        self.plain(node, Layer::GlobalAverage)
    }

    /// Whatever keeps the numbers of each sample in one row.
    fn flatten(&mut self, node: &NodeProto) -> Taken {
        let shape = self.shape(node)?;
        if node.op_type == "Flatten" && !matches!(node.int("axis"), None | Some(1)) {
            return Err("only the axes after the batch can be flattened".into());
        }
        if node.op_type == "Reshape" && shape.plane() != 1 {
            let tensor = node.input(1).and_then(|name| self.constant(name));
            let tensor = tensor.ok_or("its shape must be constant")?;
            let sizes = tensor.to_i64().map_err(|error| error.to_string())?;
            if !matches!(sizes.as_slice(), [_, size] if *size == -1 || *size == shape.len() as i64)
            {
                return Err(format!(
                    "it makes {sizes:?} of {shape}; only vectors can be made"
                ));
            }
        }
        if shape.plane() == 1 {
            return self.value(node, 0).map(Some);
        }
        if node.op_type == "Squeeze" {
            return Err("axes of more than one number can't be squeezed".into());
        }
        self.plain(node, Layer::Flatten)
    }

    fn activation(&mut self, node: &NodeProto) -> Taken {
        let function = match node.op_type.as_str() {
            "Relu" => Activation::Relu,
            "Sigmoid" => Activation::Sigmoid,
            "HardSwish" => Activation::HardSwish,
            "HardSigmoid" => {
                let alpha = node.float("alpha").unwrap_or(0.2);
                let beta = node.float("beta").unwrap_or(0.5);
                if (alpha - 1.0 / 6.0).abs() > 1e-3 || (beta - 0.5).abs() > 1e-6 {
                    return Err(format!(
                        "clip({alpha}·x + {beta}) is another curve than x/6 + ½"
                    ));
                }
                Activation::HardSigmoid
            }
            "Clip" => {
                let bound = |place: usize, name: &str, default: f32| match node.input(place) {
                    Some(_) => Ok(self
                        .numbers(node, place)?
                        .first()
                        .copied()
                        .unwrap_or(default)),
                    None => Ok::<_, String>(node.float(name).unwrap_or(default)),
                };
                Activation::Clip {
                    low: bound(1, "min", f32::MIN)?,
                    high: bound(2, "max", f32::MAX)?,
                }
            }
            other => return Err(format!("{other} is not read")),
        };
        self.plain(node, Layer::Activation(function))
    }
}

/// Puts numbers into the parameter with this role.
fn put(node: &mut Node, role: Role, values: Vec<f32>) -> Result<(), String> {
    let parameter = node.parameter_mut(role).ok_or("it has no such numbers")?;
    if parameter.values.len() != values.len() {
        let (given, wanted) = (values.len(), parameter.values.len());
        return Err(format!("{given} numbers stand where {wanted} are needed"));
    }
    if !values.iter().all(|value| value.is_finite()) {
        return Err("its numbers are not all finite".into());
    }
    parameter.values = values;
    Ok(())
}
