//! Writes a network as ONNX.

mod fold;
mod graph;

use noroshi_onnx::ModelProto;

use crate::Result;
use crate::net::{Net, Node};
use crate::weights::Weights;
pub(crate) use fold::affine;
use graph::Graph;

/// Operators that are written: `HardSwish` came with 14, per-channel `DequantizeLinear` with 13.
const OPSET: i64 = 17;
/// The version of the format that goes with them.
const IR: i64 = 8;
/// Weights of so many bits are stored two to a byte,
const NARROW: u8 = 4;
/// which came with these.
const NARROW_OPSET: i64 = 21;
const NARROW_IR: i64 = 10;
/// Name of the input of a network that was read from no file.
pub const INPUT: &str = "input";
/// Name of the output of a network that was read from no file.
pub const OUTPUT: &str = "logits";

impl Net {
    /// The network as ONNX, normalizations folded, for any number of samples: its input and output
    /// are called as in the file that it was read from, else [`INPUT`] and [`OUTPUT`]. Weights of
    /// few bits are stored as int8, of at most 4 as int4, with a step a channel, activations of
    /// few bits as `QuantizeLinear` and `DequantizeLinear`; signs as numbers.
    pub fn export_onnx(&self) -> Result<ModelProto> {
        written(&self.folded())
    }

    /// The same with every normalization as a layer of its own.
    pub fn export_onnx_unfolded(&self) -> Result<ModelProto> {
        written(self)
    }
}

fn written(net: &Net) -> Result<ModelProto> {
    let narrow = |node: &Node| {
        let view = node.weights();
        matches!(view, Some(Weights::LearnedStep { bits }) if bits <= NARROW)
    };
    let (opset, ir) = if net.layers().iter().any(narrow) {
        (NARROW_OPSET, NARROW_IR)
    } else {
        (OPSET, IR)
    };
    Graph::of(net).map(|graph| ModelProto::new(graph, opset, ir))
}
