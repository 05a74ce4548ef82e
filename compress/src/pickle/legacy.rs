//! The format that PyTorch wrote before 1.6: five pickles, then each storage's count and values.

use super::machine;
use super::storage::Storages;
use super::value::{ElementKind, Outcome, Value};
use crate::{Error, Result};

/// PyTorch's magic number 0x1950a86a20f9469cfc6c, little-endian.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// The only version of the format there ever was.
const VERSION: i64 = 1001;

/// Bytes of the count before each storage.
const COUNT_BYTES: usize = 8;

/// What the file's object pickle made, and where its storages are.
pub(super) fn read(bytes: &[u8]) -> Result<(Outcome, Storages)> {
    let fault = |text: &str| Error::StateDict(text.into());
    let (magic, rest) = machine::run(bytes)?;
    if !matches!(magic.value(magic.top()), Value::Long(number) if *number == MAGIC) {
        return Err(fault(
            "it begins with neither PyTorch's magic number nor a zip header",
        ));
    }
    let (version, rest) = machine::run(rest)?;
    if !matches!(version.value(version.top()), Value::Int(VERSION)) {
        return Err(fault(
            "it has a version other than 1001; save it again with a newer PyTorch",
        ));
    }
    let (_machine, rest) = machine::run(rest)?;
    let (object, rest) = machine::run(rest)?;
    let (keys, rest) = machine::run(rest)?;
    let keys = keys
        .texts(keys.top())
        .ok_or_else(|| fault("the list of storages is missing"))?;
    let storages = locate(bytes.len(), rest, &keys, &kinds(&object))?;
    Ok((object, storages))
}

/// The element type of each storage that a tensor mentions.
fn kinds(object: &Outcome) -> std::collections::HashMap<String, ElementKind> {
    object
        .values()
        .filter_map(|value| match value {
            Value::Storage(storage) => Some((storage.key.clone(), storage.kind)),
            _ => None,
        })
        .collect()
}

fn locate(
    file_length: usize,
    mut rest: &[u8],
    keys: &[String],
    kinds: &std::collections::HashMap<String, ElementKind>,
) -> Result<Storages> {
    let mut storages = Storages::default();
    for key in keys {
        let cut = || Error::StateDict(format!("it ends inside storage {key:?}: it is truncated"));
        let kind = kinds.get(key).ok_or_else(|| {
            Error::StateDict(format!(
                "storage {key:?} belongs to no tensor of the state dict"
            ))
        })?;
        let (count, values) = rest.split_first_chunk::<COUNT_BYTES>().ok_or_else(cut)?;
        let length = usize::try_from(i64::from_le_bytes(*count))
            .ok()
            .and_then(|count| count.checked_mul(kind.size()))
            .ok_or_else(cut)?;
        let start = file_length - values.len();
        rest = values.get(length..).ok_or_else(cut)?;
        storages.add(key, start..start + length);
    }
    Ok(storages)
}
