//! The zip format that PyTorch writes since 1.6: stored, never deflated.

use std::collections::HashMap;
use std::ops::Range;

use super::machine;
use super::storage::Storages;
use super::value::Outcome;
use crate::{Error, Result};

/// The record at the end of a zip file, without its comment.
const END_BYTES: usize = 22;

/// One entry of the central directory, without its name.
const ENTRY_BYTES: usize = 46;

/// One local header, without its name.
const LOCAL_BYTES: usize = 30;

/// Longest comment of a zip file.
const COMMENT_LIMIT: usize = 65_535;

/// What the archive's object pickle made, and where its storages are.
pub(super) fn read(bytes: &[u8]) -> Result<(Outcome, Storages)> {
    let entries = entries(bytes)?;
    let name = entries
        .keys()
        .find(|name| name.ends_with("/data.pkl") || *name == "data.pkl");
    let name = name.ok_or_else(|| fault("the archive holds no data.pkl"))?;
    let prefix = name.trim_end_matches("data.pkl").to_owned();
    if let Some(order) = entries.get(&format!("{prefix}byteorder"))
        && bytes[order.clone()].trim_ascii() != b"little"
    {
        return Err(fault("it was saved on a big-endian machine"));
    }
    let (object, _) = machine::run(&bytes[entries[name].clone()])?;
    let mut storages = Storages::default();
    let folder = format!("{prefix}data/");
    for (name, range) in &entries {
        if let Some(key) = name.strip_prefix(&folder) {
            storages.add(key, range.clone());
        }
    }
    Ok((object, storages))
}

/// Where each file of the archive lies.
fn entries(bytes: &[u8]) -> Result<HashMap<String, Range<usize>>> {
    let end = find_end(bytes)?;
    let count = short(bytes, end + 10)?;
    let mut at = word(bytes, end + 16)?;
    let mut entries = HashMap::new();
    for _ in 0..count {
        let entry = part(bytes, at, ENTRY_BYTES)?;
        if !entry.starts_with(b"PK\x01\x02") {
            return Err(fault("the archive's directory is garbled"));
        }
        let (packed, size) = (word(bytes, at + 20)?, word(bytes, at + 24)?);
        let name_length = short(bytes, at + 28)?;
        let name = part(bytes, at + ENTRY_BYTES, name_length)?;
        let name = std::str::from_utf8(name).map_err(|_| fault("a file name is no UTF-8"))?;
        if short(bytes, at + 10)? != 0 || packed != size {
            return Err(fault("the archive is compressed, which PyTorch never does"));
        }
        let header = word(bytes, at + 42)?;
        let skipped = short(bytes, header + 26)? + short(bytes, header + 28)?;
        let start = header + LOCAL_BYTES + skipped;
        part(bytes, start, size)?;
        entries.insert(name.to_owned(), start..start + size);
        at += ENTRY_BYTES + name_length + short(bytes, at + 30)? + short(bytes, at + 32)?;
    }
    Ok(entries)
}

fn find_end(bytes: &[u8]) -> Result<usize> {
    let latest = bytes.len().checked_sub(END_BYTES).ok_or_else(cut)?;
    let earliest = latest.saturating_sub(COMMENT_LIMIT);
    (earliest..=latest)
        .rev()
        .find(|&at| bytes[at..].starts_with(b"PK\x05\x06"))
        .ok_or_else(cut)
}

fn part(bytes: &[u8], at: usize, length: usize) -> Result<&[u8]> {
    let end = at.checked_add(length).ok_or_else(cut)?;
    bytes.get(at..end).ok_or_else(cut)
}

fn short(bytes: &[u8], at: usize) -> Result<usize> {
    part(bytes, at, 2).map(|bytes| usize::from(bytes[0]) | usize::from(bytes[1]) << 8)
}

fn word(bytes: &[u8], at: usize) -> Result<usize> {
    Ok(short(bytes, at)? | short(bytes, at + 2)? << 16)
}

fn cut() -> Error {
    fault("the archive is truncated or garbled; download it again")
}

fn fault(text: &str) -> Error {
    Error::StateDict(text.into())
}
