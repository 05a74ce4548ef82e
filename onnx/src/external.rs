//! Tensors whose bytes lie in other files beside the model.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use prost::bytes::Bytes;

use crate::content::{content, too_large};
use crate::file::MAX_BYTES;
use crate::proto::{AttributeProto, GraphProto, TensorProto};
use crate::{Error, Result};

/// `TensorProto.data_location` of a tensor whose bytes are in another file.
const EXTERNAL: i32 = 1;

/// Most files beside a model.
const FILE_LIMIT: usize = 4_096;

/// The name of a tensor that keeps its bytes in another file, if there is one.
pub(crate) fn first_external(graph: &GraphProto) -> Option<&str> {
    let inside = graph.node.iter().flat_map(|node| &node.attribute);
    let own = graph.initializer.iter().chain(
        inside
            .clone()
            .flat_map(|attribute| attribute.t.iter().chain(&attribute.tensors)),
    );
    own.into_iter()
        .find(|tensor| tensor.data_location == EXTERNAL)
        .map(|tensor| tensor.name.as_str())
        .or_else(|| {
            inside
                .flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs))
                .find_map(first_external)
        })
}

/// The files beside a model that hold tensor bytes; tensors share them.
pub(crate) struct ExternalData {
    folder: PathBuf,
    left: u64,
    files: HashMap<String, Bytes>,
}

impl ExternalData {
    /// Files of `folder` with at most `left` bytes of tensors.
    pub(crate) fn new(folder: &Path, left: u64) -> Result<Self> {
        let folder = folder.canonicalize().map_err(Error::file(folder))?;
        Ok(Self {
            folder,
            left,
            files: HashMap::new(),
        })
    }

    /// Gives every tensor of a graph, and of the graphs inside it, its bytes.
    pub(crate) fn load(&mut self, graph: &mut GraphProto) -> Result<()> {
        for tensor in &mut graph.initializer {
            self.load_tensor(tensor)?;
        }
        for node in &mut graph.node {
            for attribute in &mut node.attribute {
                self.load_attribute(attribute)?;
            }
        }
        Ok(())
    }

    fn load_attribute(&mut self, attribute: &mut AttributeProto) -> Result<()> {
        for tensor in attribute.t.iter_mut().chain(&mut attribute.tensors) {
            self.load_tensor(tensor)?;
        }
        for graph in attribute.g.iter_mut().chain(&mut attribute.graphs) {
            self.load(graph)?;
        }
        Ok(())
    }

    fn load_tensor(&mut self, tensor: &mut TensorProto) -> Result<()> {
        if tensor.data_location != EXTERNAL {
            return Ok(());
        }
        let entry = |key: &str| {
            let mut entries = tensor.external_data.iter();
            entries
                .find(|entry| entry.key == key)
                .map(|entry| entry.value.as_str())
        };
        let count = |key: &str| match entry(key) {
            None => Ok(None),
            Some(text) => text.parse::<u64>().map(Some).map_err(|_| {
                Error::model(format!(
                    "tensor {:?}: {key} {text:?} is no number",
                    tensor.name
                ))
            }),
        };
        let location = entry("location").ok_or_else(|| {
            Error::model(format!(
                "tensor {:?} does not say which file holds it",
                tensor.name
            ))
        })?;
        let (offset, length) = (count("offset")?.unwrap_or(0), count("length")?);
        let bytes = self.part(location, offset, length)?;
        tensor.raw_data = bytes;
        tensor.data_location = 0;
        tensor.external_data.clear();
        Ok(())
    }

    fn part(&mut self, location: &str, offset: u64, length: Option<u64>) -> Result<Bytes> {
        let file = self.file(location)?;
        let size = file.len() as u64;
        let length = length.unwrap_or(size.saturating_sub(offset));
        let end = offset.checked_add(length).filter(|&end| end <= size);
        let Some(end) = end else {
            return Err(Error::model(format!(
                "external file {location:?} is shorter than it says"
            )));
        };
        if length > self.left {
            return Err(too_large(MAX_BYTES - self.left + length, MAX_BYTES));
        }
        self.left -= length;
        Ok(file.slice(offset as usize..end as usize))
    }

    fn file(&mut self, location: &str) -> Result<Bytes> {
        if let Some(file) = self.files.get(location) {
            return Ok(file.clone());
        }
        let relative = Path::new(location);
        let plain = relative
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if location.is_empty() || !plain {
            return Err(outside(location));
        }
        if self.files.len() >= FILE_LIMIT {
            return Err(Error::TooLarge {
                what: "the number of files with external data".into(),
                actual: FILE_LIMIT as u64 + 1,
                limit: FILE_LIMIT as u64,
            });
        }
        let path = self.folder.join(relative);
        let real = path.canonicalize().map_err(Error::file(&path))?;
        if !real.starts_with(&self.folder) {
            return Err(outside(location));
        }
        let file = content(&real, MAX_BYTES)?;
        self.files.insert(location.to_owned(), file.clone());
        Ok(file)
    }
}

fn outside(location: &str) -> Error {
    Error::model(format!(
        "external data {location:?} is outside the model's folder"
    ))
}
