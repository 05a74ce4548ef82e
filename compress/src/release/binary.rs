//! Packed networks of one-bit weights in a release.

use std::path::Path;

use noroshi_engine::binary::{Layout as Order, Network};
use noroshi_model::{ElementType, EngineKind, Layout, Manifest, Precision, Requirements, Variant};

use super::{Comparison, Seen};
use crate::Result;
use crate::binary::{element, packed};

impl Seen {
    pub(super) fn of_packed(network: &Network) -> Result<Self> {
        let figures = network.figures()?;
        Ok(Self {
            engine: EngineKind::Binary,
            precision: Precision::Binary,
            requirements: Requirements {
                opset: 0,
                ir: 0,
                operators: [].into(),
                dtypes: [element(network), ElementType::F32].into(),
                peak_memory: figures.peak_memory,
                architectures: [].into(),
                cpu_features: [].into(),
                target: None,
            },
            parameters: figures.parameters,
            macs: figures.macs,
        })
    }
}

/// What the manifest says of the variant, of input and output, and the file at `path` does not.
pub(super) fn disagreements(
    manifest: &Manifest,
    variant: &Variant,
    path: &Path,
) -> Result<Vec<String>> {
    let Some(network) = packed(path)? else {
        return Ok(vec!["the file is no packed network".to_owned()]);
    };
    let mut compare = Comparison::default();
    compare.variant(variant, &Seen::of_packed(&network)?);
    let (input, own) = (&manifest.input, &network.input);
    compare.field("the input's name", &input.name, &own.name);
    compare.field("the input's element type", &input.dtype, &element(&network));
    let shape = match own.layout {
        Order::Flat => vec![1, own.channels],
        Order::Nchw => vec![1, own.channels, own.height, own.width],
        Order::Nhwc => vec![1, own.height, own.width, own.channels],
    };
    compare.field("the input's shape", &input.shape().to_vec(), &shape);
    let layout = match own.layout {
        Order::Nhwc => Layout::Nhwc,
        Order::Flat | Order::Nchw => Layout::Nchw,
    };
    compare.field("the input's layout", &input.layout, &layout);
    compare.field("the output's name", &manifest.output.name, &network.output);
    let labels = manifest.task.labels().len();
    compare.field("the number of labels", &labels, &network.figures()?.outputs);
    Ok(compare.faults)
}
