//! SqueezeNet 1.0 and 1.1 (Iandola and others 2016), with torchvision's names of weights.

use super::OUTPUT;
use super::layers::{Activation, Convolution, Flow, Layers, Padding, Pool};
use crate::Result;

/// Channels of the squeeze layer, and of each of the two expand layers.
#[derive(Clone, Copy)]
enum Part {
    Fire(usize, usize),
    Pool,
}

use Part::Fire;

/// Parts from number 2 on, as torchvision numbers them.
const FIRST: [Part; 11] = [
    Part::Pool,
    Fire(16, 64),
    Fire(16, 64),
    Fire(32, 128),
    Part::Pool,
    Fire(32, 128),
    Fire(48, 192),
    Fire(48, 192),
    Fire(64, 256),
    Part::Pool,
    Fire(64, 256),
];

const SECOND: [Part; 11] = [
    Part::Pool,
    Fire(16, 64),
    Fire(16, 64),
    Part::Pool,
    Fire(32, 128),
    Fire(32, 128),
    Part::Pool,
    Fire(48, 192),
    Fire(48, 192),
    Fire(64, 256),
    Fire(64, 256),
];

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// 1.0.
    First,
    /// 1.1.
    Second,
}

/// Lays the whole network.
pub(super) fn lay(layers: &mut Layers<'_>, version: Version, classes: usize) -> Result<()> {
    let (parts, stem) = match version {
        Version::First => (FIRST, Convolution::dense(96, 7, 2)),
        Version::Second => (SECOND, Convolution::dense(64, 3, 2)),
    };
    let mut flow = layers.input();
    flow = layer(layers, "features.0", &flow, stem.padded(Padding::Nothing))?;
    for (place, part) in parts.into_iter().enumerate() {
        let path = format!("features.{}", place + 2);
        flow = match part {
            Fire(squeeze, expand) => fire(layers, &path, &flow, squeeze, expand)?,
            Part::Pool => layers.largest(
                &path,
                &flow,
                Pool {
                    kernel: 3,
                    stride: 2,
                    padding: 0,
                    ceil: true,
                },
            )?,
        };
    }
    flow = layer(
        layers,
        "classifier.1",
        &flow,
        Convolution::dense(classes, 1, 1),
    )?;
    flow = layers.mean("last", &flow);
    layers.flatten(OUTPUT, &flow);
    layers.answer(classes);
    Ok(())
}

fn fire(
    layers: &mut Layers<'_>,
    path: &str,
    from: &Flow,
    squeeze: usize,
    expand: usize,
) -> Result<Flow> {
    let narrow = Convolution::dense(squeeze, 1, 1);
    let flow = layer(layers, &format!("{path}.squeeze"), from, narrow)?;
    let parts = [("expand1x1", 1), ("expand3x3", 3)].map(|(part, kernel)| {
        let wide = Convolution::dense(expand, kernel, 1);
        layer(layers, &format!("{path}.{part}"), &flow, wide)
    });
    let [small, large] = parts;
    Ok(layers.concatenate(path, &[small?, large?]))
}

fn layer(layers: &mut Layers<'_>, path: &str, from: &Flow, layer: Convolution) -> Result<Flow> {
    let flow = layers.convolve_biased(path, from, layer)?;
    Ok(layers.activate(path, &flow, Activation::Relu))
}
