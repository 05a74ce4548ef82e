//! AlexNet (Krizhevsky and others 2012): two groups, as on its two cards; not torchvision's net of
//! the same name, which has one.

use super::layers::{Activation, Convolution, Flow, Layers, Padding, Pool};
use crate::Result;

const HIDDEN: usize = 4096;

/// Local response normalization: alpha 1e-4 for each of five channels, and its bias (section 3.3).
const ALPHA: f32 = 5e-4;
const BIAS: f32 = 2.0;

/// Lays the whole network.
pub(super) fn lay(layers: &mut Layers<'_>, classes: usize) -> Result<()> {
    let stem = Convolution::dense(96, 11, 4).padded(Padding::Nothing);
    let mut flow = layer(layers, "conv1", &layers.input(), stem)?;
    flow = layers.compete("conv1", &flow, ALPHA, BIAS);
    flow = pool(layers, "conv1", &flow)?;
    flow = layer(
        layers,
        "conv2",
        &flow,
        Convolution::dense(256, 5, 1).grouped(2),
    )?;
    flow = layers.compete("conv2", &flow, ALPHA, BIAS);
    flow = pool(layers, "conv2", &flow)?;
    flow = layer(layers, "conv3", &flow, Convolution::dense(384, 3, 1))?;
    flow = layer(
        layers,
        "conv4",
        &flow,
        Convolution::dense(384, 3, 1).grouped(2),
    )?;
    flow = layer(
        layers,
        "conv5",
        &flow,
        Convolution::dense(256, 3, 1).grouped(2),
    )?;
    flow = pool(layers, "conv5", &flow)?;
    let flat = layers.flatten("flat", &flow);
    let hidden = layers.hidden("fc6", &flat, HIDDEN, Activation::Relu)?;
    let hidden = layers.hidden("fc7", &hidden, HIDDEN, Activation::Relu)?;
    layers.logits("fc8", &hidden, classes)
}

fn layer(layers: &mut Layers<'_>, path: &str, from: &Flow, layer: Convolution) -> Result<Flow> {
    let flow = layers.convolve_biased(path, from, layer)?;
    Ok(layers.activate(path, &flow, Activation::Relu))
}

fn pool(layers: &mut Layers<'_>, path: &str, from: &Flow) -> Result<Flow> {
    let pool = Pool {
        kernel: 3,
        stride: 2,
        padding: 0,
        ceil: false,
    };
    layers.largest(path, from, pool)
}
