//! MobileNet V1 (Howard and others 2017, table 1): depthwise and pointwise convolutions in turn.

use super::layers::{Activation, Convolution, Flow, Layers};
use crate::Result;

/// Added to a variance before its root is taken.
const EPSILON: f32 = 1e-3;

/// Channels and stride of each pair.
const PAIRS: [(usize, usize); 13] = [
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
];

/// Lays the whole network.
pub(super) fn lay(layers: &mut Layers<'_>, width: f64, classes: usize) -> Result<()> {
    let thinned = |channels: usize| ((channels as f64 * width) as usize).max(8);
    let mut flow = layers.input();
    flow = group(
        layers,
        "features.0",
        &flow,
        Convolution::dense(thinned(32), 3, 2),
    )?;
    for (place, (channels, stride)) in PAIRS.into_iter().enumerate() {
        let path = format!("features.{}", place + 1);
        let depthwise = Convolution::depthwise(flow.channels, 3, stride);
        flow = group(layers, &format!("{path}.depthwise"), &flow, depthwise)?;
        let pointwise = Convolution::dense(thinned(channels), 1, 1);
        flow = group(layers, &format!("{path}.pointwise"), &flow, pointwise)?;
    }
    layers.classify("classifier", &flow, classes)
}

fn group(layers: &mut Layers<'_>, path: &str, from: &Flow, layer: Convolution) -> Result<Flow> {
    let flow = layers.convolve(&format!("{path}.0"), from, layer)?;
    let flow = layers.normalize(&format!("{path}.1"), &flow, EPSILON)?;
    Ok(layers.activate(path, &flow, Activation::Relu))
}
