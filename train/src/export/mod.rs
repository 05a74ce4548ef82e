//! Writes a network as ONNX.

mod fold;
mod graph;

use noroshi_onnx::ModelProto;

use crate::Result;
use crate::net::Net;
pub(crate) use fold::affine;
use graph::Graph;

/// Operators that are written: `HardSwish` came with 14, per-channel `DequantizeLinear` with 13.
const OPSET: i64 = 17;
/// The version of the format that goes with them.
const IR: i64 = 8;
/// Name of the input.
pub const INPUT: &str = "input";
/// Name of the output.
pub const OUTPUT: &str = "logits";

impl Net {
    /// The network as ONNX, normalizations folded: input `input`, output `logits`, any number of
    /// samples. Weights of few bits are stored as int8 with a step a channel, activations of few
    /// bits as `QuantizeLinear` and `DequantizeLinear`; signs as numbers.
    pub fn export_onnx(&self) -> Result<ModelProto> {
        Graph::of(&self.folded()).map(|graph| ModelProto::new(graph, OPSET, IR))
    }

    /// The same with every normalization as a layer of its own.
    pub fn export_onnx_unfolded(&self) -> Result<ModelProto> {
        Graph::of(self).map(|graph| ModelProto::new(graph, OPSET, IR))
    }
}
