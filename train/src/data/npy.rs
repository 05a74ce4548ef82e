//! NumPy's `.npy` files, versions 1 to 3 (NumPy Enhancement Proposal 1).

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use super::MAX_BYTES;
use super::array::{Array, Numbers};
use super::error::{DataError, Result};

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Longest header that is read, in bytes.
const HEADER_LIMIT: u32 = 64 << 10;

/// Most sides of an array.
const RANK_LIMIT: usize = 8;

/// How a file stores a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    F16,
    F32,
    F64,
    U8,
    I8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
}

impl Stored {
    /// From NumPy's word for it; `None` if it is not read here.
    fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "<f2" => Self::F16,
            "<f4" => Self::F32,
            "<f8" => Self::F64,
            "|u1" | "|b1" => Self::U8,
            "|i1" => Self::I8,
            "<i2" => Self::I16,
            "<u2" => Self::U16,
            "<i4" => Self::I32,
            "<u4" => Self::U32,
            "<i8" => Self::I64,
            "<u8" => Self::U64,
            _ => return None,
        })
    }

    const fn bytes(self) -> u64 {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::F16 | Self::I16 | Self::U16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
        }
    }

    /// Bytes that one number takes in memory.
    const fn kept(self) -> u64 {
        match self {
            Self::U8 => 1,
            Self::F16 | Self::F32 | Self::F64 => 4,
            _ => 8,
        }
    }
}

/// What a header says.
struct Header {
    stored: Stored,
    shape: Vec<usize>,
    elements: u64,
}

/// Reads an array. A scalar becomes an array of one sample.
pub fn read(path: &Path) -> Result<Array> {
    let file = File::open(path).map_err(DataError::file(path))?;
    let length = file.metadata().map_err(DataError::file(path))?.len();
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let (header, before) = header(path, &mut reader)?;
    let needed = header.elements.saturating_mul(header.stored.bytes());
    let present = length.saturating_sub(before);
    if needed != present {
        return Err(DataError::unusable(
            path,
            format!(
                "the header promises {needed} bytes of numbers and {present} follow; write the file again"
            ),
        ));
    }
    let kept = header.elements.saturating_mul(header.stored.kept());
    if kept > MAX_BYTES {
        return Err(DataError::TooLarge {
            path: path.to_path_buf(),
            what: "the array",
            actual: kept,
            limit: MAX_BYTES,
        });
    }
    let numbers = numbers(&mut reader, &header).map_err(DataError::file(path))?;
    Array::new(header.shape, numbers)
}

/// Writes an array as version 1.
pub fn write(path: &Path, array: &Array) -> Result<()> {
    let file = File::create(path).map_err(DataError::file(path))?;
    let mut writer = BufWriter::with_capacity(1 << 16, file);
    let written = write_to(&mut writer, array).and_then(|()| writer.flush());
    written.map_err(DataError::file(path))
}

fn write_to(writer: &mut impl Write, array: &Array) -> std::io::Result<()> {
    let word = match array.numbers() {
        Numbers::F32(_) => "<f4",
        Numbers::U8(_) => "|u1",
        Numbers::I64(_) => "<i8",
    };
    let sides: Vec<String> = array
        .shape()
        .iter()
        .map(|side| format!("{side},"))
        .collect();
    let sides = sides.join(" ");
    let mut header = format!("{{'descr': '{word}', 'fortran_order': False, 'shape': ({sides}), }}");
    // The numbers begin at a multiple of 64, as the format recommends.
    let padding = 64 - (MAGIC.len() + 4 + header.len() + 1) % 64;
    header.extend(std::iter::repeat_n(' ', padding % 64));
    header.push('\n');
    writer.write_all(MAGIC)?;
    writer.write_all(&[1, 0])?;
    writer.write_all(&(header.len() as u16).to_le_bytes())?;
    writer.write_all(header.as_bytes())?;
    match array.numbers() {
        Numbers::F32(values) => values
            .iter()
            .try_for_each(|value| writer.write_all(&value.to_le_bytes())),
        Numbers::U8(values) => writer.write_all(values),
        Numbers::I64(values) => values
            .iter()
            .try_for_each(|value| writer.write_all(&value.to_le_bytes())),
    }
}

/// The header, and how many bytes it took with what is before it.
fn header(path: &Path, reader: &mut impl Read) -> Result<(Header, u64)> {
    let no_array = || DataError::unusable(path, "this is no .npy file; write it with numpy.save");
    let mut start = [0; 8];
    reader.read_exact(&mut start).map_err(|_| no_array())?;
    if &start[..6] != MAGIC || !(1..=3).contains(&start[6]) {
        return Err(no_array());
    }
    let mut length = [0; 4];
    let width = if start[6] == 1 { 2 } else { 4 };
    reader
        .read_exact(&mut length[..width])
        .map_err(|_| no_array())?;
    let length = u32::from_le_bytes(length);
    if length > HEADER_LIMIT {
        return Err(no_array());
    }
    let mut text = vec![0; length as usize];
    reader.read_exact(&mut text).map_err(|_| no_array())?;
    let text = String::from_utf8(text).map_err(|_| no_array())?;
    let header = parse(&text).map_err(|reason| DataError::unusable(path, reason))?;
    Ok((header, 8 + width as u64 + u64::from(length)))
}

/// Understands the Python dictionary of a header.
fn parse(text: &str) -> Result<Header, String> {
    let after = |key: &str| {
        let (_, rest) = text.split_once(&format!("'{key}':"))?;
        Some(rest.trim_start())
    };
    let word = after("descr")
        .and_then(|rest| rest.strip_prefix('\''))
        .and_then(|rest| rest.split_once('\''))
        .map(|(word, _)| word)
        .ok_or("the array holds records; save one plain array for each column")?;
    let stored = Stored::from_word(word).ok_or_else(|| {
        format!("numbers of the type {word:?} are not read; convert with array.astype('<f4')")
    })?;
    if !after("fortran_order").is_some_and(|rest| rest.starts_with("False")) {
        return Err(
            "the array is stored by columns; convert with numpy.ascontiguousarray(array)".into(),
        );
    }
    let sides = after("shape")
        .and_then(|rest| rest.strip_prefix('('))
        .and_then(|rest| rest.split_once(')'))
        .map(|(sides, _)| sides)
        .ok_or("the header names no shape")?;
    let mut shape = Vec::new();
    let mut elements = 1u64;
    for side in sides
        .split(',')
        .map(str::trim)
        .filter(|side| !side.is_empty())
    {
        let side: u64 = side.parse().map_err(|_| "the header's shape is garbled")?;
        elements = elements
            .checked_mul(side)
            .filter(|&elements| elements <= 1 << 40 && shape.len() < RANK_LIMIT)
            .ok_or("the header's shape is beyond any memory")?;
        shape.push(side as usize);
    }
    if shape.is_empty() {
        shape.push(1);
    }
    Ok(Header {
        stored,
        shape,
        elements,
    })
}

fn numbers(reader: &mut impl Read, header: &Header) -> std::io::Result<Numbers> {
    let count = header.elements as usize;
    Ok(match header.stored {
        Stored::U8 => {
            let mut values = vec![0; count];
            reader.read_exact(&mut values)?;
            Numbers::U8(values)
        }
        Stored::F16 => Numbers::F32(each(reader, count, |bytes| {
            noroshi_onnx::half_to_f32(u16::from_le_bytes(bytes))
        })?),
        Stored::F32 => Numbers::F32(each(reader, count, f32::from_le_bytes)?),
        Stored::F64 => Numbers::F32(each(reader, count, |bytes| {
            f64::from_le_bytes(bytes) as f32
        })?),
        Stored::I8 => Numbers::I64(each(reader, count, |b| i64::from(i8::from_le_bytes(b)))?),
        Stored::I16 => Numbers::I64(each(reader, count, |b| i64::from(i16::from_le_bytes(b)))?),
        Stored::U16 => Numbers::I64(each(reader, count, |b| i64::from(u16::from_le_bytes(b)))?),
        Stored::I32 => Numbers::I64(each(reader, count, |b| i64::from(i32::from_le_bytes(b)))?),
        Stored::U32 => Numbers::I64(each(reader, count, |b| i64::from(u32::from_le_bytes(b)))?),
        Stored::I64 => Numbers::I64(each(reader, count, i64::from_le_bytes)?),
        Stored::U64 => Numbers::I64(each(reader, count, |b| {
            i64::try_from(u64::from_le_bytes(b)).unwrap_or(i64::MAX)
        })?),
    })
}

fn each<const N: usize, T>(
    reader: &mut impl Read,
    count: usize,
    convert: impl Fn([u8; N]) -> T,
) -> std::io::Result<Vec<T>> {
    let mut values = Vec::with_capacity(count);
    let mut bytes = [0; N];
    for _ in 0..count {
        reader.read_exact(&mut bytes)?;
        values.push(convert(bytes));
    }
    Ok(values)
}
