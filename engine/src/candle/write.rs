//! Writes models that [`super`] reads.

use std::io::{Seek, Write};

use candle_core::Device;
use candle_core::quantized::QTensor;
use candle_core::quantized::gguf_file::{self, Value};

use super::GRAPH_KEY;
use super::graph::{Blocks, Graph};
use super::weight::Quantization;
use crate::error::{EngineError, Result};
use crate::tensor::element_count;

/// A tensor to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// What layers call it.
    pub name: String,
    /// `[outputs, inputs]` of a linear layer, `[outputs]` of a bias.
    pub shape: Vec<usize>,
    /// Its numbers, row-major.
    pub numbers: Vec<f32>,
    /// How it is stored. Rows that are not whole blocks are padded with zeros.
    pub quantization: Quantization,
}

impl Weight {
    fn quantize(&self) -> Result<QTensor> {
        let failed = |e: candle_core::Error| {
            EngineError::Model(format!("tensor {} can't be quantized: {e}", self.name))
        };
        let count = element_count(&self.shape, 4)?;
        let Some((&row, outer)) = self.shape.split_last() else {
            return Err(EngineError::Model(format!(
                "tensor {} is a scalar",
                self.name
            )));
        };
        if count != self.numbers.len() || count == 0 {
            return Err(EngineError::Model(format!(
                "tensor {} of shape {:?} has {} numbers",
                self.name,
                self.shape,
                self.numbers.len()
            )));
        }
        let padded = row.next_multiple_of(self.quantization.block());
        let mut numbers = Vec::with_capacity(count / row * padded);
        for row in self.numbers.chunks_exact(row) {
            numbers.extend_from_slice(row);
            numbers.resize(numbers.len() + padded - row.len(), 0.0);
        }
        let shape: Vec<usize> = outer.iter().copied().chain([padded]).collect();
        let tensor = candle_core::Tensor::from_vec(numbers, shape, &Device::Cpu).map_err(failed)?;
        QTensor::quantize(&tensor, self.quantization.ggml()).map_err(failed)
    }
}

/// Writes a GGUF file.
pub fn write_gguf(out: &mut (impl Write + Seek), graph: &Graph, weights: &[Weight]) -> Result<()> {
    let graph = Value::String(graph.to_json()?);
    let architecture = Value::String("noroshi-sequential".to_owned());
    let metadata = [("general.architecture", &architecture), (GRAPH_KEY, &graph)];
    let tensors = weights
        .iter()
        .map(|weight| Ok((weight.name.as_str(), weight.quantize()?)))
        .collect::<Result<Vec<_>>>()?;
    let tensors: Vec<_> = tensors
        .iter()
        .map(|(name, tensor)| (*name, tensor))
        .collect();
    gguf_file::write(out, &metadata, &tensors)
        .map_err(|e| EngineError::Model(format!("writing GGUF: {e}")))
}

/// Writes a safetensors file; quantized weights as blocks of bytes that the graph describes.
pub fn write_safetensors(out: &mut impl Write, graph: &Graph, weights: &[Weight]) -> Result<()> {
    let mut graph = graph.clone();
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for weight in weights {
        let tensor = weight.quantize()?;
        let bytes = tensor
            .data()
            .map_err(|e| EngineError::Model(e.to_string()))?;
        let (dtype, shape) = match weight.quantization {
            Quantization::F32 => ("F32", tensor.shape().dims().to_vec()),
            Quantization::F16 => ("F16", tensor.shape().dims().to_vec()),
            quantization => {
                let shape = tensor.shape().dims().to_vec();
                let blocks = Blocks {
                    quantization,
                    shape,
                };
                graph.blocks.insert(weight.name.clone(), blocks);
                ("U8", vec![bytes.len()])
            }
        };
        let start = data.len();
        data.extend_from_slice(&bytes);
        let entry = serde_json::json!({
            "dtype": dtype, "shape": shape, "data_offsets": [start, data.len()],
        });
        header.insert(weight.name.clone(), entry);
    }
    let metadata = serde_json::json!({ GRAPH_KEY: graph.to_json()? });
    header.insert("__metadata__".to_owned(), metadata);
    let mut header = serde_json::Value::Object(header).to_string();
    // The format wants the data to begin at a multiple of 8.
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    let failed = |e| EngineError::system("writing safetensors", e);
    out.write_all(&(header.len() as u64).to_le_bytes())
        .map_err(failed)?;
    out.write_all(header.as_bytes()).map_err(failed)?;
    out.write_all(&data).map_err(failed)
}
