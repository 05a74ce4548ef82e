//! PyTorch state dicts: named arrays, in the old format and in the zip format.
//!
//! A pickle is a program. Only the few instructions and names that a state dict needs are obeyed;
//! anything else is an error, so nothing in a file can run. Lengths are checked against the file
//! before memory is taken, and arrays are made one at a time, when they are asked for.

mod archive;
mod legacy;
mod machine;
mod storage;
mod value;

use std::collections::HashMap;
use std::path::Path;

use crate::{Error, Result};
use noroshi_onnx::read_bounded;
use storage::Storages;
use value::{Outcome, TensorView, Value};

/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = noroshi_model::MAX_MODEL_BYTES;

/// Keys under which training frameworks put the state dict inside a checkpoint.
const WRAPPINGS: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// The first four bytes of a zip archive.
const ZIP_MAGIC: [u8; 4] = *b"PK\x03\x04";

/// An array with its dimensions, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Dimensions; empty for a scalar.
    pub shape: Vec<usize>,
    /// Values, converted to single precision.
    pub values: Vec<f32>,
}

/// The arrays of a state dict, made when they are asked for.
#[derive(Debug)]
pub struct StateDict {
    bytes: Vec<u8>,
    storages: Storages,
    names: Vec<String>,
    views: HashMap<String, TensorView>,
}

impl StateDict {
    /// Reads a `.pth` or `.pt` file of at most 2 GiB.
    pub fn read(path: &Path) -> Result<Self> {
        Self::from_bytes(read_bounded(path, MAX_BYTES)?)
    }

    /// Reads the bytes of such a file.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        let (top, storages) = if bytes.starts_with(&ZIP_MAGIC) {
            archive::read(&bytes)?
        } else {
            legacy::read(&bytes)?
        };
        let mut names = Vec::new();
        let mut views = HashMap::new();
        for (name, view) in state_of(&top)? {
            storages.check(&name, &view)?;
            if views.insert(name.clone(), view).is_some() {
                return Err(Error::StateDict(format!("{name:?} is there twice")));
            }
            names.push(name);
        }
        if names.is_empty() {
            return Err(Error::StateDict("it holds no tensors".into()));
        }
        Ok(Self {
            bytes,
            storages,
            names,
            views,
        })
    }

    /// The names of the arrays, in the file's order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The dimensions of an array.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.views.get(name).map(|view| view.shape.as_slice())
    }

    /// Makes the array called `name`.
    pub fn array(&self, name: &str) -> Result<Array> {
        let view = self.views.get(name).ok_or_else(|| {
            let near = self
                .names
                .iter()
                .take(3)
                .cloned()
                .collect::<Vec<_>>()
                .join(", ");
            Error::Weights(format!(
                "there is no tensor {name:?}; the file begins with {near}"
            ))
        })?;
        let values = self.storages.values(&self.bytes, view)?;
        Ok(Array {
            shape: view.shape.clone(),
            values,
        })
    }
}

/// The named tensors of a state dict, or of a checkpoint that wraps one.
fn state_of(top: &Outcome) -> Result<Vec<(String, TensorView)>> {
    let not_a_dict = || Error::StateDict("it does not hold a dictionary of tensors".into());
    let mut items = top.items(top.top()).ok_or_else(not_a_dict)?;
    for wrapping in WRAPPINGS {
        let inner = items.iter().find(|(key, _)| key.as_str() == wrapping);
        if let Some(inner) = inner.and_then(|(_, place)| top.items(*place)) {
            items = inner;
            break;
        }
    }
    let tensors = items
        .into_iter()
        .filter_map(|(name, place)| match top.value(place) {
            Value::Tensor(view) => Some((name, view.clone())),
            _ => None,
        });
    Ok(tensors.collect())
}

#[cfg(test)]
mod tests;
