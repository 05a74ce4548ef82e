//! Reading and writing `.onnx` files, within limits.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use prost::Message;
use prost::bytes::Bytes;

use crate::bounds;
use crate::content::{content, too_large};
use crate::external::{ExternalData, first_external};
use crate::proto::ModelProto;
use crate::{Error, Result};

/// Largest model, with its external data, that is read or written, in bytes.
pub const MAX_BYTES: u64 = noroshi_model::MAX_MODEL_BYTES;

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
/// Large files are mapped into memory and tensors share the mapping, so nothing is copied; files
/// must not be cut short while the model is in use (replace them by renaming, as [`write`] does).
pub fn read(path: &Path) -> Result<ModelProto> {
    let bytes = content(path, MAX_BYTES)?;
    let length = bytes.len() as u64;
    let mut model = decode_shallow(bytes)?;
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
