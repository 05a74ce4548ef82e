//! Small networks as C99: integers only, one static arena.
//!
//! [`import`] makes a network of integers of a QDQ int8 ONNX file, as `noroshi model quantize` and
//! ONNX Runtime's quantizer write it. [`Network::run`] is the reference on the host. [`plan`] says
//! where values lie, [`emit`] writes the source, which answers bit for bit as the reference does.
//!
//! # Arithmetic
//!
//! Values are signed 8-bit levels (a `u8` of the file less 128), channels of a pixel together. A
//! layer sums products of weights and (level − zero point) and a bias in 32 bits, which ranges
//! prove to be enough; the sum is multiplied with a 31-bit factor, exact in 64 bits, and rounded
//! once (see [`Scaling`]); zero point and bounds follow. A ReLU or clip is a pair of bounds. A last
//! linear layer that nothing rounds keeps 32-bit outputs of one common scale.

mod emit;
mod error;
mod fixed;
mod import;
mod network;
mod overlap;
mod plan;
mod reference;
mod summary;

pub use emit::{Options, SourceFile, Target, cortex_harness, emit};
pub use error::{Error, Result};
pub use fixed::{Scaling, rescale};
pub use import::import;
pub use network::{Element, Network, Operation, Shape, Step, Value, Weighted, Window};
pub use overlap::lead;
pub use plan::{Plan, Sharing, plan};
pub use reference::Output;
pub use summary::{StepSummary, Summary};
