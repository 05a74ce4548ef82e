//! ShuffleNet with three groups (Zhang and others 2017, table 1): grouped pointwise convolutions
//! whose channels are dealt out again.

use super::layers::{Activation, Convolution, Flow, Layers, Pool};
use crate::{Error, Result};

/// Added to a variance before its root is taken.
const EPSILON: f32 = 1e-5;

const GROUPS: usize = 3;

/// Channels and units of each stage.
const STAGES: [(usize, usize); 3] = [(240, 4), (480, 8), (960, 4)];

/// Share of a unit's output that its middle has.
const BOTTLENECK: usize = 4;

/// Lays the whole network.
pub(super) fn lay(layers: &mut Layers<'_>, width: f64, classes: usize) -> Result<()> {
    let mut flow = layers.input();
    let stem = Convolution::dense(channels(24, width, GROUPS)?, 3, 2);
    flow = layers.convolve("stem.0", &flow, stem)?;
    flow = layers.normalize("stem.1", &flow, EPSILON)?;
    flow = layers.activate("stem", &flow, Activation::Relu);
    let pool = Pool {
        kernel: 3,
        stride: 2,
        padding: 1,
        ceil: false,
    };
    flow = layers.largest("stem", &flow, pool)?;
    for (stage, (wanted, units)) in STAGES.into_iter().enumerate() {
        let outputs = channels(wanted, width, GROUPS * BOTTLENECK)?;
        for unit in 0..units {
            let path = format!("stage{}.{unit}", stage + 2);
            // So few channels come in at the very first unit that its first layer is not grouped.
            let groups = if stage + unit == 0 { 1 } else { GROUPS };
            flow = block(layers, &path, &flow, outputs, groups, unit == 0)?;
        }
    }
    layers.classify("classifier", &flow, classes)
}

/// Channels times width, a multiple of `of` so that groups come out even.
fn channels(channels: usize, width: f64, of: usize) -> Result<usize> {
    let rounded = (channels as f64 * width / of as f64).round() as usize * of;
    if rounded == 0 {
        return Err(Error::Description(
            "ShuffleNet's groups have no channel left; choose a larger width".into(),
        ));
    }
    Ok(rounded)
}

fn block(
    layers: &mut Layers<'_>,
    path: &str,
    from: &Flow,
    outputs: usize,
    groups: usize,
    halves: bool,
) -> Result<Flow> {
    let narrow = outputs / BOTTLENECK;
    let (stride, own) = if halves {
        (2, outputs - from.channels)
    } else {
        (1, outputs)
    };
    let part = |number: usize| format!("{path}.{number}");
    let squeeze = Convolution::dense(narrow, 1, 1).grouped(groups);
    let mut flow = layers.convolve(&part(0), from, squeeze)?;
    flow = layers.normalize(&part(1), &flow, EPSILON)?;
    flow = layers.activate(&part(1), &flow, Activation::Relu);
    flow = layers.shuffle(path, &flow, GROUPS);
    let depthwise = Convolution::depthwise(narrow, 3, stride);
    flow = layers.convolve(&part(2), &flow, depthwise)?;
    flow = layers.normalize(&part(3), &flow, EPSILON)?;
    let widen = Convolution::dense(own, 1, 1).grouped(GROUPS);
    flow = layers.convolve(&part(4), &flow, widen)?;
    flow = layers.normalize(&part(5), &flow, EPSILON)?;
    flow = if halves {
        let pool = Pool {
            kernel: 3,
            stride: 2,
            padding: 1,
            ceil: false,
        };
        let shortcut = layers.average(path, from, pool)?;
        layers.concatenate(path, &[shortcut, flow])
    } else {
        layers.add(path, from, &flow)
    };
    Ok(layers.activate(path, &flow, Activation::Relu))
}
