//! Reads safetensors: a length, a JSON header, then the tensors' bytes.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::GRAPH_KEY;
use super::graph::Graph;
use super::weight::{Quantization, Stored};
use crate::error::{EngineError, Result};

const MAX_HEADER_BYTES: u64 = 4 << 20;

/// One entry of the header, or its metadata.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Tensor {
        dtype: String,
        shape: Vec<usize>,
        data_offsets: (usize, usize),
    },
    Metadata(BTreeMap<String, String>),
}

/// The graph and the tensors of a safetensors file.
pub(super) fn read(file: &[u8]) -> Result<(Graph, BTreeMap<String, Stored<'_>>)> {
    let (length, rest) = file
        .split_first_chunk::<8>()
        .ok_or_else(|| broken("it ends too early"))?;
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER_BYTES || length > rest.len() as u64 {
        return Err(broken("its header is longer than the file or the limit"));
    }
    let (header, data) = rest.split_at(length as usize);
    let mut header: BTreeMap<String, Entry> = serde_json::from_slice(header)
        .map_err(|e| broken(&format!("its header can't be read: {e}")))?;
    let graph = match header.remove("__metadata__") {
        Some(Entry::Metadata(mut metadata)) => metadata.remove(GRAPH_KEY),
        _ => None,
    };
    let graph = graph.ok_or_else(|| {
        EngineError::Model(format!(
            "the safetensors file has no graph: its metadata needs the entry {GRAPH_KEY}"
        ))
    })?;
    let graph = Graph::from_json(&graph)?;
    let mut tensors = BTreeMap::new();
    for (name, entry) in header {
        let Entry::Tensor {
            dtype,
            shape,
            data_offsets: (start, end),
        } = entry
        else {
            return Err(broken("an entry of its header is no tensor"));
        };
        let bytes = data
            .get(start..end)
            .ok_or_else(|| broken("a tensor lies outside of the file"))?;
        if let Some(stored) = interpret(&graph, &name, &dtype, shape, bytes)? {
            tensors.insert(name, stored);
        }
    }
    Ok((graph, tensors))
}

/// What the tensor `name` is to us; nothing if no layer could use it.
fn interpret<'a>(
    graph: &Graph,
    name: &str,
    dtype: &str,
    shape: Vec<usize>,
    bytes: &'a [u8],
) -> Result<Option<Stored<'a>>> {
    let (quantization, shape) = match (dtype, graph.blocks.get(name)) {
        ("U8", Some(blocks)) => (blocks.quantization, blocks.shape.clone()),
        (_, Some(_)) => {
            return Err(EngineError::Model(format!(
                "tensor {name} is {dtype}, but the graph says that it holds blocks (U8)"
            )));
        }
        ("F32", None) => (Quantization::F32, shape),
        ("F16", None) => (Quantization::F16, shape),
        _ => return Ok(None),
    };
    Ok(Some(Stored {
        quantization,
        shape,
        bytes,
    }))
}

fn broken(reason: &str) -> EngineError {
    EngineError::Model(format!("the safetensors file is broken: {reason}"))
}
