//! GoogLeNet (Szegedy and others 2014, table 1) without its auxiliary classifiers.

use super::layers::{Activation, Convolution, Flow, Layers, Pool};
use crate::Result;

/// Local response normalization, as the paper's authors trained it.
const ALPHA: f32 = 1e-4;
const BIAS: f32 = 1.0;

/// The columns of table 1: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection.
type Channels = [usize; 6];

/// What lies behind the first two convolutions.
const PARTS: [(&str, Option<Channels>); 11] = [
    ("3a", Some([64, 96, 128, 16, 32, 32])),
    ("3b", Some([128, 128, 192, 32, 96, 64])),
    ("pool3", None),
    ("4a", Some([192, 96, 208, 16, 48, 64])),
    ("4b", Some([160, 112, 224, 24, 64, 64])),
    ("4c", Some([128, 128, 256, 24, 64, 64])),
    ("4d", Some([112, 144, 288, 32, 64, 64])),
    ("4e", Some([256, 160, 320, 32, 128, 128])),
    ("pool4", None),
    ("5a", Some([256, 160, 320, 32, 128, 128])),
    ("5b", Some([384, 192, 384, 48, 128, 128])),
];

/// Halves an image; the last window may reach beyond it.
const HALVE: Pool = Pool {
    kernel: 3,
    stride: 2,
    padding: 0,
    ceil: true,
};

/// Lays the whole network.
pub(super) fn lay(layers: &mut Layers<'_>, classes: usize) -> Result<()> {
    let mut flow = layer(
        layers,
        "conv1",
        &layers.input(),
        Convolution::dense(64, 7, 2),
    )?;
    flow = layers.largest("conv1", &flow, HALVE)?;
    flow = layers.compete("conv1", &flow, ALPHA, BIAS);
    flow = layer(layers, "conv2.reduce", &flow, Convolution::dense(64, 1, 1))?;
    flow = layer(layers, "conv2", &flow, Convolution::dense(192, 3, 1))?;
    flow = layers.compete("conv2", &flow, ALPHA, BIAS);
    flow = layers.largest("conv2", &flow, HALVE)?;
    for (name, channels) in PARTS {
        flow = match channels {
            Some(channels) => inception(layers, name, &flow, channels)?,
            None => layers.largest(name, &flow, HALVE)?,
        };
    }
    layers.classify("classifier", &flow, classes)
}

fn inception(
    layers: &mut Layers<'_>,
    path: &str,
    from: &Flow,
    [one, before_three, three, before_five, five, after_pool]: Channels,
) -> Result<Flow> {
    let part = |name: &str| format!("inception.{path}.{name}");
    let dense = Convolution::dense;
    let first = layer(layers, &part("1x1"), from, dense(one, 1, 1))?;
    let reduced = layer(layers, &part("3x3.reduce"), from, dense(before_three, 1, 1))?;
    let second = layer(layers, &part("3x3"), &reduced, dense(three, 3, 1))?;
    let reduced = layer(layers, &part("5x5.reduce"), from, dense(before_five, 1, 1))?;
    let third = layer(layers, &part("5x5"), &reduced, dense(five, 5, 1))?;
    let pool = Pool {
        kernel: 3,
        stride: 1,
        padding: 1,
        ceil: true,
    };
    let pooled = layers.largest(&part("pool"), from, pool)?;
    let fourth = layer(
        layers,
        &part("projection"),
        &pooled,
        dense(after_pool, 1, 1),
    )?;
    Ok(layers.concatenate(
        &format!("inception.{path}"),
        &[first, second, third, fourth],
    ))
}

fn layer(layers: &mut Layers<'_>, path: &str, from: &Flow, layer: Convolution) -> Result<Flow> {
    let flow = layers.convolve_biased(path, from, layer)?;
    Ok(layers.activate(path, &flow, Activation::Relu))
}
