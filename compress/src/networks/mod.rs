//! Networks whose ONNX files are written here, from a PyTorch state dict or with other weights.

mod alexnet;
mod efficientnet_lite;
mod googlenet;
mod layers;
mod mobilenet_v1;
mod mobilenet_v2;
mod mobilenet_v3;
mod shufflenet;
mod squeezenet;
mod vgg16;
mod weights;

use std::fmt;
use std::str::FromStr;

use noroshi_model::{
    Activation, ColorOrder, ElementType, InputSpec, Layout, Normalization, OutputSpec, Resize,
};

use crate::{Error, Result};
use layers::Layers;
use noroshi_onnx::ModelProto;
pub use weights::Weights;

/// Name of the image input of every network: `[1, 3, resolution, resolution]`, f32.
pub const INPUT: &str = "input";

/// Name of the output of every network: `[1, classes]`, f32, logits.
pub const OUTPUT: &str = "logits";

/// ONNX operator set of the files.
const OPSET: i64 = 17;

/// Version of the ONNX format of the files.
const IR_VERSION: i64 = 8;

/// Pixels of an image's shorter side for each pixel of the crop, as the weights were trained.
const SHORT_SIDE: f64 = 256.0 / 224.0;

/// A network that can be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Network {
    /// MobileNet V1.
    MobileNetV1,
    /// MobileNet V2, with torchvision's names of weights.
    MobileNetV2,
    /// MobileNet V3 large, with torchvision's names of weights.
    MobileNetV3Large,
    /// MobileNet V3 small, with torchvision's names of weights.
    MobileNetV3Small,
    /// SqueezeNet 1.0, with torchvision's names of weights.
    SqueezeNet10,
    /// SqueezeNet 1.1, with torchvision's names of weights.
    SqueezeNet11,
    /// ShuffleNet with three groups.
    ShuffleNetG3,
    /// VGG16, with torchvision's names of weights.
    Vgg16,
    /// GoogLeNet without auxiliary classifiers.
    GoogLeNet,
    /// AlexNet with two groups.
    AlexNet,
    /// EfficientNet-Lite0, with the names of the `efficientnet_pytorch` family.
    EfficientNetLite0,
}

/// The size of a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Factor on the number of channels, 0.1 to 4.
    pub width: f64,
    /// Height and width of the input in pixels, 32 to 1024.
    pub resolution: usize,
    /// Number of classes, 1 to 65,536.
    pub classes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            width: 1.0,
            resolution: 224,
            classes: 1000,
        }
    }
}

impl Network {
    /// All networks.
    pub const ALL: [Self; 11] = [
        Self::MobileNetV1,
        Self::MobileNetV2,
        Self::MobileNetV3Large,
        Self::MobileNetV3Small,
        Self::SqueezeNet10,
        Self::SqueezeNet11,
        Self::ShuffleNetG3,
        Self::Vgg16,
        Self::GoogLeNet,
        Self::AlexNet,
        Self::EfficientNetLite0,
    ];

    /// The word for it in commands and files.
    pub const fn word(self) -> &'static str {
        match self {
            Self::MobileNetV1 => "mobilenet-v1",
            Self::MobileNetV2 => "mobilenet-v2",
            Self::MobileNetV3Large => "mobilenet-v3-large",
            Self::MobileNetV3Small => "mobilenet-v3-small",
            Self::SqueezeNet10 => "squeezenet-1.0",
            Self::SqueezeNet11 => "squeezenet-1.1",
            Self::ShuffleNetG3 => "shufflenet-g3",
            Self::Vgg16 => "vgg16",
            Self::GoogLeNet => "googlenet",
            Self::AlexNet => "alexnet",
            Self::EfficientNetLite0 => "efficientnet-lite0",
        }
    }

    /// The size that its paper gives figures for.
    pub const fn settings(self) -> Settings {
        let resolution = match self {
            Self::SqueezeNet10 | Self::SqueezeNet11 | Self::AlexNet => 227,
            _ => 224,
        };
        Settings {
            width: 1.0,
            resolution,
            classes: 1000,
        }
    }

    /// Whether its paper has a factor on the number of channels.
    pub const fn has_widths(self) -> bool {
        matches!(
            self,
            Self::MobileNetV1
                | Self::MobileNetV2
                | Self::MobileNetV3Large
                | Self::MobileNetV3Small
                | Self::ShuffleNetG3
                | Self::EfficientNetLite0
        )
    }

    /// How a frame becomes this network's input.
    pub fn input_spec(self, settings: &Settings) -> InputSpec {
        let side = settings.resolution as u32;
        InputSpec {
            name: INPUT.into(),
            height: side,
            width: side,
            dtype: ElementType::F32,
            layout: Layout::Nchw,
            color: ColorOrder::Rgb,
            resize: Resize::CenterCrop {
                short_side: (f64::from(side) * SHORT_SIDE).round() as u32,
            },
            features: None,
            normalization: match self {
                Self::EfficientNetLite0 => Normalization::EFFICIENTNET_LITE,
                _ => Normalization::IMAGENET,
            },
        }
    }

    /// What this network answers.
    pub fn output_spec(self) -> OutputSpec {
        OutputSpec {
            name: OUTPUT.into(),
            activation: Activation::Logits,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Network {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|network| network.word() == text)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::word).join(", ");
                Error::Description(format!("there is no network {text:?}; known are {known}"))
            })
    }
}

/// Writes a network as a float ONNX model, batch normalization unfolded.
///
/// Initializers have the names of the state dict. Trained weights must fit exactly: a tensor of
/// another shape, a missing one or one that is left over is an error that names it.
pub fn build(network: Network, settings: &Settings, weights: Weights<'_>) -> Result<ModelProto> {
    let Settings {
        width,
        resolution,
        classes,
    } = *settings;
    if !(0.1..=4.0).contains(&width)
        || !(32..=1024).contains(&resolution)
        || !(1..=65_536).contains(&classes)
    {
        return Err(Error::Description(
            "a network needs a width of 0.1 to 4, a resolution of 32 to 1024 and 1 to 65,536 \
             classes"
                .into(),
        ));
    }
    if !network.has_widths() && (width - 1.0).abs() > f64::EPSILON {
        return Err(Error::Description(format!(
            "{network} comes in one width; leave the width at 1"
        )));
    }
    let mut layers = Layers::new(network.word(), resolution, weights);
    match network {
        Network::MobileNetV1 => mobilenet_v1::lay(&mut layers, width, classes)?,
        Network::MobileNetV2 => mobilenet_v2::lay(&mut layers, width, classes)?,
        Network::MobileNetV3Large => {
            mobilenet_v3::lay(&mut layers, mobilenet_v3::Size::Large, width, classes)?;
        }
        Network::MobileNetV3Small => {
            mobilenet_v3::lay(&mut layers, mobilenet_v3::Size::Small, width, classes)?;
        }
        Network::SqueezeNet10 => {
            squeezenet::lay(&mut layers, squeezenet::Version::First, classes)?;
        }
        Network::SqueezeNet11 => {
            squeezenet::lay(&mut layers, squeezenet::Version::Second, classes)?;
        }
        Network::ShuffleNetG3 => shufflenet::lay(&mut layers, width, classes)?,
        Network::Vgg16 => vgg16::lay(&mut layers, classes)?,
        Network::GoogLeNet => googlenet::lay(&mut layers, classes)?,
        Network::AlexNet => alexnet::lay(&mut layers, classes)?,
        Network::EfficientNetLite0 => efficientnet_lite::lay(&mut layers, width, classes)?,
    }
    let model = ModelProto::new(layers.finish()?, OPSET, IR_VERSION);
    model.check()?;
    Ok(model)
}

/// Channels times `width`, to the nearest multiple of eight that is not below nine tenths of it.
fn scaled(channels: usize, width: f64) -> usize {
    let wanted = channels as f64 * width;
    let rounded = ((wanted + 4.0) as usize / 8 * 8).max(8);
    if (rounded as f64) < 0.9 * wanted {
        rounded + 8
    } else {
        rounded
    }
}

#[cfg(test)]
mod tests;
