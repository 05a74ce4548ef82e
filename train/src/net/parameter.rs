//! Numbers that a layer learns.

use serde::{Deserialize, Serialize};

use crate::layer::{Activation, Layer};
use crate::random::Random;
use crate::shape::Shape;
use crate::weights::{Weights, first_step};

/// What a parameter is to its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// `[outputs, inputs]` of a linear layer, `[outputs, inputs / groups, rows, columns]` of a
    /// convolution.
    Weight,
    /// `[outputs]`.
    Bias,
    /// A normalization's multiplier, `[channels]`.
    Scale,
    /// A normalization's offset, `[channels]`.
    Shift,
    /// Steps of rounding: `[outputs]` for weights, `[1]` for an activation, where 0 means that
    /// the first batch decides.
    Step,
}

/// Numbers that a layer learns.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// What it is to its layer.
    pub role: Role,
    /// Sizes of its axes.
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Vec<f32>,
    /// 0 where a number was pruned and stays zero, 1 elsewhere; as long as `values`.
    pub mask: Option<Vec<f32>>,
    /// Multiplies the learning rate.
    pub rate: f32,
    /// Numbers stay between −bound and bound.
    pub bound: Option<f32>,
}

impl Parameter {
    fn new(role: Role, shape: &[usize], values: Vec<f32>) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), values.len());
        Self {
            role,
            shape: shape.to_vec(),
            values,
            mask: None,
            rate: 1.0,
            bound: None,
        }
    }

    fn filled(role: Role, length: usize, value: f32) -> Self {
        Self::new(role, &[length], vec![value; length])
    }

    /// A bias of these numbers.
    pub(crate) fn bias(values: Vec<f32>) -> Self {
        let shape = [values.len()];
        Self::new(Role::Bias, &shape, values)
    }

    /// Sets pruned numbers to zero.
    pub fn apply_mask(&mut self) {
        if let Some(mask) = &self.mask {
            self.values.iter_mut().zip(mask).for_each(|(v, m)| *v *= m);
        }
    }
}

/// The parameters of a fresh layer.
pub(super) fn fresh(layer: &Layer, input: Shape, random: &mut Random) -> Vec<Parameter> {
    match layer {
        Layer::Dense(dense) => {
            let shape = [dense.outputs, input.len()];
            linear(
                &shape,
                dense.weights,
                dense.bias,
                [input.len(), dense.outputs],
                random,
            )
        }
        Layer::Conv(conv) => {
            let [height, width] = conv.kernel;
            let shape = [conv.outputs, input.channels / conv.groups, height, width];
            let fan_in = shape[1] * height * width;
            let fan_out = conv.outputs / conv.groups * height * width;
            linear(&shape, conv.weights, conv.bias, [fan_in, fan_out], random)
        }
        Layer::Normalize(_) => vec![
            Parameter::filled(Role::Scale, input.channels, 1.0),
            Parameter::filled(Role::Shift, input.channels, 0.0),
        ],
        Layer::Activation(Activation::LearnedStep { .. }) => {
            vec![Parameter::filled(Role::Step, 1, 0.0)]
        }
        _ => Vec::new(),
    }
}

/// Weights start as He et al. 2015 (equation 10) propose; binary ones as Glorot and Bengio 2010
/// (equation 16), with the learning rate scaled up by the same factor (BinaryConnect, 2.5).
fn linear(
    shape: &[usize],
    weights: Weights,
    bias: bool,
    [fan_in, fan_out]: [usize; 2],
    random: &mut Random,
) -> Vec<Parameter> {
    let (outputs, count) = (shape[0], shape.iter().product());
    let mut draw = |scale: f32| -> Vec<f32> {
        if weights.is_binary() {
            (0..count).map(|_| random.uniform(scale)).collect()
        } else {
            (0..count).map(|_| random.normal() * scale).collect()
        }
    };
    let fans = (fan_in + fan_out) as f32;
    let mut weight = if weights.is_binary() {
        let mut weight = Parameter::new(Role::Weight, shape, draw((6.0 / fans).sqrt()));
        weight.rate = (fans / 1.5).sqrt();
        weight.bound = Some(1.0);
        weight
    } else {
        Parameter::new(Role::Weight, shape, draw((2.0 / fan_in as f32).sqrt()))
    };
    weight.mask = None;
    let steps = steps(weights, &weight.values, outputs);
    let mut all = vec![weight];
    if bias {
        all.push(Parameter::filled(Role::Bias, outputs, 0.0));
    }
    all.extend(steps);
    all
}

/// The learned steps that these weights start with, if their view has any.
pub(super) fn steps(weights: Weights, values: &[f32], outputs: usize) -> Option<Parameter> {
    let Weights::LearnedStep { bits } = weights else {
        return None;
    };
    let most = Weights::steps(bits);
    let row = (values.len() / outputs.max(1)).max(1);
    let steps = values
        .chunks_exact(row)
        .map(|row| first_step(row, most))
        .collect();
    Some(Parameter::new(Role::Step, &[outputs], steps))
}
