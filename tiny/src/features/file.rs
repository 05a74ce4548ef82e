//! A description in a model's file.
//!
//! ```text
//! channels u8  length u16  hop u16  units f32 …  parts u8
//! statistics: 0 u8  count u8  which u8 …
//! correlation: 1 u8
//! bands: 2 u8  thin u8  points u16  edges u8  u16 …
//! cepstrum: 3 u8  frame u16  hop u16  points u16  coefficients u8  edges u8  u16 …
//! ```

use noroshi_model::{Bands, Cepstrum, FeaturePart, Features, Statistic};

use crate::error::{Result, file};
use crate::format::bytes::{Reader, Writer};

const STATISTICS: u8 = 0;
const CORRELATION: u8 = 1;
const BANDS: u8 = 2;
const CEPSTRUM: u8 = 3;

pub(crate) fn write(features: &Features, writer: &mut Writer) {
    writer.u8(features.channels);
    writer.u16(features.length);
    writer.u16(features.hop);
    writer.f32s(&features.units);
    writer.u8(features.parts.len() as u8);
    for part in &features.parts {
        write_part(part, writer);
    }
}

fn write_part(part: &FeaturePart, writer: &mut Writer) {
    match part {
        FeaturePart::Statistics(which) => {
            writer.u8(STATISTICS);
            writer.u8(which.len() as u8);
            for one in which {
                let place = Statistic::ALL.iter().position(|known| known == one);
                writer.u8(place.unwrap_or_default() as u8);
            }
        }
        FeaturePart::Correlation => writer.u8(CORRELATION),
        FeaturePart::Bands(bands) => {
            writer.u8(BANDS);
            writer.u8(bands.thin);
            writer.u16(bands.points);
            write_edges(&bands.edges, writer);
        }
        FeaturePart::Cepstrum(one) => {
            writer.u8(CEPSTRUM);
            writer.u16(one.frame);
            writer.u16(one.hop);
            writer.u16(one.points);
            writer.u8(one.coefficients);
            write_edges(&one.edges, writer);
        }
    }
}

/// There are at most 256 of them, and never none: one less than there are is written.
fn write_edges(edges: &[u16], writer: &mut Writer) {
    writer.u8((edges.len() - 1) as u8);
    edges.iter().for_each(|&edge| writer.u16(edge));
}

fn read_edges(reader: &mut Reader<'_>) -> Result<Vec<u16>> {
    let count = usize::from(reader.u8()?) + 1;
    reader.many(count, Reader::u16)
}

pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Features> {
    let channels = reader.u8()?;
    let (length, hop) = (reader.u16()?, reader.u16()?);
    let units = reader.many(usize::from(channels), Reader::f32)?;
    let parts = usize::from(reader.u8()?);
    let features = Features {
        channels,
        length,
        hop,
        units,
        parts: reader.many(parts, read_part)?,
    };
    match features.fault() {
        None => Ok(features),
        Some(fault) => Err(file(fault)),
    }
}

fn read_part(reader: &mut Reader<'_>) -> Result<FeaturePart> {
    Ok(match reader.u8()? {
        STATISTICS => {
            let count = usize::from(reader.u8()?);
            FeaturePart::Statistics(reader.many(count, |reader| {
                let which = usize::from(reader.u8()?);
                let known = Statistic::ALL.get(which).copied();
                known.ok_or_else(|| file(format!("a statistic of kind {which}")))
            })?)
        }
        CORRELATION => FeaturePart::Correlation,
        BANDS => FeaturePart::Bands(Bands {
            thin: reader.u8()?,
            points: reader.u16()?,
            edges: read_edges(reader)?,
        }),
        CEPSTRUM => FeaturePart::Cepstrum(Cepstrum {
            frame: reader.u16()?,
            hop: reader.u16()?,
            points: reader.u16()?,
            coefficients: reader.u8()?,
            edges: read_edges(reader)?,
        }),
        other => return Err(file(format!("features of kind {other}"))),
    })
}
