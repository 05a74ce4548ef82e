//! Reads the file format that [`super::file`] describes. Nothing is believed: a count is held
//! against the bytes that are left before memory is taken for it.

use super::file::{CHECK_BYTES, FORMAT, MAGIC, check_of};
use super::network::{
    Border, Element, Finish, Input, Layer, Layout, Network, Pool, Product, Weights, Window,
};
use super::shape::{MAX_LAYERS, refuse};
use crate::error::Result;

impl Network {
    /// Reads a file. A network that this returns can be run: its layers fit each other and its
    /// cost lies within the limits.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let (body, check) = bytes
            .split_last_chunk::<CHECK_BYTES>()
            .ok_or_else(|| refuse("the file is too short for a packed network"))?;
        let mut rest = body
            .strip_prefix(MAGIC)
            .ok_or_else(|| refuse("the file is no packed network: it doesn't begin with NBIN"))?;
        let file = &mut rest;
        let format = byte(file)?;
        if format != FORMAT {
            return Err(refuse(format!(
                "the file has format {format}, this engine reads {FORMAT}; update the agent"
            )));
        }
        if check_of(body) != *check {
            return Err(refuse(
                "the file is damaged: its check doesn't fit its bytes; copy it again",
            ));
        }
        let input = Input::read(file)?;
        let output = name(file)?;
        let count = usize::from(u16::from_le_bytes(*array(file)?));
        if count > MAX_LAYERS {
            return Err(refuse(format!("{count} layers, at most {MAX_LAYERS}")));
        }
        let mut layers = Vec::with_capacity(count);
        for _ in 0..count {
            layers.push(match byte(file)? {
                1 => Layer::Product(Product::read(file)?),
                2 => Layer::Pool(pool(file)?.ok_or_else(|| refuse("a pool of no pixels"))?),
                3 => Layer::Flatten,
                other => return Err(refuse(format!("an unknown layer, {other}"))),
            });
        }
        if !file.is_empty() {
            let count = file.len();
            return Err(refuse(format!("{count} bytes follow the last layer")));
        }
        let network = Self {
            input,
            output,
            layers,
        };
        network.figures()?;
        Ok(network)
    }
}

/// The next `count` bytes.
fn take<'a>(file: &mut &'a [u8], count: usize) -> Result<&'a [u8]> {
    let (taken, rest) = file
        .split_at_checked(count)
        .ok_or_else(|| refuse("the file ends in the middle of a layer"))?;
    *file = rest;
    Ok(taken)
}

fn array<'a, const N: usize>(file: &mut &'a [u8]) -> Result<&'a [u8; N]> {
    let taken = take(file, N)?;
    Ok(taken.first_chunk().expect("as many were taken"))
}

fn byte(file: &mut &[u8]) -> Result<u8> {
    Ok(array::<1>(file)?[0])
}

fn count(file: &mut &[u8]) -> Result<usize> {
    Ok(u32::from_le_bytes(*array(file)?) as usize)
}

fn side(file: &mut &[u8]) -> Result<usize> {
    Ok(usize::from(u16::from_le_bytes(*array(file)?)))
}

fn name(file: &mut &[u8]) -> Result<String> {
    let length = usize::from(byte(file)?);
    let text = std::str::from_utf8(take(file, length)?);
    text.map(str::to_owned)
        .map_err(|_| refuse("a name is no UTF-8 text"))
}

fn pool(file: &mut &[u8]) -> Result<Option<Pool>> {
    let [size, stride] = array::<2>(file)?.map(usize::from);
    Ok((size > 0).then_some(Pool { size, stride }))
}

/// `count` numbers of `N` bytes each.
fn numbers<const N: usize, T>(
    file: &mut &[u8],
    count: usize,
    number: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>> {
    let bytes = count
        .checked_mul(N)
        .ok_or_else(|| refuse("more numbers than any file holds"))?;
    let chunks = take(file, bytes)?.as_chunks::<N>().0;
    Ok(chunks.iter().map(|chunk| number(*chunk)).collect())
}

impl Input {
    fn read(file: &mut &[u8]) -> Result<Self> {
        Ok(Self {
            name: name(file)?,
            element: match byte(file)? {
                0 => Element::F32,
                1 => Element::U8,
                other => return Err(refuse(format!("an unknown input type, {other}"))),
            },
            layout: match byte(file)? {
                0 => Layout::Flat,
                1 => Layout::Nchw,
                2 => Layout::Nhwc,
                other => return Err(refuse(format!("an unknown input layout, {other}"))),
            },
            channels: count(file)?,
            height: side(file)?,
            width: side(file)?,
            scale: f32::from_le_bytes(*array(file)?),
            zero: byte(file)?,
        })
    }
}

impl Product {
    fn read(file: &mut &[u8]) -> Result<Self> {
        let [size, stride, padding] = array::<3>(file)?.map(usize::from);
        let border = match byte(file)? {
            0 => Border::Zero,
            1 => Border::MinusOne,
            other => return Err(refuse(format!("an unknown border, {other}"))),
        };
        let pool = pool(file)?;
        let outputs = count(file)?;
        let kind = byte(file)?;
        let length = count(file)?;
        let weights = match kind {
            0 => Weights::Signs(take(file, length)?.to_vec()),
            1 => Weights::Bytes(numbers(file, length, i8::from_le_bytes)?),
            other => return Err(refuse(format!("unknown weights, {other}"))),
        };
        Ok(Self {
            weights,
            outputs,
            window: Window {
                size,
                stride,
                padding,
                border,
            },
            pool,
            finish: Finish::read(file, outputs)?,
        })
    }
}

impl Finish {
    fn read(file: &mut &[u8], outputs: usize) -> Result<Self> {
        Ok(match byte(file)? {
            0 => Self::Signs {
                thresholds: thresholds(file, outputs)?,
                flips: flips(file, outputs)?,
            },
            1 => {
                let count = outputs
                    .checked_mul(3)
                    .ok_or_else(|| refuse("more levels than any file holds"))?;
                let all = thresholds(file, count)?;
                Self::Levels {
                    thresholds: all.as_chunks::<3>().0.to_vec(),
                    flips: flips(file, outputs)?,
                }
            }
            2 => Self::Bytes {
                scale: numbers(file, outputs, f32::from_le_bytes)?,
                bias: numbers(file, outputs, f32::from_le_bytes)?,
            },
            3 => Self::Numbers {
                scale: numbers(file, outputs, f32::from_le_bytes)?,
                bias: numbers(file, outputs, f32::from_le_bytes)?,
            },
            other => return Err(refuse(format!("an unknown finish, {other}"))),
        })
    }
}

fn thresholds(file: &mut &[u8], count: usize) -> Result<Vec<i32>> {
    match byte(file)? {
        0 => numbers(file, count, |bytes| i32::from(i16::from_le_bytes(bytes))),
        1 => numbers(file, count, i32::from_le_bytes),
        other => Err(refuse(format!("an unknown width of thresholds, {other}"))),
    }
}

fn flips(file: &mut &[u8], outputs: usize) -> Result<Vec<bool>> {
    let bytes = take(file, outputs.div_ceil(8))?;
    Ok((0..outputs)
        .map(|output| bytes[output / 8] >> (output % 8) & 1 == 1)
        .collect())
}
