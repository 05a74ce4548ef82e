//! Networks of one-bit weights, taught beside their float twins and packed.
//!
//! Sources: Courbariaux et al. 2016 (BNN: weights and activations of one bit, the pool before the
//! normalization, statistics measured anew at the end), Rastegari et al. 2016 (XNOR-Net: a scale a
//! filter), Zhou et al. 2016 (DoReFa-Net: activations of few bits, first and last layer finer).

use noroshi_engine::binary::Network;
use serde::{Deserialize, Serialize};

use crate::examples::{Examples, Targets};
use crate::fit::{Progress, fit};
use crate::layer::Activation;
use crate::net::{Net, NetBuilder};
use crate::pack::PackedInput;
use crate::recipe::Recipe;
use crate::shape::Shape;
use crate::weights::Weights;
use crate::{Error, Result};

/// The largest level of two-bit activations, in deviations of a normalization.
const LIMIT: f32 = 1.5;
/// While an image has this many rows and columns or more, convolutions are followed by a pool.
const POOLED: usize = 6;
/// Most layers, and numbers of one layer.
const MAX_LAYERS: usize = 16;
const MAX_WIDTH: usize = 8192;

/// What inner layers compute with; weights have one bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OneBit {
    /// ±1 times ±1 (BNN).
    Signs,
    /// ±1 times ±1, each filter with a scale (XNOR-Net).
    ScaledSigns,
    /// ±1 with a scale times four levels.
    Levels,
}

/// The layers between the first and the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Dense layers of these widths.
    Perceptron(Vec<usize>),
    /// Convolutions to these numbers of channels: the first 5x5 by 2, the others 3x3.
    Convolutional(Vec<usize>),
}

/// A network of one-bit weights before it is taught.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Binarization {
    /// Its layers.
    pub body: Body,
    /// What inner layers compute with.
    pub inner: OneBit,
    /// Whether first and last layer have eight bits; else one.
    pub byte_edges: bool,
    /// Share of the last layer's inputs that is left out in training.
    pub dropout: f32,
}

/// Which of the two networks is taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twin {
    /// That of floats, first.
    Float,
    /// That of one-bit weights.
    OneBit,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Binarized {
    /// The same layers with float weights and ReLU.
    pub twin: Net,
    /// The network of one-bit weights, as it was taught.
    pub net: Net,
    /// The same, packed.
    pub network: Network,
}

impl Binarization {
    /// The network before training.
    pub fn fresh(&self, input: Shape, classes: usize, seed: u64) -> Result<Net> {
        let (weights, activation) = match self.inner {
            OneBit::Signs => (Weights::Sign, Activation::Sign),
            OneBit::ScaledSigns => (Weights::ScaledSign, Activation::Sign),
            OneBit::Levels => {
                let (bits, limit) = (2, LIMIT);
                (Weights::ScaledSign, Activation::Levels { bits, limit })
            }
        };
        let edges = if self.byte_edges {
            Weights::LearnedStep { bits: 8 }
        } else {
            weights
        };
        self.layers(input, classes, seed, [edges, weights], activation)
    }

    /// The same layers with float weights and ReLU.
    pub fn twin(&self, input: Shape, classes: usize, seed: u64) -> Result<Net> {
        self.layers(input, classes, seed, [Weights::Float; 2], Activation::Relu)
    }

    fn layers(
        &self,
        input: Shape,
        classes: usize,
        seed: u64,
        [edges, inner]: [Weights; 2],
        activation: Activation,
    ) -> Result<Net> {
        let (Body::Perceptron(widths) | Body::Convolutional(widths)) = &self.body;
        let sensible = widths.iter().all(|width| (1..=MAX_WIDTH).contains(width));
        if !sensible || !(1..=MAX_LAYERS).contains(&widths.len()) {
            return Err(Error::Recipe(format!(
                "1 to {MAX_LAYERS} layers of 1 to {MAX_WIDTH} numbers, not {widths:?}"
            )));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            let dropout = self.dropout;
            return Err(Error::Recipe(format!("dropout {dropout} must be in 0..1")));
        }
        let convolutional = matches!(self.body, Body::Convolutional(_));
        if convolutional && input.height.min(input.width) < POOLED {
            return Err(Error::Recipe(format!(
                "samples are {input}, convolutions need {POOLED} rows and columns: choose dense \
                 layers"
            )));
        }
        let mut net = Net::builder(input, seed).weights(edges);
        let mut side = input.height.min(input.width);
        for (place, &width) in widths.iter().enumerate() {
            net = if convolutional {
                convolution(net, place == 0, width, &mut side)
            } else {
                net.dense_plain(width)
            };
            net = net.normalize().activation(activation).weights(inner);
        }
        if self.dropout > 0.0 {
            net = net.dropout(self.dropout);
        }
        let net = net.weights(edges);
        // Sums of ±1 alone are large: without a scale a normalization brings them down.
        if edges == Weights::Sign {
            net.dense_plain(classes).normalize().build()
        } else {
            net.dense(classes).build()
        }
    }
}

/// A convolution, with a pool if the image is large.
fn convolution(net: NetBuilder, first: bool, channels: usize, side: &mut usize) -> NetBuilder {
    if first {
        *side = side.div_ceil(2);
        return net.conv_plain(channels, 5, 2, 2);
    }
    let net = net.conv_plain(channels, 3, 1, 1);
    if *side < POOLED {
        return net;
    }
    *side /= 2;
    net.max_pool(2)
}

impl PackedInput {
    /// The finest steps, a power of two, of which bytes hold all of `numbers`.
    pub fn holding(numbers: &[f32]) -> Self {
        let (mut low, mut high) = (0.0_f32, 0.0_f32);
        for &number in numbers {
            low = low.min(number);
            high = high.max(number);
        }
        let (zero, step) = if low < 0.0 {
            (128, (-low / 128.0).max(high / 127.0))
        } else {
            (0, high / 255.0)
        };
        let scale = step.log2().ceil().exp2();
        Self {
            scale: if scale.is_normal() {
                scale
            } else {
                1.0 / 256.0
            },
            zero,
            ..Self::default()
        }
    }

    /// The number that the packed network takes `number` for.
    pub fn nearest(&self, number: f32) -> f32 {
        let zero = f32::from(self.zero);
        let byte = ((number / self.scale).round_ties_even() + zero).clamp(0.0, 255.0);
        (byte - zero) * self.scale
    }
}

/// Teaches a network of one-bit weights and its float twin the classes of `data`, by one recipe;
/// both take numbers as the packed network will.
pub fn binarize(
    data: &Examples,
    how: &Binarization,
    recipe: &Recipe,
    progress: &mut dyn FnMut(Twin, Progress),
) -> Result<Binarized> {
    let Targets::Classes { count, .. } = data.targets() else {
        let text = "networks of one-bit weights are taught classes: bring a class a sample";
        return Err(Error::Data(text.into()));
    };
    let input = PackedInput::holding(data.inputs());
    let numbers = data.inputs().iter();
    let numbers = numbers.map(|&number| input.nearest(number)).collect();
    let data = Examples::new(data.shape(), numbers, data.targets().clone())?;
    let recipe = Recipe {
        measure_statistics: true,
        ..recipe.clone()
    };
    let mut twin = how.twin(data.shape(), *count, recipe.seed)?;
    let mut net = how.fresh(data.shape(), *count, recipe.seed)?;
    // What can't be packed is told before hours of training.
    net.pack(&input)?;
    fit(&mut twin, &data, &recipe, &mut |told| {
        progress(Twin::Float, told);
    })?;
    fit(&mut net, &data, &recipe, &mut |told| {
        progress(Twin::OneBit, told);
    })?;
    let network = net.pack(&input)?;
    Ok(Binarized { twin, net, network })
}
