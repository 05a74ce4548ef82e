//! How pictures become the input of somebody's model.

use std::path::Path;

use noroshi_model::{ColorOrder, ElementType, InputSpec, Layout, Normalization, Resize};

use crate::binary;
use crate::inspect::inspect_file;
use crate::{Error, Result};

/// A convention of how pictures become numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convention {
    /// The centre, with ImageNet's mean and deviation: torchvision.
    ImageNet,
    /// The centre, (value − 127) / 128: EfficientNet-Lite.
    EfficientNetLite,
    /// The whole picture, 0 to 1.
    Unit,
    /// The whole picture, 0 to 255.
    Bytes,
}

/// Pixels of a picture's shorter side for 7 of the crop.
const SHORT_SIDE: u32 = 8;

/// How pictures become the only input of the ONNX file at `path`, whose sizes say the rest. A
/// packed network of one-bit weights says all of it by itself.
pub fn picture_input(path: &Path, convention: Convention) -> Result<InputSpec> {
    // Pictures are made numbers here, and rounded to what the model takes.
    if let Some(network) = binary::packed(path)? {
        return Ok(InputSpec {
            dtype: ElementType::F32,
            ..binary::picture_input(&network)?
        });
    }
    let seen = inspect_file(path)?;
    let refused = || {
        let inputs: Vec<_> = seen.inputs.iter().map(ToString::to_string).collect();
        Error::Compare(format!(
            "the model takes {}; pictures need one input of 1 or 3 channels and fixed sizes",
            inputs.join(", ")
        ))
    };
    let [input] = seen.inputs.as_slice() else {
        return Err(refused());
    };
    let (layout, channels, height, width) = match input.shape[..] {
        [_, Some(channels @ (1 | 3)), Some(height), Some(width)] => {
            (Layout::Nchw, channels, height, width)
        }
        [_, Some(height), Some(width), Some(channels @ (1 | 3))] => {
            (Layout::Nhwc, channels, height, width)
        }
        _ => return Err(refused()),
    };
    let (Ok(height), Ok(width)) = (u32::try_from(height), u32::try_from(width)) else {
        return Err(refused());
    };
    let name = input.name.clone();
    let picture = (height, width);
    Ok(convention.input(name, layout, channels, picture))
}

impl Convention {
    /// Pictures of `(height, width)` pixels and 1 or 3 channels as the input called `name`.
    pub fn input(
        self,
        name: String,
        layout: Layout,
        channels: usize,
        (height, width): (u32, u32),
    ) -> InputSpec {
        let centre = Resize::CenterCrop {
            short_side: height
                .max(width)
                .saturating_mul(SHORT_SIDE)
                .div_ceil(SHORT_SIDE - 1),
        };
        let (resize, normalization) = match self {
            Self::ImageNet => (centre, Normalization::IMAGENET),
            Self::EfficientNetLite => (centre, Normalization::EFFICIENTNET_LITE),
            Self::Unit => (
                Resize::Stretch,
                Normalization {
                    scale: 1.0 / 255.0,
                    ..Normalization::NONE
                },
            ),
            Self::Bytes => (Resize::Stretch, Normalization::NONE),
        };
        InputSpec {
            name,
            height,
            width,
            // Made as numbers here, and rounded to what the model takes.
            dtype: ElementType::F32,
            layout,
            color: if channels == 1 {
                ColorOrder::Gray
            } else {
                ColorOrder::Rgb
            },
            resize,
            features: None,
            normalization,
        }
    }
}
