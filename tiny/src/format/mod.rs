//! The file of a tiny model.
//!
//! ```text
//! "NTM"  version u8  kind u8  intake u8  columns u16  classes u16  body …  crc32 u32
//! ```
//!
//! All numbers little-endian. `intake` is 0 where the model takes bytes as they are; with 1 a
//! low bound and a step (f32 each) for each column come before the body; with 2 a description of
//! features of windows and a low bound and a factor (u16 each) for each column. The checksum is over
//! everything before it. A version that isn't known is refused.

pub(crate) mod bytes;

use bytes::{Reader, Writer, crc32};

use crate::bonsai::{Bonsai, BonsaiFloat};
use crate::boosted::Boosted;
use crate::error::{Result, file};
use crate::fastfood::Compact;
use crate::features::Windowed;
use crate::forest::Forest;
use crate::linear::Linear;
use crate::model::{Family, Intake, Model, Scale};
use crate::protonn::{ProtoNn, ProtoNnFloat};
use crate::svm::Svm;

const MAGIC: &[u8; 3] = b"NTM";
const VERSION: u8 = 1;
/// A tiny model larger than this is none.
pub const MAX_FILE_BYTES: usize = 16 << 20;
/// Magic, version, kind, intake, columns, classes.
const HEAD_BYTES: usize = 10;
const CHECKSUM_BYTES: usize = 4;

const BYTES: u8 = 0;
const SCALED: u8 = 1;
const WINDOWS: u8 = 2;

const FOREST: u8 = 1;
const PROTONN_FLOAT: u8 = 2;
const PROTONN: u8 = 3;
const BONSAI_FLOAT: u8 = 4;
const BONSAI: u8 = 5;
const BOOSTED: u8 = 6;
const LINEAR: u8 = 7;
const FASTFOOD: u8 = 8;
const SVM: u8 = 9;

impl Model {
    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.bytes(MAGIC);
        writer.u8(VERSION);
        writer.u8(kind(&self.family));
        writer.u8(match self.intake {
            Intake::Bytes => BYTES,
            Intake::Scaled(_) => SCALED,
            Intake::Windows(_) => WINDOWS,
        });
        writer.u16(self.columns);
        writer.u16(self.classes);
        match &self.intake {
            Intake::Bytes => {}
            Intake::Scaled(scales) => scales.iter().for_each(|scale| {
                writer.f32(scale.low);
                writer.f32(scale.step);
            }),
            Intake::Windows(windowed) => windowed.write(&mut writer),
        }
        match &self.family {
            Family::Forest(forest) => forest.write(&mut writer, self.columns),
            Family::Boosted(model) => model.write(&mut writer, self.columns),
            Family::ProtoNnFloat(model) => model.write(&mut writer),
            Family::ProtoNn(model) => model.write(&mut writer),
            Family::BonsaiFloat(model) => model.write(&mut writer),
            Family::Bonsai(model) => model.write(&mut writer),
            Family::Linear(model) => model.write(&mut writer, self.columns),
            Family::Fastfood(model) => model.write(&mut writer),
            Family::Svm(model) => model.write(&mut writer),
        }
        let mut bytes = writer.finish();
        let checksum = crc32(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The model of a file; every length in it is checked against what is there.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_FILE_BYTES || bytes.len() < HEAD_BYTES + CHECKSUM_BYTES {
            return Err(file(format!(
                "it has {} bytes, from {} to {MAX_FILE_BYTES} are possible",
                bytes.len(),
                HEAD_BYTES + CHECKSUM_BYTES
            )));
        }
        let (content, checksum) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
        let mut reader = Reader::new(content);
        if reader.take(MAGIC.len())? != MAGIC {
            return Err(file("it does not begin like one"));
        }
        let version = reader.u8()?;
        if version != VERSION {
            return Err(file(format!(
                "it has version {version}, this program reads version {VERSION}"
            )));
        }
        if crc32(content).to_le_bytes() != checksum {
            return Err(file("its checksum is wrong: it was cut or changed"));
        }
        Self::read(&mut reader)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let (kind, intake) = (reader.u8()?, reader.u8()?);
        let (columns, classes) = (reader.u16()?, reader.u16()?);
        if columns == 0 || !(2..=256).contains(&classes) {
            return Err(file(format!("{columns} columns and {classes} classes")));
        }
        let intake = match intake {
            BYTES => Intake::Bytes,
            SCALED => Intake::Scaled(reader.many(usize::from(columns), |reader| {
                Scale::new(reader.f32()?, reader.f32()?)
            })?),
            WINDOWS => Intake::Windows(Windowed::read(reader, columns)?),
            other => return Err(file(format!("an intake of kind {other}"))),
        };
        let family = match kind {
            FOREST => Family::Forest(Forest::read(reader, columns, classes)?),
            PROTONN_FLOAT => Family::ProtoNnFloat(ProtoNnFloat::read(reader, columns, classes)?),
            PROTONN => Family::ProtoNn(ProtoNn::read(reader, columns, classes)?),
            BONSAI_FLOAT => Family::BonsaiFloat(BonsaiFloat::read(reader, columns, classes)?),
            BOOSTED => Family::Boosted(Boosted::read(reader, columns, classes)?),
            BONSAI => Family::Bonsai(Bonsai::read(reader, columns, classes)?),
            LINEAR => Family::Linear(Linear::read(reader, columns, classes)?),
            FASTFOOD => Family::Fastfood(Compact::read(reader, columns, classes)?),
            SVM => Family::Svm(Svm::read(reader, columns, classes)?),
            other => return Err(file(format!("a family of kind {other}"))),
        };
        reader.end()?;
        Ok(Self {
            intake,
            columns,
            classes,
            family,
        })
    }
}

fn kind(family: &Family) -> u8 {
    match family {
        Family::Forest(_) => FOREST,
        Family::Boosted(_) => BOOSTED,
        Family::ProtoNnFloat(_) => PROTONN_FLOAT,
        Family::ProtoNn(_) => PROTONN,
        Family::BonsaiFloat(_) => BONSAI_FLOAT,
        Family::Bonsai(_) => BONSAI,
        Family::Linear(_) => LINEAR,
        Family::Fastfood(_) => FASTFOOD,
        Family::Svm(_) => SVM,
    }
}

#[cfg(test)]
mod tests;
