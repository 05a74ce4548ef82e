//! Reading and writing `.onnx` files, within limits.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Component, Path, PathBuf};

use prost::Message;
use prost::bytes::Bytes;

use crate::bounds;
use crate::proto::{GraphProto, ModelProto, TensorProto};
use crate::{Error, Result};

/// Largest model, with its external data, that is read or written, in bytes.
pub const MAX_BYTES: u64 = noroshi_model::MAX_MODEL_BYTES;

/// `TensorProto.data_location` of a tensor whose bytes are in another file.
const EXTERNAL: i32 = 1;

/// Decodes a model from the bytes of a file. Tensors share the buffer; external data is refused.
pub fn decode(bytes: impl Into<Bytes>) -> Result<ModelProto> {
    let model = decode_shallow(bytes.into())?;
    if let Some(name) = model.graph.as_ref().and_then(first_external) {
        return Err(Error::model(format!(
            "tensor {name:?} keeps its values in another file; open the model by its path"
        )));
    }
    Ok(model)
}

/// Reads a model file, with the external data beside it.
///
/// External files must lie in the model's own folder or below it, also after links are followed.
pub fn read(path: &Path) -> Result<ModelProto> {
    let bytes = read_bounded(path, MAX_BYTES)?;
    let length = bytes.len() as u64;
    let mut model = decode_shallow(bytes.into())?;
    if let Some(graph) = &mut model.graph
        && first_external(graph).is_some()
    {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        ExternalData::new(folder.unwrap_or(Path::new(".")), MAX_BYTES - length)?.load(graph)?;
    }
    Ok(model)
}

/// Writes a model to a file, whole or not at all.
pub fn write(path: &Path, model: &ModelProto) -> Result<()> {
    let bytes = encode(model)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = path.with_file_name(format!(".{name}.part"));
    let written = File::create(&part)
        .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&part, path));
    if written.is_err() {
        // The file that failed is of no use to anyone; the first error is the one to tell.
        let _ = std::fs::remove_file(&part);
    }
    written.map_err(Error::file(path))
}

/// The bytes of a model's file.
pub fn encode(model: &ModelProto) -> Result<Vec<u8>> {
    let length = model.encoded_len() as u64;
    if length > MAX_BYTES {
        return Err(too_large(length, MAX_BYTES));
    }
    Ok(model.encode_to_vec())
}

/// Reads a whole file of at most `limit` bytes.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut file = File::open(path).map_err(Error::file(path))?;
    let length = file.metadata().map_err(Error::file(path))?.len();
    if length > limit {
        return Err(too_large(length, limit));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    let read = (&mut file)
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(Error::file(path))?;
    if read as u64 > limit {
        return Err(too_large(read as u64, limit));
    }
    Ok(bytes)
}

fn too_large(actual: u64, limit: u64) -> Error {
    Error::TooLarge {
        what: "the model's size in bytes".into(),
        actual,
        limit,
    }
}

fn decode_shallow(bytes: Bytes) -> Result<ModelProto> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_large(bytes.len() as u64, MAX_BYTES));
    }
    bounds::check(&bytes, bounds::STRUCTURE_LIMIT)?;
    let model = ModelProto::decode(bytes)
        .map_err(|error| Error::model(format!("the file is truncated or garbled ({error})")))?;
    if model.graph.is_none() {
        return Err(Error::model("the file holds no graph"));
    }
    Ok(model)
}

fn first_external(graph: &GraphProto) -> Option<&str> {
    let mut tensors = graph.initializer.iter().chain(
        graph
            .node
            .iter()
            .flat_map(|node| &node.attribute)
            .filter_map(|attribute| attribute.t.as_ref()),
    );
    tensors
        .find(|tensor| tensor.data_location == EXTERNAL)
        .map(|tensor| tensor.name.as_str())
}

/// The files beside a model that hold tensor bytes.
struct ExternalData {
    folder: PathBuf,
    left: u64,
    files: HashMap<PathBuf, (File, u64)>,
}

impl ExternalData {
    fn new(folder: &Path, left: u64) -> Result<Self> {
        let folder = folder.canonicalize().map_err(Error::file(folder))?;
        Ok(Self {
            folder,
            left,
            files: HashMap::new(),
        })
    }

    fn load(mut self, graph: &mut GraphProto) -> Result<()> {
        for tensor in &mut graph.initializer {
            self.load_tensor(tensor)?;
        }
        for node in &mut graph.node {
            for attribute in &mut node.attribute {
                if let Some(tensor) = &mut attribute.t {
                    self.load_tensor(tensor)?;
                }
            }
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
        let bytes = self.read(location, offset, length)?;
        tensor.raw_data = bytes.into();
        tensor.data_location = 0;
        tensor.external_data.clear();
        Ok(())
    }

    fn read(&mut self, location: &str, offset: u64, length: Option<u64>) -> Result<Vec<u8>> {
        let relative = Path::new(location);
        let plain = relative
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if location.is_empty() || !plain {
            return Err(outside(location));
        }
        let path = self.folder.join(relative);
        let (file, size) = match self.files.entry(path.clone()) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let real = path.canonicalize().map_err(Error::file(&path))?;
                if !real.starts_with(&self.folder) {
                    return Err(outside(location));
                }
                let file = File::open(&real).map_err(Error::file(&real))?;
                let size = file.metadata().map_err(Error::file(&real))?.len();
                entry.insert((file, size))
            }
        };
        let length = length.unwrap_or(size.saturating_sub(offset));
        if offset.checked_add(length).is_none_or(|end| end > *size) {
            return Err(Error::model(format!(
                "external file {location:?} is shorter than it says"
            )));
        }
        if length > self.left {
            return Err(too_large(MAX_BYTES - self.left + length, MAX_BYTES));
        }
        self.left -= length;
        let mut bytes = vec![0; length as usize];
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(Error::file(&path))?;
        Ok(bytes)
    }
}

fn outside(location: &str) -> Error {
    Error::model(format!(
        "external data {location:?} is outside the model's folder"
    ))
}
