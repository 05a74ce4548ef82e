//! EfficientNet-Lite0: EfficientNet without squeeze and excitation, ReLU6 throughout.

use super::layers::{Convolution, Flow, Layers, Padding};
use super::scaled;
use crate::Result;

/// Added to a variance before its root is taken.
const EPSILON: f32 = 1e-3;

/// Channels of the first layer and of the last, which the width leaves alone.
const STEM: usize = 32;
const HEAD: usize = 1280;

/// One stage of alike blocks.
struct Stage {
    kernel: usize,
    stride: usize,
    expansion: usize,
    channels: usize,
    blocks: usize,
}

const fn stage(
    kernel: usize,
    stride: usize,
    expansion: usize,
    channels: usize,
    blocks: usize,
) -> Stage {
    Stage {
        kernel,
        stride,
        expansion,
        channels,
        blocks,
    }
}

const STAGES: [Stage; 7] = [
    stage(3, 1, 1, 16, 1),
    stage(3, 2, 6, 24, 2),
    stage(5, 2, 6, 40, 2),
    stage(3, 2, 6, 80, 3),
    stage(5, 1, 6, 112, 3),
    stage(5, 2, 6, 192, 4),
    stage(3, 1, 6, 320, 1),
];

/// Lays the whole network.
pub(super) fn lay(layers: &mut Layers<'_>, width: f64, classes: usize) -> Result<()> {
    let mut flow = layers.input();
    flow = layers.convolve("_conv_stem", &flow, convolution(STEM, 3, 2, 1))?;
    flow = layers.normalize("_bn0", &flow, EPSILON)?;
    flow = layers.clip("_stem", &flow);
    let mut place = 0;
    for stage in &STAGES {
        for block_place in 0..stage.blocks {
            let stride = if block_place == 0 { stage.stride } else { 1 };
            flow = block(
                layers,
                &format!("_blocks.{place}"),
                &flow,
                stage,
                width,
                stride,
            )?;
            place += 1;
        }
    }
    flow = layers.convolve("_conv_head", &flow, convolution(HEAD, 1, 1, 1))?;
    flow = layers.normalize("_bn1", &flow, EPSILON)?;
    flow = layers.clip("_head", &flow);
    layers.classify("_fc", &flow, classes)
}

fn convolution(outputs: usize, kernel: usize, stride: usize, groups: usize) -> Convolution {
    Convolution {
        outputs,
        kernel,
        stride,
        groups,
        padding: Padding::Same,
    }
}

fn block(
    layers: &mut Layers<'_>,
    path: &str,
    from: &Flow,
    stage: &Stage,
    width: f64,
    stride: usize,
) -> Result<Flow> {
    let wide = from.channels * stage.expansion;
    let outputs = scaled(stage.channels, width);
    let mut flow = from.clone();
    if stage.expansion != 1 {
        let expand = convolution(wide, 1, 1, 1);
        flow = layers.convolve(&format!("{path}._expand_conv"), &flow, expand)?;
        flow = layers.normalize(&format!("{path}._bn0"), &flow, EPSILON)?;
        flow = layers.clip(&format!("{path}._expand"), &flow);
    }
    let depthwise = convolution(wide, stage.kernel, stride, wide);
    flow = layers.convolve(&format!("{path}._depthwise_conv"), &flow, depthwise)?;
    flow = layers.normalize(&format!("{path}._bn1"), &flow, EPSILON)?;
    flow = layers.clip(&format!("{path}._depthwise"), &flow);
    flow = layers.convolve(
        &format!("{path}._project_conv"),
        &flow,
        convolution(outputs, 1, 1, 1),
    )?;
    flow = layers.normalize(&format!("{path}._bn2"), &flow, EPSILON)?;
    if stride == 1 && from.channels == outputs {
        flow = layers.add(path, from, &flow);
    }
    Ok(flow)
}
