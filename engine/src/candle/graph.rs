//! What to compute: a sequence of layers, written as JSON in the file's metadata.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::weight::Quantization;
use crate::error::{EngineError, Result};
use crate::tensor::element_count;

const FORMAT: u32 = 1;
const MAX_GRAPH_BYTES: usize = 256 << 10;
const MAX_LAYERS: usize = 256;

/// A network without branches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Graph {
    /// Version of this description.
    pub format: u32,
    /// What goes in.
    pub input: Input,
    /// Name of what comes out.
    pub output: String,
    /// What is done, in order.
    pub layers: Vec<Layer>,
    /// In safetensors files: which `U8` tensors hold quantized blocks.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub blocks: BTreeMap<String, Blocks>,
}

/// The input of a [`Graph`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Shape of one sample, without the batch.
    pub shape: Vec<usize>,
}

/// One step of a [`Graph`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Layer {
    /// `x · weightᵀ + bias`.
    Linear {
        /// Tensor `[outputs, inputs]`.
        weight: String,
        /// Tensor `[outputs]`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bias: Option<String>,
    },
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `tanh(x)`.
    Tanh,
    /// `1 / (1 + e^−x)`.
    Sigmoid,
    /// Over each sample's numbers.
    Softmax,
}

/// What a safetensors `U8` tensor really holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blocks {
    /// The block type.
    #[serde(rename = "type")]
    pub quantization: Quantization,
    /// Shape of the weight in elements.
    pub shape: Vec<usize>,
}

impl Graph {
    /// A graph of `layers` in the current format.
    pub fn new(input: Input, output: impl Into<String>, layers: Vec<Layer>) -> Self {
        Self {
            format: FORMAT,
            input,
            output: output.into(),
            layers,
            blocks: BTreeMap::new(),
        }
    }

    /// Reads and checks a graph.
    pub fn from_json(text: &str) -> Result<Self> {
        if text.len() > MAX_GRAPH_BYTES {
            return Err(EngineError::Model(format!(
                "its graph has {} bytes, at most {MAX_GRAPH_BYTES} are read",
                text.len()
            )));
        }
        let graph: Self = serde_json::from_str(text)
            .map_err(|e| EngineError::Model(format!("its graph can't be read: {e}")))?;
        graph.check()?;
        Ok(graph)
    }

    /// The graph as JSON.
    pub fn to_json(&self) -> Result<String> {
        self.check()?;
        serde_json::to_string(self).map_err(|e| EngineError::Model(e.to_string()))
    }

    /// Numbers in one sample.
    pub(super) fn features(&self) -> Result<usize> {
        element_count(&self.input.shape, 4)
    }

    fn check(&self) -> Result<()> {
        let fault = if self.format != FORMAT {
            Some(format!(
                "its graph has format {}, this version reads {FORMAT}: upgrade Noroshi",
                self.format
            ))
        } else if self.layers.is_empty() || self.layers.len() > MAX_LAYERS {
            Some(format!("a graph has 1 to {MAX_LAYERS} layers"))
        } else if self.features()? == 0 {
            Some("its graph takes no numbers".to_owned())
        } else {
            None
        };
        fault.map_or(Ok(()), |fault| Err(EngineError::Model(fault)))
    }
}
