//! The bytes of boosted trees.
//!
//! ```text
//! trees u16  flags u8  unit f32  base i32 …  inner (u8 or u16) …  [output u8 …]
//! multiplier u8 …  nodes …  leaves i8 …
//! ```

use super::Boosted;
use crate::error::{Result, file};
use crate::forest::MAX_TREES;
use crate::forest::shape::Trees;
use crate::format::bytes::{Reader, Writer};

/// A node's skip has two bytes.
const WIDE_SKIPS: u8 = 1;
/// A tree's number of nodes has two bytes.
const WIDE_TREES: u8 = 2;
/// Trees do not add to the outputs in turn: each says to which.
const OWN_OUTPUTS: u8 = 4;
/// One output tells two classes apart.
const SINGLE: u8 = 8;
const ALL_FLAGS: u8 = 15;

impl Boosted {
    pub(crate) fn write(&self, writer: &mut Writer, columns: u16) {
        let outputs = self.base.len();
        let wide_trees = self.trees.inner.iter().any(|&inner| inner > 255);
        let own_outputs = self
            .outputs
            .iter()
            .enumerate()
            .any(|(tree, &output)| tree % outputs != usize::from(output));
        let flags = [
            (WIDE_SKIPS, self.widths(columns).1 == 2),
            (WIDE_TREES, wide_trees),
            (OWN_OUTPUTS, own_outputs),
            (SINGLE, outputs == 1),
        ];
        writer.u16(self.trees.inner.len() as u16);
        writer.u8(flags
            .iter()
            .filter(|(_, is)| *is)
            .map(|(flag, _)| flag)
            .sum());
        writer.f32(self.unit);
        self.base.iter().for_each(|&base| writer.i32(base));
        for &inner in &self.trees.inner {
            writer.bytes(&inner.to_le_bytes()[..=usize::from(wide_trees)]);
        }
        if own_outputs {
            writer.bytes(&self.outputs);
        }
        writer.bytes(&self.multipliers);
        self.trees.write_nodes(writer, columns);
        writer.i8s(&self.leaves);
    }

    pub(crate) fn read(reader: &mut Reader<'_>, columns: u16, classes: u16) -> Result<Self> {
        let trees = usize::from(reader.u16()?);
        let flags = reader.u8()?;
        let has = |flag: u8| flags & flag != 0;
        if trees == 0 || trees > MAX_TREES || flags > ALL_FLAGS {
            return Err(file(format!("{trees} boosted trees, flags {flags}")));
        }
        if has(SINGLE) && classes != 2 {
            return Err(file(format!("one output for {classes} classes")));
        }
        let unit = reader.f32()?;
        if unit <= 0.0 {
            return Err(file(format!("leaves in steps of {unit}")));
        }
        let outputs = if has(SINGLE) { 1 } else { usize::from(classes) };
        let base = reader.many(outputs, Reader::i32)?;
        let inner = reader.many(trees, |reader| {
            if has(WIDE_TREES) {
                reader.u16()
            } else {
                reader.u8().map(u16::from)
            }
        })?;
        let outputs = if has(OWN_OUTPUTS) {
            reader.take(trees)?.to_vec()
        } else {
            // There are at most 256 outputs.
            (0..trees).map(|tree| (tree % outputs) as u8).collect()
        };
        let multipliers = reader.take(trees)?.to_vec();
        let trees = Trees::read(reader, inner, columns, has(WIDE_SKIPS))?;
        let leaves = reader.i8s(trees.leaf_count())?;
        let made = Self {
            trees,
            base,
            outputs,
            multipliers,
            leaves,
            unit,
        };
        made.check()?;
        Ok(made)
    }
}
