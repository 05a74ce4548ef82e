//! A network layer by layer, as people read it.

use super::network::{Layer, Network, Weights};
use super::shape::{Figures, Kind, Shape};
use crate::error::Result;

/// What flows out of a layer, and so into the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// One bit: ±1.
    Signs,
    /// Two bits: 0 to 3.
    Levels,
    /// Eight bits.
    Bytes,
    /// Floating point: the answer.
    Numbers,
}

impl Flow {
    /// Bits of one number.
    pub const fn bits(self) -> u8 {
        match self {
            Self::Signs => 1,
            Self::Levels => 2,
            Self::Bytes => 8,
            Self::Numbers => 32,
        }
    }
}

impl From<Kind> for Flow {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Signs => Self::Signs,
            Kind::Levels => Self::Levels,
            Kind::Bytes { .. } => Self::Bytes,
            Kind::Numbers => Self::Numbers,
        }
    }
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// What it is: `conv 3x3`, `dense`, `pool 2x2`, `flatten`.
    pub what: String,
    /// Bits of a weight; none where there are no weights.
    pub weight_bits: Option<u8>,
    /// What flows in.
    pub from: Flow,
    /// What flows out.
    pub to: Flow,
    /// Shape of what flows out.
    pub shape: Shape,
    /// What it costs alone.
    pub figures: Figures,
}

impl Network {
    /// Its layers in order; an error if they don't fit each other.
    pub fn outline(&self) -> Result<Vec<Outline>> {
        let mut shape = self.input.shape()?;
        let mut kind = Kind::Bytes {
            zero: self.input.zero,
        };
        let one = |layer: &Layer| {
            let (from, before) = (kind, shape);
            let mut figures = Figures::default();
            (shape, kind) = layer.after(shape, kind, &mut figures)?;
            Ok(Outline {
                what: layer.what(before),
                weight_bits: layer.weight_bits(),
                from: from.into(),
                to: kind.into(),
                shape,
                figures,
            })
        };
        self.layers.iter().map(one).collect()
    }
}

impl Layer {
    fn what(&self, from: Shape) -> String {
        match self {
            Self::Product(product) => {
                let window = product.window;
                let mut text = if from.pixels() == 1 {
                    "dense".to_owned()
                } else {
                    format!("conv {0}x{0}", window.size)
                };
                if window.stride > 1 {
                    text += &format!(" by {}", window.stride);
                }
                if let Some(pool) = product.pool {
                    text += &format!(", pool {0}x{0}", pool.size);
                }
                text
            }
            Self::Pool(pool) => format!("pool {0}x{0}", pool.size),
            Self::Flatten => "flatten".to_owned(),
        }
    }

    const fn weight_bits(&self) -> Option<u8> {
        match self {
            Self::Product(product) => Some(match product.weights {
                Weights::Signs(_) => 1,
                Weights::Bytes(_) => 8,
            }),
            Self::Pool(_) | Self::Flatten => None,
        }
    }
}
