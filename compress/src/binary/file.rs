//! Files of packed networks.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use noroshi_engine::binary::{MAGIC, Network};
use noroshi_onnx::read_bounded;

use crate::{Error, Result};

/// Largest file that is read.
const MAX_BYTES: u64 = 256 << 20;

/// Whether the file at `path` begins like a packed network.
pub(crate) fn is_packed(path: &Path) -> Result<bool> {
    let mut first = Vec::new();
    let file = File::open(path).map_err(Error::file(path))?;
    let head = file.take(MAGIC.len() as u64).read_to_end(&mut first);
    head.map_err(Error::file(path))?;
    Ok(first == MAGIC)
}

/// The packed network in the file at `path`; nothing if it is another kind of file.
pub fn packed(path: &Path) -> Result<Option<Network>> {
    if !is_packed(path)? {
        return Ok(None);
    }
    Ok(Some(Network::read(&read_bounded(path, MAX_BYTES)?)?))
}
