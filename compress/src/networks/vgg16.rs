//! VGG16 (Simonyan and Zisserman 2014, configuration D), with torchvision's names of weights.

use super::layers::{Activation, Convolution, Layers, Pool};
use crate::Result;

/// Channels and layers of each block.
const BLOCKS: [(usize, usize); 5] = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)];

const HIDDEN: usize = 4096;

/// Lays the whole network.
pub(super) fn lay(layers: &mut Layers<'_>, classes: usize) -> Result<()> {
    let mut flow = layers.input();
    let mut place = 0;
    for (channels, count) in BLOCKS {
        for _ in 0..count {
            let path = format!("features.{place}");
            flow = layers.convolve_biased(&path, &flow, Convolution::dense(channels, 3, 1))?;
            flow = layers.activate(&path, &flow, Activation::Relu);
            place += 2;
        }
        let pool = Pool {
            kernel: 2,
            stride: 2,
            padding: 0,
            ceil: false,
        };
        flow = layers.largest(&format!("features.{place}"), &flow, pool)?;
        place += 1;
    }
    let flat = layers.flatten("flat", &flow);
    let hidden = layers.hidden("classifier.0", &flat, HIDDEN, Activation::Relu)?;
    let hidden = layers.hidden("classifier.3", &hidden, HIDDEN, Activation::Relu)?;
    layers.logits("classifier.6", &hidden, classes)
}
