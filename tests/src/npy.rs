//! A reader of NumPy's .npy files, version 1.0: little-endian numbers in C order, nothing else.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// No file of the proofs is larger.
const LARGEST: u64 = 1 << 30;
const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";

/// An array as it lies in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Sizes, the outermost first; empty for a single number.
    pub shape: Vec<usize>,
    /// The numbers, the last dimension contiguous.
    pub values: Values,
}

/// The numbers of an array.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// `|u1`
    U8(Vec<u8>),
    /// `<u2`
    U16(Vec<u16>),
    /// `<u4`
    U32(Vec<u32>),
    /// `<f4`
    F32(Vec<f32>),
}

/// Reads a file of at most 1 GiB.
pub fn read(path: &Path) -> Result<Array> {
    let file = std::fs::File::open(path).with_context(|| format!("{}", path.display()))?;
    let length = file.metadata()?.len();
    ensure!(
        length <= LARGEST,
        "{} has {length} bytes, more than {LARGEST}",
        path.display()
    );
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(LARGEST).read_to_end(&mut bytes)?;
    parse(&bytes).with_context(|| format!("{} is not understood", path.display()))
}

/// Writes bytes as an array of this shape.
pub fn write_bytes(path: &Path, shape: &[usize], bytes: &[u8]) -> Result<()> {
    let count = shape.iter().product::<usize>();
    ensure!(
        bytes.len() == count,
        "{} bytes are not {shape:?}",
        bytes.len()
    );
    let sizes: Vec<String> = shape.iter().map(|size| format!("{size},")).collect();
    let sizes = sizes.join(" ");
    let mut header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({sizes}), }}");
    while !(MAGIC.len() + 2 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let length = u16::try_from(header.len())?.to_le_bytes();
    let file = [MAGIC, &length, header.as_bytes(), bytes].concat();
    std::fs::write(path, file).with_context(|| format!("{}", path.display()))
}

/// The array in the bytes of a file.
pub fn parse(bytes: &[u8]) -> Result<Array> {
    let rest = bytes
        .strip_prefix(MAGIC)
        .context("it isn't a .npy file of version 1.0")?;
    let (length, rest) = rest.split_first_chunk::<2>().context("it is cut off")?;
    let length = usize::from(u16::from_le_bytes(*length));
    let (header, data) = rest.split_at_checked(length).context("it is cut off")?;
    let header = std::str::from_utf8(header).context("its header is no text")?;
    ensure!(
        header.contains("'fortran_order': False"),
        "its numbers are in Fortran's order"
    );
    let shape = shape(header)?;
    let count = shape
        .iter()
        .try_fold(1_usize, |count, &size| count.checked_mul(size))
        .context("its shape is beyond all bounds")?;
    let values = match between(header, "'descr': '", "'")? {
        "|u1" => Values::U8(data.to_vec()),
        "<u2" => Values::U16(numbers(data, u16::from_le_bytes)?),
        "<u4" => Values::U32(numbers(data, u32::from_le_bytes)?),
        "<f4" => Values::F32(numbers(data, f32::from_le_bytes)?),
        other => bail!("numbers of type {other} are not read"),
    };
    let found = match &values {
        Values::U8(values) => values.len(),
        Values::U16(values) => values.len(),
        Values::U32(values) => values.len(),
        Values::F32(values) => values.len(),
    };
    ensure!(
        found == count,
        "{found} numbers follow a shape of {count}: {shape:?}"
    );
    Ok(Array { shape, values })
}

fn numbers<T, const N: usize>(data: &[u8], number: fn([u8; N]) -> T) -> Result<Vec<T>> {
    let (chunks, rest) = data.as_chunks::<N>();
    ensure!(rest.is_empty(), "its last number is cut off");
    Ok(chunks.iter().map(|chunk| number(*chunk)).collect())
}

fn shape(header: &str) -> Result<Vec<usize>> {
    let sizes = between(header, "'shape': (", ")")?.split(',');
    sizes
        .map(str::trim)
        .filter(|size| !size.is_empty())
        .map(|size| size.parse().with_context(|| format!("a size of {size}")))
        .collect()
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Result<&'a str> {
    let (_, rest) = text
        .split_once(start)
        .with_context(|| format!("its header has no {start}"))?;
    let (found, _) = rest
        .split_once(end)
        .with_context(|| format!("its header has no {end}"))?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let length = (header.len() as u16).to_le_bytes();
        [MAGIC, &length, header.as_bytes(), data].concat()
    }

    #[test]
    fn arrays_are_read_and_wrong_ones_refused() {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }\n";
        let data = [1.5_f32, -2.0].map(f32::to_le_bytes).concat();
        let array = parse(&file(header, &data)).unwrap();
        assert_eq!(array.shape, [2, 1]);
        assert_eq!(array.values, Values::F32(vec![1.5, -2.0]));

        let refusals = [
            (file(header, &data[..7]), "cut off"),
            (file(header, &data[..4]), "1 numbers follow"),
            (file(&header.replace("2, 1", "2, x"), &data), "a size of x"),
            (
                file(&header.replace("2, 1", "18446744073709551615, 9"), &data),
                "beyond",
            ),
            (file(&header.replace("<f4", "|O"), &data), "type |O"),
            (file(&header.replace("False", "True"), &data), "Fortran"),
            (file(header, &data)[..20].to_vec(), "cut off"),
            (b"PK".to_vec(), "isn't"),
        ];
        for (bytes, word) in refusals {
            let error = format!("{:#}", parse(&bytes).unwrap_err());
            assert!(error.contains(word), "{error} has no {word}");
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        write_bytes(&path, &[2, 3], &[1, 2, 3, 4, 5, 6]).unwrap();
        let array = read(&path).unwrap();
        assert_eq!(array.shape, [2, 3]);
        assert_eq!(array.values, Values::U8(vec![1, 2, 3, 4, 5, 6]));
        assert!(write_bytes(&path, &[2, 2], &[1]).is_err());
    }
}
