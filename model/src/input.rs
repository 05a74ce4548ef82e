//! How a frame becomes a model's input. Calibration, trial and worker all read this.

use serde::{Deserialize, Serialize};

use crate::{ElementType, Features};

/// One image input of a model: what the engine must be given for a frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// The tensor's name in the model file.
    pub name: String,
    /// Height and width in pixels that the model takes.
    pub height: u32,
    /// Width in pixels.
    pub width: u32,
    /// Type of the elements.
    pub dtype: ElementType,
    /// Order of the dimensions; batch is always 1.
    pub layout: Layout,
    /// Order of the channels.
    pub color: ColorOrder,
    /// How a frame of another size is fitted.
    pub resize: Resize,
    /// What is done to each value in 0..=255.
    pub normalization: Normalization,
    /// What the model's file computes of its input, where that is a window of samples: as many
    /// numbers as there are pixels, sample after sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Features>,
}

/// Order of an image tensor's dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// `[1, channels, height, width]`.
    Nchw,
    /// `[1, height, width, channels]`.
    Nhwc,
}

/// Order and number of an image's channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColorOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// One channel, ITU-R BT.601 luma.
    Gray,
}

impl ColorOrder {
    /// Number of channels.
    pub const fn channels(self) -> u32 {
        match self {
            Self::Rgb | Self::Bgr => 3,
            Self::Gray => 1,
        }
    }
}

/// How a frame is fitted to the input's size, antialiased bilinear in every mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Resize {
    /// Both sides scaled on their own.
    Stretch,
    /// The shorter side scaled to `short_side`, then the centre cut out.
    CenterCrop {
        /// Pixels of the shorter side after scaling; at least the input's size.
        short_side: u32,
    },
    /// Scaled to fit inside, the rest filled with `fill`.
    Letterbox {
        /// Value of the border, 0..=255.
        fill: u8,
    },
}

/// `(value * scale − mean[channel]) / deviation[channel]`, for value in 0..=255.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalization {
    /// Multiplied first; 1/255 for models that take 0..1.
    pub scale: f32,
    /// Subtracted, for red, green, blue (or the first for gray).
    pub mean: [f32; 3],
    /// Divided by, likewise; never zero.
    pub deviation: [f32; 3],
}

impl Normalization {
    /// Values are passed as they are.
    pub const NONE: Self = Self {
        scale: 1.0,
        mean: [0.0; 3],
        deviation: [1.0; 3],
    };
    /// The torchvision ImageNet convention.
    pub const IMAGENET: Self = Self {
        scale: 1.0 / 255.0,
        mean: [0.485, 0.456, 0.406],
        deviation: [0.229, 0.224, 0.225],
    };
    /// `(value − 127) / 128`, the EfficientNet-Lite convention.
    pub const EFFICIENTNET_LITE: Self = Self {
        scale: 1.0,
        mean: [127.0; 3],
        deviation: [128.0; 3],
    };

    /// Whether every number is finite and no deviation is zero.
    pub fn is_sound(&self) -> bool {
        self.scale.is_finite()
            && self.mean.iter().all(|m| m.is_finite())
            && self.deviation.iter().all(|d| d.is_finite() && *d != 0.0)
    }
}

impl InputSpec {
    /// Most pixels along one side that an input may have.
    pub const MAX_SIDE: u32 = 4096;

    /// The tensor's shape, batch of one.
    pub fn shape(&self) -> [usize; 4] {
        let (h, w, c) = (
            self.height as usize,
            self.width as usize,
            self.color.channels() as usize,
        );
        match self.layout {
            Layout::Nchw => [1, c, h, w],
            Layout::Nhwc => [1, h, w, c],
        }
    }

    /// What is wrong with the description, if anything.
    pub fn fault(&self) -> Option<String> {
        let sides = 1..=Self::MAX_SIDE;
        if self.name.is_empty() || self.name.len() > 256 {
            return Some("input.name must have 1 to 256 bytes".into());
        }
        if !sides.contains(&self.height) || !sides.contains(&self.width) {
            return Some(format!(
                "input height and width must be 1 to {}",
                Self::MAX_SIDE
            ));
        }
        if !matches!(self.dtype, ElementType::F32 | ElementType::U8) {
            return Some("input.dtype must be f32 or u8".into());
        }
        if !self.normalization.is_sound() {
            return Some("input.normalization must be finite, with deviations not zero".into());
        }
        if let Resize::CenterCrop { short_side } = self.resize
            && (short_side < self.height.max(self.width) || short_side > 2 * Self::MAX_SIDE)
        {
            return Some("input.resize.center_crop.short_side must cover the input".into());
        }
        self.features
            .as_ref()
            .and_then(|one| self.features_fault(one))
    }

    fn features_fault(&self, features: &Features) -> Option<String> {
        if let Some(fault) = features.fault() {
            return Some(format!("input.{fault}"));
        }
        let numbers: usize = self.shape().iter().product();
        (numbers != features.numbers()).then(|| {
            format!(
                "input.features: windows of {} numbers for {numbers} values",
                features.numbers()
            )
        })
    }
}
