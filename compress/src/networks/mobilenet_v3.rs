//! MobileNet V3 (Howard and others 2019, tables 1 and 2), with torchvision's names of weights.

use super::layers::{Activation, Convolution, Flow, Layers};
use super::scaled;
use crate::Result;

/// Added to a variance before its root is taken.
const EPSILON: f32 = 1e-3;

/// Share of the widened channels that gate the others.
const SQUEEZE: f64 = 0.25;

/// One bottleneck.
#[derive(Clone, Copy)]
struct Block {
    kernel: usize,
    wide: usize,
    outputs: usize,
    gated: bool,
    activation: Activation,
    stride: usize,
}

const fn block(
    kernel: usize,
    wide: usize,
    outputs: usize,
    gated: bool,
    activation: Activation,
    stride: usize,
) -> Block {
    Block {
        kernel,
        wide,
        outputs,
        gated,
        activation,
        stride,
    }
}

use Activation::{HardSwish, Relu};

const LARGE: [Block; 15] = [
    block(3, 16, 16, false, Relu, 1),
    block(3, 64, 24, false, Relu, 2),
    block(3, 72, 24, false, Relu, 1),
    block(5, 72, 40, true, Relu, 2),
    block(5, 120, 40, true, Relu, 1),
    block(5, 120, 40, true, Relu, 1),
    block(3, 240, 80, false, HardSwish, 2),
    block(3, 200, 80, false, HardSwish, 1),
    block(3, 184, 80, false, HardSwish, 1),
    block(3, 184, 80, false, HardSwish, 1),
    block(3, 480, 112, true, HardSwish, 1),
    block(3, 672, 112, true, HardSwish, 1),
    block(5, 672, 160, true, HardSwish, 2),
    block(5, 960, 160, true, HardSwish, 1),
    block(5, 960, 160, true, HardSwish, 1),
];

const SMALL: [Block; 11] = [
    block(3, 16, 16, true, Relu, 2),
    block(3, 72, 24, false, Relu, 2),
    block(3, 88, 24, false, Relu, 1),
    block(5, 96, 40, true, HardSwish, 2),
    block(5, 240, 40, true, HardSwish, 1),
    block(5, 240, 40, true, HardSwish, 1),
    block(5, 120, 48, true, HardSwish, 1),
    block(5, 144, 48, true, HardSwish, 1),
    block(5, 288, 96, true, HardSwish, 2),
    block(5, 576, 96, true, HardSwish, 1),
    block(5, 576, 96, true, HardSwish, 1),
];

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    Large,
    Small,
}

/// Lays the whole network.
pub(super) fn lay(layers: &mut Layers<'_>, size: Size, width: f64, classes: usize) -> Result<()> {
    let (blocks, last) = match size {
        Size::Large => (&LARGE[..], 1280),
        Size::Small => (&SMALL[..], 1024),
    };
    let mut flow = layers.input();
    let stem = Convolution::dense(scaled(16, width), 3, 2);
    flow = group(layers, "features.0", &flow, stem, Some(HardSwish))?;
    for (place, block) in blocks.iter().enumerate() {
        let path = format!("features.{}.block", place + 1);
        flow = bottleneck(layers, &path, &flow, *block, width)?;
    }
    let wide = Convolution::dense(6 * flow.channels, 1, 1);
    let path = format!("features.{}", blocks.len() + 1);
    flow = group(layers, &path, &flow, wide, Some(HardSwish))?;
    flow = layers.mean("last", &flow);
    let flat = layers.flatten("flat", &flow);
    let hidden = layers.hidden("classifier.0", &flat, scaled(last, width), HardSwish)?;
    layers.logits("classifier.3", &hidden, classes)
}

fn bottleneck(
    layers: &mut Layers<'_>,
    path: &str,
    from: &Flow,
    block: Block,
    width: f64,
) -> Result<Flow> {
    let (wide, outputs) = (scaled(block.wide, width), scaled(block.outputs, width));
    let activation = Some(block.activation);
    let mut flow = from.clone();
    let mut part = 0;
    let mut next = || {
        part += 1;
        format!("{path}.{}", part - 1)
    };
    if wide != from.channels {
        let widen = Convolution::dense(wide, 1, 1);
        flow = group(layers, &next(), &flow, widen, activation)?;
    }
    let depthwise = Convolution::depthwise(wide, block.kernel, block.stride);
    flow = group(layers, &next(), &flow, depthwise, activation)?;
    if block.gated {
        flow = gate(layers, &next(), &flow)?;
    }
    let narrow = Convolution::dense(outputs, 1, 1);
    flow = group(layers, &next(), &flow, narrow, None)?;
    if block.stride == 1 && from.channels == outputs {
        flow = layers.add(path, from, &flow);
    }
    Ok(flow)
}

/// Squeeze and excitation: each channel times a gate that sees the means of all.
fn gate(layers: &mut Layers<'_>, path: &str, from: &Flow) -> Result<Flow> {
    let narrow = scaled(from.channels, SQUEEZE);
    let mean = layers.mean(path, from);
    let first = format!("{path}.fc1");
    let flow = layers.convolve_biased(&first, &mean, Convolution::dense(narrow, 1, 1))?;
    let flow = layers.activate(&first, &flow, Relu);
    let second = format!("{path}.fc2");
    let wide = Convolution::dense(from.channels, 1, 1);
    let flow = layers.convolve_biased(&second, &flow, wide)?;
    let gates = layers.activate(&second, &flow, Activation::HardSigmoid);
    Ok(layers.scale(path, from, &gates))
}

fn group(
    layers: &mut Layers<'_>,
    path: &str,
    from: &Flow,
    layer: Convolution,
    activation: Option<Activation>,
) -> Result<Flow> {
    let flow = layers.convolve(&format!("{path}.0"), from, layer)?;
    let flow = layers.normalize(&format!("{path}.1"), &flow, EPSILON)?;
    Ok(match activation {
        Some(activation) => layers.activate(path, &flow, activation),
        None => flow,
    })
}
