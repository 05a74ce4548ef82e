//! One product by itself, to measure it.

use super::engine::{Loaded, Room};
use super::kernels::{COLUMNS, Kernels};
use super::network::{Finish, Product};
use super::pack::mask;
use super::shape::{Figures, Kind, Shape, refuse};
use super::value::{Planes, Value};
use crate::error::Result;

/// A product with an input in packed bits, as it has between two layers of a network.
pub struct SingleProduct {
    loaded: Loaded,
    input: Planes,
    kernels: Kernels,
    room: Room,
}

impl SingleProduct {
    /// `product` over `words`: for each pixel of `shape` one plane of bits (signs) or two
    /// (levels), each of whole words. The finish must be signs or levels.
    pub fn new(
        product: &Product,
        shape: Shape,
        levels: bool,
        words: Vec<u64>,
        kernels: Kernels,
    ) -> Result<Self> {
        let (kind, planes) = if levels {
            (Kind::Levels, 2)
        } else {
            (Kind::Signs, 1)
        };
        product.after(shape.check()?, kind, &mut Figures::default())?;
        if !matches!(product.finish, Finish::Signs { .. } | Finish::Levels { .. }) {
            return Err(refuse("only signs and levels are measured"));
        }
        let plane_words = shape.channels.div_ceil(COLUMNS);
        if words.len() != shape.pixels() * planes * plane_words {
            return Err(refuse("the input has another size than its shape says"));
        }
        let mut input = Planes {
            shape,
            planes,
            words,
        };
        for plane in input.words.chunks_mut(plane_words) {
            for (word, bits) in plane.iter_mut().enumerate() {
                *bits &= mask(shape.channels - word * COLUMNS);
            }
        }
        Ok(Self {
            loaded: Loaded::new(product, shape, kind),
            input,
            kernels,
            room: Room::default(),
        })
    }

    /// The packed bits of all outputs, `[position][plane][word]`.
    pub fn run(&mut self) -> Vec<u64> {
        let made = self
            .loaded
            .run_planes(&self.input, self.kernels, &mut self.room);
        match made {
            Value::Signs(planes) | Value::Levels(planes) => planes.words,
            Value::Bytes(_) | Value::Numbers(_) => unreachable!("the finish was checked"),
        }
    }
}
