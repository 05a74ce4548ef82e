//! The file format `.nbin`, and how it is written. All numbers are little-endian.
//!
//! ```text
//! file      "NBIN" version:u8 input output:name layers:u16 layer* check:8 bytes
//! input     name element:u8 layout:u8 channels:u32 height:u16 width:u16 scale:f32 zero:u8
//! name      length:u8 UTF-8
//! layer     1 product | 2 pool | 3
//! product   window pool outputs:u32 weights finish
//! window    size:u8 stride:u8 padding:u8 border:u8
//! pool      size:u8 stride:u8                        0 0 for none
//! weights   kind:u8 length:u32 bytes                 0 signs, 1 bytes
//! finish    0 thresholds | 1 thresholds | 2 scale:f32* bias:f32* | 3 scale:f32* bias:f32*
//! thresholds wide:u8 (i16* or i32*) flips:bits       one an output, three for levels
//! ```
//!
//! `check` is the beginning of the SHA-256 of all that lies before it: a damaged file is told
//! apart from a wrong one. Thresholds take two bytes each if all of them fit.

use noroshi_model::Digest;

use super::network::{
    Border, Element, Finish, Input, Layer, Layout, Network, Pool, Product, Weights,
};
use crate::error::Result;

/// What a file begins with.
pub const MAGIC: &[u8] = b"NBIN";
/// The version that is written and read.
pub(super) const FORMAT: u8 = 1;
/// Bytes of the check.
pub(super) const CHECK_BYTES: usize = 8;

/// The check of everything before it.
pub(super) fn check_of(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let digest = *Digest::of(bytes).as_bytes();
    digest
        .first_chunk()
        .copied()
        .expect("a digest has 32 bytes")
}

impl Network {
    /// The network as a file; an error if its layers don't fit each other.
    pub fn write(&self) -> Result<Vec<u8>> {
        self.figures()?;
        let mut file = MAGIC.to_vec();
        file.push(FORMAT);
        self.input.write(&mut file);
        write_name(&self.output, &mut file);
        file.extend((self.layers.len() as u16).to_le_bytes());
        for layer in &self.layers {
            match layer {
                Layer::Product(product) => {
                    file.push(1);
                    product.write(&mut file);
                }
                Layer::Pool(pool) => {
                    file.push(2);
                    write_pool(Some(*pool), &mut file);
                }
                Layer::Flatten => file.push(3),
            }
        }
        let check = check_of(&file);
        file.extend(check);
        Ok(file)
    }
}

fn write_name(name: &str, file: &mut Vec<u8>) {
    file.push(name.len() as u8);
    file.extend(name.as_bytes());
}

fn write_pool(pool: Option<Pool>, file: &mut Vec<u8>) {
    let (size, stride) = pool.map_or((0, 0), |pool| (pool.size, pool.stride));
    file.extend([size as u8, stride as u8]);
}

impl Input {
    fn write(&self, file: &mut Vec<u8>) {
        write_name(&self.name, file);
        file.push(match self.element {
            Element::F32 => 0,
            Element::U8 => 1,
        });
        file.push(match self.layout {
            Layout::Flat => 0,
            Layout::Nchw => 1,
            Layout::Nhwc => 2,
        });
        file.extend((self.channels as u32).to_le_bytes());
        file.extend((self.height as u16).to_le_bytes());
        file.extend((self.width as u16).to_le_bytes());
        file.extend(self.scale.to_le_bytes());
        file.push(self.zero);
    }
}

impl Product {
    fn write(&self, file: &mut Vec<u8>) {
        let window = self.window;
        file.extend([window.size, window.stride, window.padding].map(|side| side as u8));
        file.push(match window.border {
            Border::Zero => 0,
            Border::MinusOne => 1,
        });
        write_pool(self.pool, file);
        file.extend((self.outputs as u32).to_le_bytes());
        file.push(match self.weights {
            Weights::Signs(_) => 0,
            Weights::Bytes(_) => 1,
        });
        file.extend((self.weights.len() as u32).to_le_bytes());
        match &self.weights {
            Weights::Signs(bytes) => file.extend(bytes),
            Weights::Bytes(bytes) => file.extend(bytes.iter().map(|byte| *byte as u8)),
        }
        self.finish.write(file);
    }
}

impl Finish {
    fn write(&self, file: &mut Vec<u8>) {
        match self {
            Self::Signs { thresholds, flips } => {
                file.push(0);
                write_thresholds(thresholds, flips, file);
            }
            Self::Levels { thresholds, flips } => {
                file.push(1);
                write_thresholds(thresholds.as_flattened(), flips, file);
            }
            Self::Bytes { scale, bias } => {
                file.push(2);
                write_numbers(scale, file);
                write_numbers(bias, file);
            }
            Self::Numbers { scale, bias } => {
                file.push(3);
                write_numbers(scale, file);
                write_numbers(bias, file);
            }
        }
    }
}

fn write_thresholds(thresholds: &[i32], flips: &[bool], file: &mut Vec<u8>) {
    let narrow: Option<Vec<i16>> = thresholds.iter().map(|t| i16::try_from(*t).ok()).collect();
    if let Some(narrow) = narrow {
        file.push(0);
        file.extend(narrow.iter().flat_map(|number| number.to_le_bytes()));
    } else {
        file.push(1);
        file.extend(thresholds.iter().flat_map(|number| number.to_le_bytes()));
    }
    file.extend(flips.chunks(8).map(|bits| {
        let bits = bits.iter().enumerate();
        bits.fold(0, |byte, (place, bit)| byte | (u8::from(*bit) << place))
    }));
}

fn write_numbers(numbers: &[f32], file: &mut Vec<u8>) {
    file.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}
