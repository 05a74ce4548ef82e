//! Networks of one-bit weights: packed in a file of their own, multiplied by counting bits.
//!
//! A [`Network`] is a sequence of layers without branches. Between two layers flow signs (one
//! bit, ±1), two-bit levels (0 to 3) or bytes, never floating point: what follows a product
//! (scales, biases, batch normalization, the sign) is folded into integer thresholds, so an
//! answer is the same on every CPU, bit by bit. First and last layers may have 8-bit weights.
//!
//! Sources: Courbariaux and others 2015 (BinaryConnect) and 2016 (BNN: XNOR and popcount, batch
//! normalization and sign as a threshold); Rastegari and others 2016 (XNOR-Net: one scale a
//! filter); Zhou and others 2016 (DoReFa-Net: activations of a few bits as bit planes).
//!
//! [`Network::write`] and [`Network::read`] are the file format, `.nbin`; [`Kernels`] are the
//! products, one set for each instruction set.

mod engine;
mod file;
mod finish;
mod kernels;
mod network;
mod outline;
mod pack;
mod read;
mod rows;
mod shape;
mod single;
#[cfg(test)]
mod tests;
mod value;

pub use file::MAGIC;
pub use kernels::{BitProduct, ByteProduct, Isa, Kernels};
pub use network::{
    Border, Element, Finish, Input, Layer, Layout, Network, Pool, Product, Weights, Window,
};
pub use outline::{Flow, Outline};
pub use pack::{BitMatrix, ByteMatrix, pack_signs};
pub use shape::{Figures, MAX_LAYERS, Shape};
pub use single::SingleProduct;

pub(crate) use engine::BinaryEngine;

/// The version of the file format, told as the engine's version.
pub(crate) const VERSION: &str = "1";
