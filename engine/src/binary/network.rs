//! What a packed network is.

/// A network without branches.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// What goes in.
    pub input: Input,
    /// Name of what comes out.
    pub output: String,
    /// What is done, in order. The last layer is a product that finishes in numbers.
    pub layers: Vec<Layer>,
}

/// The input: an image or a row of features, made bytes before the first layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Type of the elements that arrive.
    pub element: Element,
    /// Order of the dimensions.
    pub layout: Layout,
    /// Channels of a pixel, or features.
    pub channels: usize,
    /// Rows of pixels; 1 for features.
    pub height: usize,
    /// Pixels in a row; 1 for features.
    pub width: usize,
    /// A number x is the byte `round(x / scale) + zero`, ties to even, held to 0..=255.
    pub scale: f32,
    /// The byte that means 0.
    pub zero: u8,
}

/// Type of the input's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// Numbers, which are quantized.
    F32,
    /// Bytes, taken as they are.
    U8,
}

/// Order of the input's dimensions, after the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `[features]`.
    Flat,
    /// `[channels, height, width]`.
    Nchw,
    /// `[height, width, channels]`.
    Nhwc,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub enum Layer {
    /// A convolution or, where there is one pixel, a dense layer.
    Product(Product),
    /// The largest of each channel in a window.
    Pool(Pool),
    /// All pixels' channels as the features of one, in the order of height, width, channels.
    Flatten,
}

/// A sum over a window of pixels for each output, and what is made of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    /// Filters, in the order output, height, width, channels.
    pub weights: Weights,
    /// Number of outputs.
    pub outputs: usize,
    /// Which pixels are summed.
    pub window: Window,
    /// The largest sum in a window of positions is taken before the finish, if there is one.
    /// Only where the finish is signs or levels.
    pub pool: Option<Pool>,
    /// What is made of a sum.
    pub finish: Finish,
}

/// The weights of a product.
#[derive(Debug, Clone, PartialEq)]
pub enum Weights {
    /// ±1: a filter's bits from the lowest, 1 for +1, filled up to whole bytes with 0.
    Signs(Vec<u8>),
    /// 8-bit integers.
    Bytes(Vec<i8>),
}

/// The square of pixels that a product sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its side, 1 to 7.
    pub size: usize,
    /// Pixels from one position to the next.
    pub stride: usize,
    /// Pixels beyond each edge, fewer than `size`.
    pub padding: usize,
    /// What those are.
    pub border: Border,
}

impl Window {
    /// One pixel: the window of a dense layer.
    pub const ONE: Self = Self {
        size: 1,
        stride: 1,
        padding: 0,
        border: Border::Zero,
    };
}

/// What lies beyond the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Border {
    /// Nothing: a pixel there adds nothing to a sum.
    Zero,
    /// −1; only where signs go in.
    MinusOne,
}

/// A window of positions, the largest of which is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Its side, 1 to 16.
    pub size: usize,
    /// Positions from one to the next.
    pub stride: usize,
}

/// What is made of a sum. Each list has one entry an output.
#[derive(Debug, Clone, PartialEq)]
pub enum Finish {
    /// +1 if the sum reaches the threshold, else −1; the other way round where `flips` says so.
    Signs {
        /// The least sum that counts.
        thresholds: Vec<i32>,
        /// Whether the sign is turned.
        flips: Vec<bool>,
    },
    /// 0 to 3: how many of the thresholds, which don't descend, the sum reaches; 3 minus that
    /// where `flips` says so.
    Levels {
        /// The least sums that count.
        thresholds: Vec<[i32; 3]>,
        /// Whether the level is turned.
        flips: Vec<bool>,
    },
    /// The byte `round(sum · scale + bias)`, ties to even, held to 0..=255; 0 means 0.
    Bytes {
        /// Factor.
        scale: Vec<f32>,
        /// Addend.
        bias: Vec<f32>,
    },
    /// The number `sum · scale + bias`: the network's answer.
    Numbers {
        /// Factor.
        scale: Vec<f32>,
        /// Addend.
        bias: Vec<f32>,
    },
}

impl Finish {
    /// Number of outputs that it is for.
    pub(super) fn outputs(&self) -> usize {
        match self {
            Self::Signs { thresholds, .. } => thresholds.len(),
            Self::Levels { thresholds, .. } => thresholds.len(),
            Self::Bytes { scale, .. } | Self::Numbers { scale, .. } => scale.len(),
        }
    }
}

impl Weights {
    /// Bytes of one filter with `inputs` inputs.
    pub(super) const fn filter_bytes(&self, inputs: usize) -> usize {
        match self {
            Self::Signs(_) => inputs.div_ceil(8),
            Self::Bytes(_) => inputs,
        }
    }

    /// Bytes of all.
    pub(super) const fn len(&self) -> usize {
        match self {
            Self::Signs(bytes) => bytes.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}
