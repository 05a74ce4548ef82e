//! MobileNet V2: inverted residual blocks with linear bottlenecks.

use super::layers::{Convolution, Flow, Layers};
use super::scaled;
use crate::Result;

/// Added to a variance before its root is taken.
const EPSILON: f32 = 1e-5;

/// Expansion, channels, blocks and first stride of each stage.
const STAGES: [(usize, usize, usize, usize); 7] = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
];

/// Lays the whole network, with torchvision's names.
pub(super) fn lay(layers: &mut Layers<'_>, width: f64, classes: usize) -> Result<()> {
    let mut flow = layers.input();
    flow = group(
        layers,
        "features.0",
        &flow,
        Convolution::dense(scaled(32, width), 3, 2),
    )?;
    let mut place = 1;
    for (expansion, channels, blocks, first_stride) in STAGES {
        for block_place in 0..blocks {
            let stride = if block_place == 0 { first_stride } else { 1 };
            let path = format!("features.{place}");
            flow = block(
                layers,
                &path,
                &flow,
                expansion,
                scaled(channels, width),
                stride,
            )?;
            place += 1;
        }
    }
    let last = scaled(1280, width.max(1.0));
    flow = group(
        layers,
        &format!("features.{place}"),
        &flow,
        Convolution::dense(last, 1, 1),
    )?;
    layers.classify("classifier.1", &flow, classes)
}

/// Convolution, normalization and clip: `<path>.0` and `<path>.1`.
fn group(layers: &mut Layers<'_>, path: &str, from: &Flow, layer: Convolution) -> Result<Flow> {
    let flow = layers.convolve(&format!("{path}.0"), from, layer)?;
    let flow = layers.normalize(&format!("{path}.1"), &flow, EPSILON)?;
    Ok(layers.clip(path, &flow))
}

fn block(
    layers: &mut Layers<'_>,
    path: &str,
    from: &Flow,
    expansion: usize,
    outputs: usize,
    stride: usize,
) -> Result<Flow> {
    let wide = from.channels * expansion;
    let mut flow = from.clone();
    let mut part = 0;
    if expansion != 1 {
        flow = group(
            layers,
            &format!("{path}.conv.0"),
            &flow,
            Convolution::dense(wide, 1, 1),
        )?;
        part = 1;
    }
    flow = group(
        layers,
        &format!("{path}.conv.{part}"),
        &flow,
        Convolution::depthwise(wide, 3, stride),
    )?;
    flow = layers.convolve(
        &format!("{path}.conv.{}", part + 1),
        &flow,
        Convolution::dense(outputs, 1, 1),
    )?;
    flow = layers.normalize(&format!("{path}.conv.{}", part + 2), &flow, EPSILON)?;
    if stride == 1 && from.channels == outputs {
        flow = layers.add(path, from, &flow);
    }
    Ok(flow)
}
