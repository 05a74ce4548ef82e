//! The vocabulary of layers: what each is, which sizes it takes and gives.

use serde::{Deserialize, Serialize};

use crate::shape::Shape;
use crate::weights::Weights;

/// Widest kernel, stride and padding that is believed.
const MAX_WINDOW: usize = 1 << 12;
/// Most numbers of one sample's value: a larger one is a mistake.
pub(crate) const MAX_VALUE: usize = 1 << 28;

/// One step of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// A linear layer; what enters is read as a vector.
    Dense(Dense),
    /// A convolution, grouped or depthwise or along a series.
    Conv(Conv),
    /// Batch normalization over each channel.
    Normalize(Normalize),
    /// A function of each number.
    Activation(Activation),
    /// The largest or the mean of each window.
    Pool(Pool),
    /// The mean of each channel.
    GlobalAverage,
    /// A vector of all numbers.
    Flatten,
    /// While training, sets numbers to zero at this rate and scales the others up.
    Dropout {
        /// Share of the numbers that are lost.
        rate: f32,
    },
    /// The sum of two values of one shape.
    Add,
    /// The product of two values; the second may have one number a channel.
    Multiply,
    /// The channels of all inputs, one after the other.
    Concat,
}

/// A linear layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// Numbers that leave.
    pub outputs: usize,
    /// Whether a bias is added.
    pub bias: bool,
    /// How the weights are seen by the forward pass.
    #[serde(default)]
    pub weights: Weights,
}

/// A convolution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// Channels that leave.
    pub outputs: usize,
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Steps between windows, along rows and columns.
    pub stride: [usize; 2],
    /// Zeros around the image: top, left, bottom, right.
    pub padding: [usize; 4],
    /// Groups of channels that don't see each other.
    pub groups: usize,
    /// Whether a bias is added.
    pub bias: bool,
    /// How the weights are seen by the forward pass.
    #[serde(default)]
    pub weights: Weights,
}

/// Batch normalization.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalize {
    /// Added to the variance.
    pub epsilon: f32,
    /// How much of the running statistics a batch replaces.
    pub momentum: f32,
}

impl Default for Normalize {
    fn default() -> Self {
        Self {
            epsilon: 1e-5,
            momentum: 0.1,
        }
    }
}

/// A function of each number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Negative numbers become zero.
    Relu,
    /// Numbers stay between two bounds.
    Clip {
        /// Lower bound.
        low: f32,
        /// Upper bound.
        high: f32,
    },
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// clip(x/6 + ½, 0, 1).
    HardSigmoid,
    /// x · clip(x/6 + ½, 0, 1).
    HardSwish,
    /// +1 for x ≥ 0, else −1; the gradient passes where |x| ≤ 1 (Courbariaux et al. 2016, 1.3).
    Sign,
    /// 2^bits levels of 0..limit; the gradient passes inside (Zhou et al. 2016, DoReFa, 2.5).
    Levels {
        /// 1 to 8.
        bits: u8,
        /// The highest level.
        limit: f32,
    },
    /// Levels whose step is learned (Esser et al. 2020, LSQ, 2.1). A parameter holds the step.
    LearnedStep {
        /// 2 to 8.
        bits: u8,
        /// Whether there are levels below zero.
        signed: bool,
    },
}

/// What a window becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// Its largest number.
    Max,
    /// The mean of its numbers inside the image.
    Average,
}

/// Windows over each channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// What a window becomes.
    pub pooling: Pooling,
    /// Rows and columns of a window.
    pub kernel: [usize; 2],
    /// Steps between windows.
    pub stride: [usize; 2],
    /// Border: top, left, bottom, right; it never wins and never counts.
    pub padding: [usize; 4],
}

impl Conv {
    /// Whether each channel has its own kernels.
    pub const fn is_depthwise(&self, inputs: usize) -> bool {
        self.groups == inputs && self.groups > 1
    }
}

/// Windows along both axes: outputs, or why there are none.
pub(crate) fn windows(
    input: Shape,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 4],
) -> Result<[usize; 2], String> {
    let sizes = kernel.iter().chain(&stride);
    if sizes.clone().any(|&size| size == 0) || sizes.chain(&padding).any(|&s| s > MAX_WINDOW) {
        return Err(format!(
            "kernel {kernel:?} and stride {stride:?} must be in 1..={MAX_WINDOW}"
        ));
    }
    let mut output = [0; 2];
    for (axis, size) in [input.height, input.width].into_iter().enumerate() {
        let padded = size + padding[axis] + padding[axis + 2];
        if padded < kernel[axis] {
            return Err(format!("a window of {kernel:?} does not fit into {input}"));
        }
        output[axis] = (padded - kernel[axis]) / stride[axis] + 1;
    }
    Ok(output)
}

impl Layer {
    /// The shape that leaves when these enter; what does not fit, otherwise.
    pub(crate) fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [first, ..] = inputs else {
            return Err("it has no input".into());
        };
        let single = !matches!(self, Self::Add | Self::Multiply | Self::Concat);
        if single && inputs.len() != 1 {
            return Err(format!("it takes one input, not {}", inputs.len()));
        }
        let shape = self.shape(*first, inputs)?;
        if shape.is_empty() || shape.len() > MAX_VALUE {
            return Err(format!(
                "its output would have the impossible shape {shape}"
            ));
        }
        Ok(shape)
    }

    fn shape(&self, first: Shape, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(match self {
            Self::Dense(dense) => Shape::flat(dense.outputs),
            Self::Conv(conv) => {
                let groups = conv.groups;
                let even = |channels: usize| groups > 0 && channels.is_multiple_of(groups);
                if !even(first.channels) || !even(conv.outputs) {
                    let (from, to) = (first.channels, conv.outputs);
                    return Err(format!(
                        "{from} and {to} channels don't split into {groups} groups"
                    ));
                }
                let [height, width] = windows(first, conv.kernel, conv.stride, conv.padding)?;
                Shape::image(conv.outputs, height, width)
            }
            Self::Pool(pool) => {
                let over = |axis: usize| pool.padding[axis] >= pool.kernel[axis % 2];
                if (0..4).any(over) {
                    return Err("its padding must be smaller than its window".into());
                }
                let [height, width] = windows(first, pool.kernel, pool.stride, pool.padding)?;
                Shape::image(first.channels, height, width)
            }
            Self::GlobalAverage => Shape::flat(first.channels),
            Self::Flatten => Shape::flat(first.len()),
            Self::Dropout { rate } if !(0.0..1.0).contains(rate) => {
                return Err(format!("its rate {rate} must be in 0..1"));
            }
            Self::Add => match inputs {
                [left, right] if left == right => first,
                _ => return Err(format!("it adds two values of one shape, not {inputs:?}")),
            },
            Self::Multiply => match inputs {
                [left, right] if left == right || *right == Shape::flat(left.channels) => first,
                _ => return Err(format!("it can't multiply {inputs:?}")),
            },
            Self::Concat => {
                let same = |s: &&Shape| (s.height, s.width) == (first.height, first.width);
                if inputs.iter().filter(same).count() != inputs.len() {
                    return Err("its inputs differ in height or width".into());
                }
                let channels = inputs.iter().map(|shape| shape.channels).sum();
                Shape { channels, ..first }
            }
            Self::Normalize(_) | Self::Activation(_) | Self::Dropout { .. } => first,
        })
    }
}
