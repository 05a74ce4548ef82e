//! Models with quantized weights, run by candle: GGUF and safetensors files.
//!
//! Neither format says what to compute, so the file carries a [`Graph`] beside its weights: a
//! sequence of layers as JSON under the metadata key [`GRAPH_KEY`] (a GGUF string, or an entry
//! of safetensors' `__metadata__`):
//!
//! ```json
//! {
//!   "format": 1,
//!   "input": {"name": "input", "shape": [1, 28, 28]},
//!   "output": "logits",
//!   "layers": [
//!     {"op": "linear", "weight": "fc1.weight", "bias": "fc1.bias"},
//!     {"op": "relu"},
//!     {"op": "linear", "weight": "fc2.weight"}
//!   ]
//! }
//! ```
//!
//! `shape` is that of one sample, without the batch; it is flattened before the first layer.
//! A linear layer's weight is `[outputs, inputs]`, in GGUF with any block type that candle
//! multiplies (`F32`, `F16`, `Q8_0`, `Q4_K` and so on). `inputs` may exceed the width that
//! arrives, up to the next multiple of the block: quantized rows come in blocks of 32 or 256,
//! and what arrives is padded with zeros.
//!
//! safetensors has no block types. There a quantized weight is a `U8` tensor with the blocks'
//! bytes, and the graph says what they are:
//! `"blocks": {"fc1.weight": {"type": "q8_0", "shape": [128, 800]}}`.

mod engine;
mod gguf;
mod graph;
mod safetensors;
#[cfg(test)]
mod tests;
mod weight;
mod write;

pub use graph::{Blocks, Graph, Input, Layer};
pub use weight::Quantization;
pub use write::{Weight, write_gguf, write_safetensors};

pub(crate) use engine::CandleEngine;

/// The metadata key under which a file carries its graph.
pub const GRAPH_KEY: &str = "noroshi.graph";

/// The version of candle that is built in.
pub(crate) const VERSION: &str = "0.11";
