//! Whether a network's layers fit each other, and what they cost: everything that is allocated
//! or computed later is bounded here.

use super::kernels::COLUMNS;
use super::network::{Border, Finish, Input, Layer, Layout, Network, Pool, Product, Weights};
use crate::error::{EngineError, Result};

/// Most layers of a network.
pub const MAX_LAYERS: usize = 256;
/// Most inputs of one output: a sum of that many bytes times ±1, doubled, fits 32 bits.
const MAX_INPUTS: usize = 1 << 20;
/// Most where the weights are bytes too.
const MAX_BYTE_INPUTS: usize = 1 << 16;
const MAX_OUTPUTS: usize = 1 << 16;
const MAX_SIDE: usize = 1 << 12;
/// Most numbers between two layers for one sample.
const MAX_NUMBERS: usize = 1 << 24;
/// Most multiplications of one sample: a hostile file is small and still may not run for hours.
const MAX_MACS: u64 = 1 << 36;
const MAX_NAME: usize = 64;

/// Size of what flows between two layers, for one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Rows of pixels.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Channels of a pixel.
    pub channels: usize,
}

/// What flows between two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Signs,
    Levels,
    Bytes { zero: u8 },
    Numbers,
}

/// What a network is made of and needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Weights, thresholds, scales and biases.
    pub parameters: u64,
    /// Weights of one bit.
    pub sign_weights: u64,
    /// Weights of eight bits.
    pub byte_weights: u64,
    /// Multiply-accumulate operations of one inference, of whatever width.
    pub macs: u64,
    /// Bytes of the weights in the file.
    pub weight_bytes: u64,
    /// Bytes of weights and activations while one sample runs.
    pub peak_memory: u64,
    /// Number of outputs.
    pub outputs: usize,
}

impl Shape {
    /// Number of pixels.
    pub const fn pixels(self) -> usize {
        self.height * self.width
    }

    /// The shape after a window of `size` pixels moves by `stride` over it and `padding` pixels
    /// beyond its edges.
    fn moved(self, size: usize, stride: usize, padding: usize) -> Option<Self> {
        let side = |side: usize| Some((side + 2 * padding).checked_sub(size)? / stride + 1);
        Some(Self {
            height: side(self.height)?,
            width: side(self.width)?,
            channels: self.channels,
        })
    }

    /// The shape after `pool`.
    pub(super) fn pooled(self, pool: Pool) -> Option<Self> {
        self.moved(pool.size, pool.stride, 0)
    }

    /// The shape of the sums of `product` over values of this shape.
    pub(super) fn summed(self, product: &Product) -> Option<Self> {
        let window = product.window;
        let moved = self.moved(window.size, window.stride, window.padding)?;
        Some(Self {
            channels: product.outputs,
            ..moved
        })
    }

    /// The shape as the features of one pixel.
    pub(super) const fn flat(self) -> Self {
        Self {
            height: 1,
            width: 1,
            channels: self.pixels() * self.channels,
        }
    }

    pub(super) fn check(self) -> Result<Self> {
        let sides = [self.height, self.width];
        let numbers = sides
            .iter()
            .try_fold(self.channels, |count, &side| count.checked_mul(side));
        let fits = sides.iter().all(|side| (1..=MAX_SIDE).contains(side))
            && numbers.is_some_and(|count| (1..=MAX_NUMBERS).contains(&count));
        fits.then_some(self).ok_or_else(|| {
            refuse(format!(
                "{} by {} pixels of {} channels; sides are 1 to {MAX_SIDE}, and at most \
                 {MAX_NUMBERS} numbers lie between two layers",
                self.height, self.width, self.channels
            ))
        })
    }
}

/// Bytes of `shape` while it is alive, for one sample.
pub(super) fn bytes_of(shape: Shape, kind: Kind) -> u64 {
    let words = shape.channels.div_ceil(COLUMNS);
    let pixel = match kind {
        Kind::Signs => words * 8,
        Kind::Levels => words * 16,
        Kind::Bytes { .. } => shape.channels,
        Kind::Numbers => shape.channels * 4,
    };
    (shape.pixels() * pixel) as u64
}

pub(super) fn refuse(text: impl Into<String>) -> EngineError {
    EngineError::Model(text.into())
}

impl Input {
    /// The shape of one sample.
    pub(super) fn shape(&self) -> Result<Shape> {
        let shape = Shape {
            height: self.height,
            width: self.width,
            channels: self.channels,
        };
        if self.layout == Layout::Flat && shape.pixels() != 1 {
            return Err(refuse("features have neither height nor width"));
        }
        if !(self.scale.is_finite() && self.scale > 0.0) {
            return Err(refuse("the input's scale is no positive number"));
        }
        check_name(&self.name)?;
        shape.check()
    }
}

fn check_name(name: &str) -> Result<()> {
    if (1..=MAX_NAME).contains(&name.len()) {
        Ok(())
    } else {
        Err(refuse(format!("a name has 1 to {MAX_NAME} bytes")))
    }
}

impl Network {
    /// What it costs; an error if the layers don't fit each other or go beyond a limit.
    pub fn figures(&self) -> Result<Figures> {
        check_name(&self.output)?;
        if self.layers.len() > MAX_LAYERS {
            let count = self.layers.len();
            return Err(refuse(format!("{count} layers, at most {MAX_LAYERS}")));
        }
        let mut shape = self.input.shape()?;
        let zero = self.input.zero;
        let mut kind = Kind::Bytes { zero };
        let (mut figures, mut activations) = (Figures::default(), 0);
        for layer in &self.layers {
            if kind == Kind::Numbers {
                return Err(refuse("a layer follows the network's answer"));
            }
            let before = bytes_of(shape, kind);
            (shape, kind) = layer.after(shape, kind, &mut figures)?;
            activations = activations.max(before + bytes_of(shape, kind));
            if figures.macs > MAX_MACS {
                return Err(refuse(format!("more than {MAX_MACS} multiplications")));
            }
        }
        if kind != Kind::Numbers || shape.pixels() != 1 {
            return Err(refuse("the last layer must answer one row of numbers"));
        }
        figures.peak_memory += activations;
        figures.outputs = shape.channels;
        Ok(figures)
    }
}

impl Layer {
    /// What comes out where `shape` of `kind` goes in; adds its cost to `figures`.
    pub(super) fn after(
        &self,
        shape: Shape,
        kind: Kind,
        figures: &mut Figures,
    ) -> Result<(Shape, Kind)> {
        match self {
            Self::Product(product) => {
                let after = product.after(shape, kind, figures)?;
                Ok((after, product.finish.kind()))
            }
            Self::Pool(pool) => Ok((pool.after(shape)?, kind)),
            Self::Flatten => Ok((shape.flat(), kind)),
        }
    }
}

impl Pool {
    pub(super) fn after(self, shape: Shape) -> Result<Shape> {
        if !(1..=16).contains(&self.size) || !(1..=16).contains(&self.stride) {
            return Err(refuse("a pool's side and stride are 1 to 16"));
        }
        let pooled = shape.pooled(self);
        pooled.ok_or_else(|| refuse("a pool is larger than what it pools"))
    }
}

impl Finish {
    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Signs { .. } => Kind::Signs,
            Self::Levels { .. } => Kind::Levels,
            Self::Bytes { .. } => Kind::Bytes { zero: 0 },
            Self::Numbers { .. } => Kind::Numbers,
        }
    }

    /// Numbers kept for each output, and whether all of them can be believed.
    fn check(&self) -> Result<u64> {
        let finite = |numbers: &[f32]| numbers.iter().all(|number| number.is_finite());
        let (each, fine) = match self {
            Self::Signs { thresholds, flips } => (1, thresholds.len() == flips.len()),
            Self::Levels { thresholds, flips } => (
                3,
                thresholds.len() == flips.len()
                    && thresholds.iter().all(|levels| levels.is_sorted()),
            ),
            Self::Bytes { scale, bias } | Self::Numbers { scale, bias } => (
                2,
                scale.len() == bias.len() && finite(scale) && finite(bias),
            ),
        };
        if fine {
            Ok(each)
        } else {
            Err(refuse(
                "thresholds that descend, or scales that are no numbers",
            ))
        }
    }
}

impl Product {
    /// Inputs of one output where pixels have `channels`.
    pub(super) const fn inputs(&self, channels: usize) -> usize {
        self.window.size * self.window.size * channels
    }

    pub(super) fn after(&self, shape: Shape, kind: Kind, figures: &mut Figures) -> Result<Shape> {
        let window = self.window;
        let sensible = (1..=7).contains(&window.size)
            && (1..=7).contains(&window.stride)
            && window.padding < window.size;
        if !sensible {
            return Err(refuse(
                "a window's side and stride are 1 to 7, its padding less than its side",
            ));
        }
        self.check_border(kind)?;
        let inputs = self.inputs(shape.channels);
        let most = match self.weights {
            Weights::Signs(_) => MAX_INPUTS,
            Weights::Bytes(_) => MAX_BYTE_INPUTS,
        };
        if inputs > most || !(1..=MAX_OUTPUTS).contains(&self.outputs) {
            return Err(refuse(format!(
                "{} outputs of {inputs} inputs; at most {MAX_OUTPUTS} of {most}",
                self.outputs
            )));
        }
        let expected = self.weights.filter_bytes(inputs) * self.outputs;
        if self.weights.len() != expected || self.finish.outputs() != self.outputs {
            return Err(refuse(format!(
                "{} bytes of weights and a finish for {} outputs, not {expected} and {}",
                self.weights.len(),
                self.finish.outputs(),
                self.outputs
            )));
        }
        let summed = shape.summed(self);
        let summed = summed.ok_or_else(|| refuse("a window is larger than what it moves over"))?;
        let summed = summed.check()?;
        self.count(inputs, summed, figures)?;
        match (self.pool, &self.finish) {
            (None, _) => Ok(summed),
            (Some(pool), Finish::Signs { .. } | Finish::Levels { .. }) => pool.after(summed),
            _ => Err(refuse("sums are pooled only before signs or levels")),
        }
    }

    /// Where the border is ambiguous, or can't be made.
    fn check_border(&self, kind: Kind) -> Result<()> {
        let padded = self.window.padding > 0;
        match (self.window.border, kind, &self.weights) {
            (Border::MinusOne, Kind::Signs, Weights::Signs(_)) => Ok(()),
            (Border::MinusOne, _, _) if padded => Err(refuse(
                "a border of −1 lies around signs with weights of one bit only",
            )),
            (_, Kind::Bytes { zero: 1.. }, Weights::Signs(_)) if padded => Err(refuse(
                "a border around bytes whose zero isn't 0 needs weights of 8 bits",
            )),
            _ => Ok(()),
        }
    }

    fn count(&self, inputs: usize, summed: Shape, figures: &mut Figures) -> Result<()> {
        let weights = (inputs * self.outputs) as u64;
        figures.parameters += weights + self.finish.check()? * self.outputs as u64;
        match self.weights {
            Weights::Signs(_) => figures.sign_weights += weights,
            Weights::Bytes(_) => figures.byte_weights += weights,
        }
        figures.macs += weights * summed.pixels() as u64;
        figures.weight_bytes += self.weights.len() as u64;
        // In memory filters are whole words, outputs whole panels.
        let columns = self.outputs.next_multiple_of(16);
        let filter = self.weights.filter_bytes(inputs).next_multiple_of(8);
        figures.peak_memory += (columns * filter) as u64;
        Ok(())
    }
}
