//! Builds a network layer by layer.

use super::{Net, Value};
use crate::layer::{Activation, Conv, Dense, Layer, Normalize, Pool, Pooling};
use crate::random::Random;
use crate::shape::Shape;
use crate::weights::Weights;
use crate::{Error, Result};

/// A network in the making. Mistakes are told by [`NetBuilder::build`].
#[derive(Debug)]
pub struct NetBuilder {
    net: Net,
    random: Random,
    current: Value,
    weights: Weights,
    failure: Option<Error>,
}

impl NetBuilder {
    pub(super) fn new(input: Shape, seed: u64) -> Self {
        Self {
            net: Net::new(input),
            random: Random::of(seed, &[0x6e65_7477]),
            current: Value::INPUT,
            weights: Weights::Float,
            failure: None,
        }
    }

    /// How the weights of the layers that follow are seen.
    #[must_use]
    pub const fn weights(mut self, weights: Weights) -> Self {
        self.weights = weights;
        self
    }

    /// Adds any layer after the current value.
    #[must_use]
    pub fn layer(self, layer: Layer) -> Self {
        let inputs = vec![self.current];
        self.join(layer, inputs)
    }

    /// Adds a layer that reads the given values.
    #[must_use]
    pub fn join(mut self, layer: Layer, inputs: Vec<Value>) -> Self {
        if self.failure.is_some() {
            return self;
        }
        let name = format!("{}{}", word(&layer), self.net.nodes.len() + 1);
        match self.net.push(name, layer, inputs, &mut self.random) {
            Ok(value) => self.current = value,
            Err(error) => self.failure = Some(error),
        }
        self
    }

    /// Gives the newest layer another name than its kind and place.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        if self.net.find(name).is_some() && self.failure.is_none() {
            self.failure = Some(Error::layer(name, "its name is taken"));
        } else if let Some(node) = self.net.nodes.last_mut() {
            node.name = name.into();
        }
        self
    }

    /// The current value, to come back to it.
    pub const fn here(&self) -> Value {
        self.current
    }

    /// Goes on from another value.
    #[must_use]
    pub const fn from(mut self, value: Value) -> Self {
        self.current = value;
        self
    }

    /// A linear layer with bias.
    #[must_use]
    pub fn dense(self, outputs: usize) -> Self {
        self.dense_with(outputs, true)
    }

    /// A linear layer, for a normalization to follow it: without bias.
    #[must_use]
    pub fn dense_plain(self, outputs: usize) -> Self {
        self.dense_with(outputs, false)
    }

    fn dense_with(self, outputs: usize, bias: bool) -> Self {
        let weights = self.weights;
        self.layer(Layer::Dense(Dense {
            outputs,
            bias,
            weights,
        }))
    }

    /// A square convolution with bias. `padding` pixels of zeros on every side.
    #[must_use]
    pub fn conv(self, outputs: usize, kernel: usize, stride: usize, padding: usize) -> Self {
        self.conv_with(outputs, [kernel; 2], stride, padding, 1, true)
    }

    /// A square convolution without bias, for a normalization to follow it.
    #[must_use]
    pub fn conv_plain(self, outputs: usize, kernel: usize, stride: usize, padding: usize) -> Self {
        self.conv_with(outputs, [kernel; 2], stride, padding, 1, false)
    }

    /// A square depthwise convolution without bias.
    #[must_use]
    pub fn depthwise(self, kernel: usize, stride: usize, padding: usize) -> Self {
        let channels = self.net.shape_of(self.current).channels;
        self.conv_with(channels, [kernel; 2], stride, padding, channels, false)
    }

    /// A convolution along a series, without bias.
    #[must_use]
    pub fn conv_series(self, outputs: usize, kernel: usize, stride: usize, padding: usize) -> Self {
        self.conv_with(outputs, [1, kernel], stride, padding, 1, false)
    }

    fn conv_with(
        self,
        outputs: usize,
        kernel: [usize; 2],
        stride: usize,
        padding: usize,
        groups: usize,
        bias: bool,
    ) -> Self {
        let flat = kernel[0] == 1 && kernel[1] > 1;
        let (down, above) = if flat { (1, 0) } else { (stride, padding) };
        let weights = self.weights;
        self.layer(Layer::Conv(Conv {
            outputs,
            kernel,
            stride: [down, stride],
            padding: [above, padding, above, padding],
            groups,
            bias,
            weights,
        }))
    }

    /// Batch normalization.
    #[must_use]
    pub fn normalize(self) -> Self {
        self.layer(Layer::Normalize(Normalize::default()))
    }

    /// A function of each number.
    #[must_use]
    pub fn activation(self, activation: Activation) -> Self {
        self.layer(Layer::Activation(activation))
    }

    /// Negative numbers become zero.
    #[must_use]
    pub fn relu(self) -> Self {
        self.activation(Activation::Relu)
    }

    /// The sign of each number.
    #[must_use]
    pub fn sign(self) -> Self {
        self.activation(Activation::Sign)
    }

    /// The largest of each window of `size` by `size`; along a series, of `size`.
    #[must_use]
    pub fn max_pool(self, size: usize) -> Self {
        self.pool(Pooling::Max, size)
    }

    /// The mean of each window of `size` by `size`; along a series, of `size`.
    #[must_use]
    pub fn average_pool(self, size: usize) -> Self {
        self.pool(Pooling::Average, size)
    }

    fn pool(self, pooling: Pooling, size: usize) -> Self {
        let rows = if self.net.shape_of(self.current).height == 1 {
            1
        } else {
            size
        };
        self.layer(Layer::Pool(Pool {
            pooling,
            kernel: [rows, size],
            stride: [rows, size],
            padding: [0; 4],
        }))
    }

    /// The mean of each channel.
    #[must_use]
    pub fn global_average(self) -> Self {
        self.layer(Layer::GlobalAverage)
    }

    /// A vector of all numbers.
    #[must_use]
    pub fn flatten(self) -> Self {
        self.layer(Layer::Flatten)
    }

    /// Loses numbers at this rate while training.
    #[must_use]
    pub fn dropout(self, rate: f32) -> Self {
        self.layer(Layer::Dropout { rate })
    }

    /// Adds an earlier value of the same shape.
    #[must_use]
    #[expect(
        clippy::should_implement_trait,
        reason = "it is the layer Add, not a sum of builders"
    )]
    pub fn add(self, other: Value) -> Self {
        let inputs = vec![self.current, other];
        self.join(Layer::Add, inputs)
    }

    /// The network, or the first layer that did not fit.
    pub fn build(self) -> Result<Net> {
        match self.failure {
            Some(failure) => Err(failure),
            None if self.net.nodes.is_empty() => Err(Error::layer("0", "a network needs a layer")),
            None if self.current.0 != self.net.nodes.len() => Err(Error::layer(
                self.net.nodes.len(),
                "the last layer must be the output",
            )),
            None => Ok(self.net),
        }
    }
}

fn word(layer: &Layer) -> &'static str {
    match layer {
        Layer::Dense(_) => "dense",
        Layer::Conv(_) => "conv",
        Layer::Normalize(_) => "normalize",
        Layer::Activation(_) => "activation",
        Layer::Pool(_) => "pool",
        Layer::GlobalAverage => "average",
        Layer::Flatten => "flatten",
        Layer::Dropout { .. } => "dropout",
        Layer::Add => "add",
        Layer::Multiply => "multiply",
        Layer::Concat => "concat",
    }
}
