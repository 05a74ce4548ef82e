//! How many bits numbers get, and how many numbers share a scale.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::{Error, Result};

/// Bits of an integer, 2 to 8.
///
/// Fewer than 8 bits of an activation are bytes of which only the lowest levels are used; weights
/// of at most 4 bits are stored two to a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Bits(u8);

impl Bits {
    /// A whole byte.
    pub const EIGHT: Self = Self(8);
    /// x86 kernels without VNNI add two products in 16 bits, where eight overflow.
    pub const SEVEN: Self = Self(7);
    /// Half a byte.
    pub const FOUR: Self = Self(4);

    /// That many bits.
    pub fn new(bits: u8) -> Result<Self> {
        if (2..=8).contains(&bits) {
            return Ok(Self(bits));
        }
        Err(Error::Description(format!(
            "numbers of {bits} bits can't be made; give 2 to 8"
        )))
    }

    /// The number of bits.
    pub const fn count(self) -> u8 {
        self.0
    }

    /// The highest magnitude of a signed number: the lowest number is left out, so that zero is
    /// in the middle.
    pub(super) fn magnitude(self) -> f32 {
        f32::from((1u8 << (self.0 - 1)) - 1)
    }

    /// The highest level of an unsigned number.
    pub(super) const fn highest(self) -> u8 {
        u8::MAX >> (8 - self.0)
    }

    /// Whether two fit into a byte.
    pub(super) const fn packs(self) -> bool {
        self.0 <= 4
    }
}

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Bits {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = text.parse().map_err(|_| {
            Error::Description(format!(
                "{text:?} is no number of bits; give a number from 2 to 8"
            ))
        })?;
        Self::new(number)
    }
}

/// How many weights share a scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Granularity {
    /// Those of one output channel.
    Channel,
    /// All of a layer.
    Tensor,
}

/// What becomes integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Weights and activations, the ranges of activations fixed by calibration inputs.
    Static,
    /// Weights and activations, the ranges of activations taken from each input as it runs:
    /// needs no calibration, and computes 8-bit activations only.
    Dynamic,
    /// Weights only: smaller, not faster, for layers compute in floats.
    Weights,
}

/// How weights are rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// Each to the nearest level.
    Nearest,
    /// So that errors cancel in the layer's output on calibration inputs.
    Hessian,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_follow_from_the_bits() {
        let limits = |bits: u8| {
            let bits = Bits::new(bits).unwrap();
            (bits.magnitude(), bits.highest())
        };
        assert_eq!(limits(8), (127.0, 255));
        assert_eq!(limits(7), (63.0, 127));
        assert_eq!(limits(4), (7.0, 15));
        assert_eq!(limits(2), (1.0, 3));
        assert!(Bits::new(1).is_err() && Bits::new(9).is_err());
        assert_eq!("4".parse::<Bits>().unwrap(), Bits::FOUR);
        assert!("four".parse::<Bits>().is_err());
    }
}
