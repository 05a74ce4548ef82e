//! Reads GGUF: only the graph and the tensors' places. Every length is checked against the
//! file before it is used, and nothing is copied but names.

use std::collections::BTreeMap;

use super::GRAPH_KEY;
use super::weight::{Quantization, Stored, stored_bytes};
use crate::error::{EngineError, Result};

pub(super) const MAGIC: &[u8; 4] = b"GGUF";
const MAX_ENTRIES: u64 = 4_096;
const MAX_NAME: u64 = 1_024;
const MAX_DIMENSIONS: u32 = 4;
const MAX_NESTING: u32 = 4;

type Tensors<'a> = BTreeMap<String, Stored<'a>>;

/// The graph's JSON and the tensors of a GGUF file.
pub(super) fn read(file: &[u8]) -> Result<(&str, Tensors<'_>)> {
    let mut reader = Reader { file, at: 0 };
    if reader.take(4)? != MAGIC {
        return Err(broken("it does not begin with GGUF"));
    }
    let version = reader.u32()?;
    if !(2..=3).contains(&version) {
        return Err(broken("it is neither version 2 nor 3"));
    }
    let tensors = reader.count("tensors")?;
    let entries = reader.count("metadata entries")?;
    let mut graph = None;
    let mut alignment = 32;
    for _ in 0..entries {
        let key = reader.name()?;
        let kind = reader.u32()?;
        match (key, kind) {
            (GRAPH_KEY, STRING) => graph = Some(reader.text()?),
            ("general.alignment", U32) => alignment = reader.u32()? as usize,
            _ => reader.skip(kind, 0)?,
        }
    }
    if !alignment.is_power_of_two() || alignment > 1 << 16 {
        return Err(broken("its alignment is senseless"));
    }
    let graph = graph.ok_or_else(|| {
        EngineError::Model(format!(
            "the GGUF file has no graph: its metadata needs the string {GRAPH_KEY}"
        ))
    })?;
    let places = (0..tensors)
        .map(|_| reader.place())
        .collect::<Result<Vec<_>>>()?;
    let start = reader.at.next_multiple_of(alignment);
    let data = file.get(start..).unwrap_or_default();
    let tensors = places
        .into_iter()
        .map(|place| place.find(data))
        .collect::<Result<_>>()?;
    Ok((graph, tensors))
}

const U32: u32 = 4;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

struct Reader<'a> {
    file: &'a [u8],
    at: usize,
}

/// Where a tensor lies.
struct Place {
    name: String,
    quantization: Quantization,
    shape: Vec<usize>,
    offset: u64,
}

impl Place {
    fn find(self, data: &[u8]) -> Result<(String, Stored<'_>)> {
        let bytes = usize::try_from(self.offset).ok().and_then(|offset| {
            let length = stored_bytes(self.quantization, &self.shape)?;
            data.get(offset..offset.checked_add(length)?)
        });
        let bytes = bytes.ok_or_else(|| {
            EngineError::Model(format!("tensor {} lies outside of the file", self.name))
        })?;
        let stored = Stored {
            quantization: self.quantization,
            shape: self.shape,
            bytes,
        };
        Ok((self.name, stored))
    }
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let bytes = self
            .at
            .checked_add(length)
            .and_then(|end| self.file.get(self.at..end))
            .ok_or_else(|| broken("it ends too early"))?;
        self.at += length;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32> {
        let mut number = [0; 4];
        number.copy_from_slice(self.take(4)?);
        Ok(u32::from_le_bytes(number))
    }

    fn u64(&mut self) -> Result<u64> {
        let mut number = [0; 8];
        number.copy_from_slice(self.take(8)?);
        Ok(u64::from_le_bytes(number))
    }

    fn count(&mut self, what: &str) -> Result<u64> {
        let count = self.u64()?;
        if count > MAX_ENTRIES {
            return Err(EngineError::Model(format!(
                "the GGUF file has {count} {what}, at most {MAX_ENTRIES} are read"
            )));
        }
        Ok(count)
    }

    fn text(&mut self) -> Result<&'a str> {
        let length = usize::try_from(self.u64()?).map_err(|_| broken("a text is too long"))?;
        std::str::from_utf8(self.take(length)?).map_err(|_| broken("a text is not UTF-8"))
    }

    fn name(&mut self) -> Result<&'a str> {
        let name = self.text()?;
        if name.len() as u64 > MAX_NAME {
            return Err(broken("a name is too long"));
        }
        Ok(name)
    }

    /// Passes over a value of type `kind`.
    fn skip(&mut self, kind: u32, nesting: u32) -> Result<()> {
        match kind {
            STRING => self.text().map(drop),
            ARRAY if nesting < MAX_NESTING => {
                let kind = self.u32()?;
                let count = self.u64()?;
                if let Some(bytes) = fixed_bytes(kind) {
                    let length = count
                        .checked_mul(bytes)
                        .and_then(|length| usize::try_from(length).ok())
                        .ok_or_else(|| broken("an array is too long"))?;
                    return self.take(length).map(drop);
                }
                // Each element takes at least 8 bytes, so the file's end stops the loop.
                (0..count).try_for_each(|_| self.skip(kind, nesting + 1))
            }
            _ => match fixed_bytes(kind) {
                Some(bytes) => self.take(bytes as usize).map(drop),
                None => Err(broken("its metadata has an unknown type")),
            },
        }
    }

    fn place(&mut self) -> Result<Place> {
        let name = self.name()?.to_owned();
        let dimensions = self.u32()?;
        if dimensions == 0 || dimensions > MAX_DIMENSIONS {
            return Err(broken("a tensor has a senseless number of dimensions"));
        }
        let mut shape = (0..dimensions)
            .map(|_| usize::try_from(self.u64()?).map_err(|_| broken("a tensor is too long")))
            .collect::<Result<Vec<_>>>()?;
        // GGUF writes the fastest dimension first.
        shape.reverse();
        let code = self.u32()?;
        let quantization = Quantization::from_gguf(code).ok_or_else(|| {
            EngineError::Model(format!(
                "tensor {name} has GGUF type {code}; F32, F16, Q8_0 and Q2_K to Q6_K are run"
            ))
        })?;
        Ok(Place {
            name,
            quantization,
            shape,
            offset: self.u64()?,
        })
    }
}

/// Bytes of a value of fixed length.
const fn fixed_bytes(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        U32 | 5 | 6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

fn broken(reason: &str) -> EngineError {
    EngineError::Model(format!("the GGUF file is broken: {reason}"))
}
