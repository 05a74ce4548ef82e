//! A network of integers: values of 8 bits, steps that make one from another.

use super::fixed::Scaling;

/// The size of a value. In memory the channels of a pixel lie together, row by row; a signal in
/// time has a height of 1, a vector is one pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Channels.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Shape {
    /// A vector of `count` numbers.
    pub const fn vector(count: usize) -> Self {
        Self {
            channels: count,
            height: 1,
            width: 1,
        }
    }

    /// Pixels.
    pub const fn pixels(self) -> usize {
        self.height * self.width
    }

    /// Numbers.
    pub const fn count(self) -> usize {
        self.pixels() * self.channels
    }
}

/// The type of a value's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// 8 bits, signed.
    I8,
    /// 32 bits, signed: outputs of a last layer that nothing rounds.
    I32,
}

impl Element {
    /// Bytes of a number.
    pub const fn bytes(self) -> usize {
        match self {
            Self::I8 => 1,
            Self::I32 => 4,
        }
    }
}

/// A value that flows between steps: number = (level − zero point) · scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Its name in the ONNX file.
    pub name: String,
    /// Its size.
    pub shape: Shape,
    /// The type of its levels.
    pub element: Element,
    /// The number between two levels.
    pub scale: f64,
    /// The level that stands for zero; a `u8` of the file is taken less 128.
    pub zero_point: i8,
}

impl Value {
    /// Bytes in memory.
    pub const fn bytes(&self) -> usize {
        self.shape.count() * self.element.bytes()
    }
}

/// How a window slides over an input; pairs are vertical, horizontal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The input.
    pub input: Shape,
    /// The output.
    pub output: Shape,
    /// Cells of the window.
    pub kernel: [usize; 2],
    /// Pixels between two windows.
    pub stride: [usize; 2],
    /// Pixels between two cells.
    pub dilation: [usize; 2],
    /// Pixels of border above and to the left.
    pub before: [usize; 2],
}

impl Window {
    /// The window of a linear layer.
    pub const fn linear(inputs: usize, outputs: usize) -> Self {
        Self {
            input: Shape::vector(inputs),
            output: Shape::vector(outputs),
            kernel: [1, 1],
            stride: [1, 1],
            dilation: [1, 1],
            before: [0, 0],
        }
    }

    /// Where the cell `cell` of output pixel `place` lies along `axis` (0 vertical), if inside.
    pub fn position(&self, axis: usize, place: usize, cell: usize) -> Option<usize> {
        let size = [self.input.height, self.input.width][axis];
        let position = place * self.stride[axis] + cell * self.dilation[axis];
        position
            .checked_sub(self.before[axis])
            .filter(|&position| position < size)
    }
}

/// A layer with weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighted {
    /// How its kernel slides.
    pub window: Window,
    /// Groups of channels that don't see each other.
    pub groups: usize,
    /// A row for each output: kernel rows, kernel columns, the group's input channels. Of a
    /// depthwise layer instead: kernel rows, kernel columns, channels.
    pub weights: Vec<i8>,
    /// One for each output, in steps of input scale times weight scale.
    pub biases: Vec<i32>,
    /// From such steps to the output's levels.
    pub scaling: Scaling,
}

impl Weighted {
    /// Weights of one output.
    pub fn cells(&self) -> usize {
        let [height, width] = self.window.kernel;
        height * width * self.window.input.channels / self.groups
    }

    /// Whether a pixel's input must be gathered before it is multiplied: a kernel of more than
    /// one cell, a border, or groups.
    pub fn gathers(&self) -> bool {
        self.window.kernel != [1, 1] || self.window.before != [0, 0] || self.groups > 1
    }

    /// Multiplications of one run.
    pub fn macs(&self) -> u64 {
        self.window.output.count() as u64 * self.cells() as u64
    }
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// A convolution, or a linear layer that is rounded to 8 bits.
    Convolution(Weighted),
    /// A convolution of each channel on its own.
    Depthwise(Weighted),
    /// A linear layer whose outputs stay 32 bits wide.
    Linear(Weighted),
    /// The highest level of each window.
    MaxPool(Window),
    /// The mean of each window, its border counted as zeros.
    AveragePool(Window, Scaling),
    /// The sum of two values.
    Add(Scaling),
    /// The same numbers in other steps, cut off at the bounds.
    ChangeScale(Scaling),
}

impl Operation {
    /// One word for people.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Convolution(layer) if layer.window.input.pixels() == 1 => "linear",
            Self::Convolution(_) => "convolution",
            Self::Depthwise(_) => "depthwise",
            Self::Linear(_) => "linear",
            Self::MaxPool(_) => "max pool",
            Self::AveragePool(..) => "average pool",
            Self::Add(_) => "add",
            Self::ChangeScale(_) => "change of scale",
        }
    }

    /// The layer with weights that this is.
    pub const fn weighted(&self) -> Option<&Weighted> {
        match self {
            Self::Convolution(layer) | Self::Depthwise(layer) | Self::Linear(layer) => Some(layer),
            _ => None,
        }
    }
}

/// One operation on values.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The name of its node in the ONNX file.
    pub name: String,
    /// What it does.
    pub operation: Operation,
    /// The values that it reads.
    pub inputs: Vec<usize>,
    /// The value that it makes.
    pub output: usize,
    /// The least level that it makes.
    pub low: i8,
    /// The greatest level that it makes.
    pub high: i8,
}

/// A network of integers, its steps in order of execution.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// All values.
    pub values: Vec<Value>,
    /// All steps.
    pub steps: Vec<Step>,
    /// The value that the caller gives.
    pub input: usize,
    /// The value that the caller gets.
    pub output: usize,
}

impl Network {
    /// The value that the caller gives.
    pub fn input(&self) -> &Value {
        &self.values[self.input]
    }

    /// The value that the caller gets.
    pub fn output(&self) -> &Value {
        &self.values[self.output]
    }

    /// Multiplications of one run.
    pub fn macs(&self) -> u64 {
        let layers = self
            .steps
            .iter()
            .filter_map(|step| step.operation.weighted());
        layers.map(Weighted::macs).sum()
    }

    /// Bytes of weights, biases and factors.
    pub fn constant_bytes(&self) -> usize {
        let layers = self
            .steps
            .iter()
            .filter_map(|step| step.operation.weighted());
        layers
            .map(|layer| layer.weights.len() + 8 * layer.biases.len())
            .sum()
    }

    /// The levels of real numbers in the order of memory (see [`Shape`]), as `QuantizeLinear`
    /// makes them.
    pub fn levels(&self, numbers: &[f32]) -> Vec<i8> {
        let (scale, zero) = (
            self.input().scale as f32,
            f32::from(self.input().zero_point),
        );
        let level = |number: &f32| {
            let level = (number / scale).round_ties_even() + zero;
            level.clamp(f32::from(i8::MIN), f32::from(i8::MAX)) as i8
        };
        numbers.iter().map(level).collect()
    }

    /// Inputs for test vectors: random levels, the same for the same count.
    pub fn sample_inputs(&self, count: usize) -> Vec<Vec<i8>> {
        let mut state = 1u64;
        let mut level = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as i8
        };
        let cells = self.input().shape.count();
        (0..count)
            .map(|_| (0..cells).map(|_| level()).collect())
            .collect()
    }
}
