//! A pruned network in a file: only the weights that are left, a byte each, with a byte for the
//! distance to the one before.
//!
//! ```text
//! file     "NSPN" 1 length:u32 description check
//! check    the first 8 bytes of the SHA-256 of everything else
//! layer    parameter*  [mean:f32* variance:f32*]      in the description's order
//! dense    0 value:f32*
//! sparse   1 entries:u32 scale:f32* (gap:u8 level:i8)*
//! pattern  2 kept:u8 of:u8 scale:f32* level:i8* place:bits
//! ```
//!
//! A sparse parameter has a scale a row; a weight is its level times the scale of its row. A gap
//! of 255 passes 255 places and holds no weight. Of a pattern, every group of `of` weights in a
//! row has `kept` levels, of which zeros hold no weight, and each level has a place in its group.
//! What takes fewer bytes is written. Numbers are little-endian.

use aws_lc_rs::digest::{SHA256, digest};

use super::pattern::{self, Pattern};
use crate::net::state::Description;
use crate::net::{Net, Parameter};
use crate::{Error, Result};

const MAGIC: &[u8] = b"NSPN\x01";
/// A gap that passes so many places and holds no weight.
const PASS: u8 = 255;
/// Bytes of the check.
const CHECK: usize = 8;
/// Largest description that is read.
const MAX_DESCRIPTION: usize = 1 << 20;

/// The network as a file. Masked parameters are rounded to 127 levels of each row's largest
/// weight; [`read_sparse`] gives the rounded network, which is the one to score.
pub fn write_sparse(net: &Net) -> Result<Vec<u8>> {
    let description = serde_json::to_vec(&net.description())
        .map_err(|error| Error::Data(format!("the description: {error}")))?;
    let mut file = MAGIC.to_vec();
    file.extend((description.len() as u32).to_le_bytes());
    file.extend(description);
    for node in net.layers() {
        for parameter in &node.parameters {
            match &parameter.mask {
                Some(mask) => sparse(parameter, mask, &mut file),
                None => {
                    file.push(0);
                    numbers(&parameter.values, &mut file);
                }
            }
        }
        if let Some(statistics) = &node.statistics {
            numbers(&statistics.mean, &mut file);
            numbers(&statistics.variance, &mut file);
        }
    }
    let check = digest(&SHA256, &file);
    file.extend(&check.as_ref()[..CHECK]);
    Ok(file)
}

fn numbers(values: &[f32], file: &mut Vec<u8>) {
    values
        .iter()
        .for_each(|value| file.extend(value.to_le_bytes()));
}

fn sparse(parameter: &Parameter, mask: &[f32], file: &mut Vec<u8>) {
    let row = row(parameter);
    let scale = |row: &[f32]| row.iter().fold(0.0f32, |most, v| most.max(v.abs())) / 127.0;
    let scales: Vec<f32> = parameter.values.chunks(row).map(scale).collect();
    let values = parameter.values.iter().enumerate();
    let levels: Vec<i8> = values
        .map(|(place, value)| match scales[place / row] {
            scale if scale > 0.0 => (value / scale).round() as i8,
            _ => 0,
        })
        .collect();
    let entries = gaps(&levels, mask);
    if let Some(pattern) = Pattern::smallest(mask, row)
        && pattern::stored_bytes(pattern, mask.len(), row) < 2 * entries.len()
    {
        let (kept, of) = pattern.parts();
        file.extend([2, kept as u8, of as u8]);
        numbers(&scales, file);
        file.extend(pattern::store(pattern, &levels, mask, row));
        return;
    }
    file.push(1);
    file.extend((entries.len() as u32).to_le_bytes());
    numbers(&scales, file);
    file.extend(entries.as_flattened());
}

fn gaps(levels: &[i8], mask: &[f32]) -> Vec<[u8; 2]> {
    let mut entries = Vec::new();
    let mut next = 0;
    for place in (0..mask.len()).filter(|&place| mask[place] != 0.0) {
        let level = levels[place];
        let mut gap = place - next;
        while gap >= usize::from(PASS) {
            entries.push([PASS, 0]);
            gap -= usize::from(PASS);
        }
        entries.push([gap as u8, level.cast_unsigned()]);
        next = place + 1;
    }
    entries
}

/// Weights that one output reads.
pub(super) fn row(parameter: &Parameter) -> usize {
    let rows = parameter.shape.first().copied().unwrap_or(1).max(1);
    (parameter.values.len() / rows).max(1)
}

/// Reads what [`write_sparse`] wrote.
pub fn read_sparse(file: &[u8]) -> Result<Net> {
    read(file).map_err(|reason| Error::Data(format!("a sparse network: {reason}")))
}

fn read(file: &[u8]) -> Result<Net, String> {
    let (body, check) = file.split_last_chunk::<CHECK>().ok_or("it is too short")?;
    if digest(&SHA256, body).as_ref()[..CHECK] != check[..] {
        return Err("it is damaged, or no sparse network".into());
    }
    let mut rest = body
        .strip_prefix(MAGIC)
        .ok_or("it is of another kind or version")?;
    let length = u32::from_le_bytes(*rest.split_off_chunk()?) as usize;
    if length > MAX_DESCRIPTION {
        return Err(format!("its description has {length} bytes"));
    }
    let text = rest.split_off(..length).ok_or("it ends early")?;
    let description: Description =
        serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let mut net = Net::of_description(description).map_err(|error| error.to_string())?;
    for node in net.layers_mut() {
        for parameter in &mut node.parameters {
            match rest.split_off_chunk::<1>()? {
                [0] => fill(&mut parameter.values, &mut rest)?,
                [1] => fill_sparse(parameter, &mut rest)?,
                [2] => fill_pattern(parameter, &mut rest)?,
                [kind] => return Err(format!("{kind} is no kind of parameter")),
            }
        }
        if let Some(statistics) = &mut node.statistics {
            fill(&mut statistics.mean, &mut rest)?;
            fill(&mut statistics.variance, &mut rest)?;
        }
    }
    if rest.is_empty() {
        Ok(net)
    } else {
        Err("bytes follow its end".into())
    }
}

trait Take<'a> {
    fn split_off_chunk<const N: usize>(&mut self) -> Result<&'a [u8; N], String>;
}

impl<'a> Take<'a> for &'a [u8] {
    fn split_off_chunk<const N: usize>(&mut self) -> Result<&'a [u8; N], String> {
        let (chunk, rest) = self.split_first_chunk().ok_or("it ends early")?;
        *self = rest;
        Ok(chunk)
    }
}

fn fill(values: &mut [f32], rest: &mut &[u8]) -> Result<(), String> {
    let bytes = rest.split_off(..values.len() * 4).ok_or("it ends early")?;
    for (value, bytes) in values.iter_mut().zip(bytes.as_chunks().0) {
        *value = f32::from_le_bytes(*bytes);
    }
    Ok(())
}

fn fill_sparse(parameter: &mut Parameter, rest: &mut &[u8]) -> Result<(), String> {
    let entries = u32::from_le_bytes(*rest.split_off_chunk()?) as usize;
    let row = row(parameter);
    let mut scales = vec![0.0; parameter.values.len() / row];
    fill(&mut scales, rest)?;
    let length = entries.checked_mul(2).ok_or("it ends early")?;
    let entries = rest.split_off(..length).ok_or("it ends early")?;
    let mut mask = vec![0.0; parameter.values.len()];
    parameter.values.fill(0.0);
    let mut place = 0usize;
    for &[gap, level] in entries.as_chunks().0 {
        place += usize::from(gap);
        if gap == PASS {
            continue;
        }
        let value = parameter
            .values
            .get_mut(place)
            .ok_or("a weight lies beyond its layer")?;
        *value = f32::from(level.cast_signed()) * scales[place / row];
        mask[place] = 1.0;
        place += 1;
    }
    parameter.mask = Some(mask);
    Ok(())
}

fn fill_pattern(parameter: &mut Parameter, rest: &mut &[u8]) -> Result<(), String> {
    let &[kept, of] = rest.split_off_chunk()?;
    let pattern = Pattern::new(kept, of).map_err(|error| error.to_string())?;
    let (row, count) = (row(parameter), parameter.values.len());
    let mut scales = vec![0.0; count / row];
    fill(&mut scales, rest)?;
    let length = pattern::stored_bytes(pattern, count, row);
    let bytes = rest.split_off(..length).ok_or("it ends early")?;
    let mut mask = vec![0.0; count];
    let levels = pattern::restore(pattern, bytes, row, &mut mask)?;
    let values = parameter.values.iter_mut().zip(levels).enumerate();
    for (place, (value, level)) in values {
        *value = f32::from(level) * scales[place / row];
    }
    parameter.mask = Some(mask);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Criterion, kept, prune};
    use super::*;
    use crate::shape::Shape;

    fn pruned() -> Net {
        let net = Net::builder(Shape::flat(700), 3)
            .dense_plain(20)
            .normalize()
            .relu()
            .dense(10);
        let mut net = net.build().unwrap();
        prune(&mut net, &[0.002, 0.5], Criterion::Magnitude).unwrap();
        net
    }

    #[test]
    fn a_pruned_network_comes_back_rounded() {
        let net = pruned();
        let file = write_sparse(&net).unwrap();
        let read = read_sparse(&file).unwrap();
        assert_eq!(kept(&read), kept(&net));
        let pairs = read.layers()[0].parameters[0]
            .values
            .iter()
            .zip(&net.layers()[0].parameters[0].values);
        assert!(
            pairs
                .clone()
                .all(|(r, n)| (r - n).abs() < 1e-3 && (*n != 0.0 || *r == 0.0))
        );
        assert_eq!(write_sparse(&read).unwrap().len(), file.len());
        assert!(file.len() < 2600, "{}", file.len());
    }

    fn patterned() -> Net {
        let mut net = Net::builder(Shape::flat(30), 3);
        net = net.dense(6).relu().dense(3);
        let mut net = net.build().unwrap();
        let pattern = "2:4".parse().unwrap();
        let left = super::super::prune_pattern(&mut net, pattern, &[]).unwrap();
        // Rows of 6 are shorter than two groups.
        assert_eq!((left.kept, left.total), (6 * 16 + 18, 198));
        net
    }

    #[test]
    fn a_pattern_is_stored_with_two_bits_a_place() {
        let net = patterned();
        let file = write_sparse(&net).unwrap();
        let read = read_sparse(&file).unwrap();
        let [before, after] = [&net, &read].map(|net| net.layers()[0].parameters[0].clone());
        let scale = before
            .values
            .iter()
            .fold(0.0f32, |most, v| most.max(v.abs()))
            / 127.0;
        let near = before.values.iter().zip(&after.values);
        assert!(near.clone().all(|(b, a)| (b - a).abs() <= scale));
        assert_eq!(write_sparse(&read).unwrap(), file);
        // A level and two bits for each of 16 weights a row, and the row's scale.
        let mut anywhere = net.clone();
        anywhere.layers_mut()[0].parameters[0].mask = None;
        let dense = write_sparse(&anywhere).unwrap();
        let saved = dense.len() - file.len();
        assert_eq!(saved, 6 * 30 * 4 - (2 + 6 * 4 + 6 * 16 + 6 * 16 / 4));
    }

    #[test]
    fn damage_is_an_error() {
        for net in [pruned(), patterned()] {
            damaged(&net);
        }
    }

    fn damaged(net: &Net) {
        let file = write_sparse(net).unwrap();
        for place in 0..file.len() {
            let mut damaged = file.clone();
            damaged[place] ^= 1;
            assert!(read_sparse(&damaged).is_err());
            // The same with a right check, as a forger would.
            let body = damaged.len() - CHECK;
            let check = digest(&SHA256, &damaged[..body]);
            damaged[body..].copy_from_slice(&check.as_ref()[..CHECK]);
            let _ = read_sparse(&damaged);
            assert!(read_sparse(&file[..place]).is_err());
        }
    }
}
