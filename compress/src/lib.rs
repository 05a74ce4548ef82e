//! Makes a model smaller: a recipe goes in, a model and a report of what it cost come out.
//!
//! [`pickle`] reads PyTorch weights, [`networks`] writes known networks as ONNX, [`quantize`](mod@quantize) turns a float network into 8-bit integers,
//! [`compile`](mod@compile) rewrites its graph ahead of time for one target,
//! [`inspect`](mod@inspect) and [`report`] tell what a file needs and what a change cost,
//! [`recipe`] chains such steps and searches for the best within limits,
//! [`evaluate`](mod@evaluate) how good a model is on somebody's data, [`statistics`] how sure that is, [`plot`] shows it, and [`release`] makes a manifest of it.
//!
//! Every file is foreign: sizes are bounded before memory is taken, and a hostile file is an error.

pub mod binary;
pub mod compile;
mod error;
pub mod evaluate;
pub mod inspect;
pub mod networks;
pub mod pickle;
pub mod plot;
pub mod quantize;
pub mod recipe;
pub mod release;
pub mod report;
pub mod statistics;
pub mod views;

pub use error::{Error, Result};
pub use networks::{Network, Settings, Weights, build};
