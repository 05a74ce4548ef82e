//! Typed access to tensors, checked before anything is allocated.

use noroshi_model::ElementType;
use prost::bytes::Bytes;

use crate::proto::TensorProto;
use crate::{Error, Result};

/// Element types by their number in the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
#[expect(missing_docs, reason = "the names say it")]
pub enum DataType {
    F32 = 1,
    U8 = 2,
    I8 = 3,
    U16 = 4,
    I16 = 5,
    I32 = 6,
    I64 = 7,
    Text = 8,
    Bool = 9,
    F16 = 10,
    F64 = 11,
    U32 = 12,
    U64 = 13,
    Bf16 = 16,
    U4 = 21,
    I4 = 22,
}

const DATA_TYPES: [DataType; 16] = [
    DataType::F32,
    DataType::U8,
    DataType::I8,
    DataType::U16,
    DataType::I16,
    DataType::I32,
    DataType::I64,
    DataType::Text,
    DataType::Bool,
    DataType::F16,
    DataType::F64,
    DataType::U32,
    DataType::U64,
    DataType::Bf16,
    DataType::U4,
    DataType::I4,
];

impl DataType {
    /// The type with this number, if it is known here.
    pub fn from_number(number: i32) -> Option<Self> {
        DATA_TYPES
            .into_iter()
            .find(|data_type| *data_type as i32 == number)
    }

    /// Bits of one element; `None` for text.
    pub const fn bits(self) -> Option<u64> {
        Some(match self {
            Self::F64 | Self::I64 | Self::U64 => 64,
            Self::F32 | Self::I32 | Self::U32 => 32,
            Self::F16 | Self::Bf16 | Self::I16 | Self::U16 => 16,
            Self::I8 | Self::U8 | Self::Bool => 8,
            Self::I4 | Self::U4 => 4,
            Self::Text => return None,
        })
    }

    /// The word that manifests use.
    pub const fn element_type(self) -> ElementType {
        match self {
            Self::F64 => ElementType::F64,
            Self::F32 => ElementType::F32,
            Self::F16 => ElementType::F16,
            Self::Bf16 => ElementType::Bf16,
            Self::I64 => ElementType::I64,
            Self::I32 => ElementType::I32,
            Self::I16 => ElementType::I16,
            Self::I8 => ElementType::I8,
            Self::I4 => ElementType::I4,
            Self::U64 => ElementType::U64,
            Self::U32 => ElementType::U32,
            Self::U16 => ElementType::U16,
            Self::U8 => ElementType::U8,
            Self::U4 => ElementType::U4,
            Self::Bool => ElementType::Bool,
            Self::Text => ElementType::Text,
        }
    }
}

/// A number that a tensor can be made of.
pub trait Element: Copy {
    /// Its type in the format.
    const DATA_TYPE: DataType;
    /// Appends the little-endian bytes.
    fn append(self, bytes: &mut Vec<u8>);
}

macro_rules! element {
    ($($kind:ty => $data_type:ident),*) => {$(
        impl Element for $kind {
            const DATA_TYPE: DataType = DataType::$data_type;
            fn append(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}
element!(f32 => F32, u8 => U8, i8 => I8, i32 => I32, i64 => I64);

impl TensorProto {
    /// A tensor of `values` in row-major order; `dims` empty for a scalar.
    pub fn new<T: Element>(name: impl Into<String>, dims: &[usize], values: &[T]) -> Self {
        debug_assert_eq!(dims.iter().product::<usize>(), values.len());
        let mut bytes = Vec::with_capacity(size_of_val(values));
        values.iter().for_each(|value| value.append(&mut bytes));
        Self {
            name: name.into(),
            dims: dims.iter().map(|&dim| dim as i64).collect(),
            data_type: T::DATA_TYPE as i32,
            raw_data: Bytes::from(bytes),
            ..Self::default()
        }
    }

    /// Levels of four bits, −8..=7, two to a byte, the first in the lower half.
    pub fn of_halves(name: impl Into<String>, dims: &[usize], levels: &[i8]) -> Self {
        debug_assert_eq!(dims.iter().product::<usize>(), levels.len());
        let half = |level: i8| level.cast_unsigned() & 0x0f;
        let bytes: Vec<u8> = levels
            .chunks(2)
            .map(|pair| half(pair[0]) | pair.get(1).map_or(0, |&level| half(level) << 4))
            .collect();
        Self {
            name: name.into(),
            dims: dims.iter().map(|&dim| dim as i64).collect(),
            data_type: DataType::I4 as i32,
            raw_data: Bytes::from(bytes),
            ..Self::default()
        }
    }

    /// The element type.
    pub fn element(&self) -> Result<DataType> {
        DataType::from_number(self.data_type).ok_or_else(|| {
            let (name, number) = (&self.name, self.data_type);
            Error::model(format!(
                "tensor {name:?} has the unknown element type {number}"
            ))
        })
    }

    /// The dimensions; an error if one is negative or their product is beyond any memory.
    pub fn shape(&self) -> Result<Vec<usize>> {
        let mut elements = 1usize;
        let mut shape = Vec::with_capacity(self.dims.len());
        for &dim in &self.dims {
            let size = usize::try_from(dim).ok();
            let product = size.and_then(|size| elements.checked_mul(size));
            let (Some(size), Some(product)) = (size, product.filter(|&p| p <= 1 << 40)) else {
                let (name, dims) = (&self.name, &self.dims);
                return Err(Error::model(format!(
                    "tensor {name:?} has impossible sizes {dims:?}"
                )));
            };
            elements = product;
            shape.push(size);
        }
        Ok(shape)
    }

    /// Number of elements, after checking that so many are really stored.
    pub fn elements(&self) -> Result<usize> {
        let elements: usize = self.shape()?.iter().product();
        let stored = self.stored_elements()?;
        if stored != elements {
            let (name, dims) = (&self.name, &self.dims);
            return Err(Error::model(format!(
                "tensor {name:?} with the sizes {dims:?} needs {elements} values but holds {stored}"
            )));
        }
        Ok(elements)
    }

    /// Bytes of the values.
    pub fn byte_len(&self) -> Result<u64> {
        let elements = self.elements()? as u64;
        Ok(match self.element()?.bits() {
            Some(bits) => (elements * bits).div_ceil(8),
            None => self.string_data.iter().map(|text| text.len() as u64).sum(),
        })
    }

    fn stored_elements(&self) -> Result<usize> {
        let element = self.element()?;
        if let Some(bits) = element.bits()
            && !self.raw_data.is_empty()
        {
            let bits = bits as usize;
            let stored = self.raw_data.len() * 8 / bits;
            // Four-bit values fill whole bytes.
            let odd: usize = self.shape()?.iter().product();
            return Ok(if bits == 4 && stored == odd + 1 {
                odd
            } else {
                stored
            });
        }
        Ok(match element {
            DataType::F32 => self.float_data.len(),
            DataType::F64 => self.double_data.len(),
            DataType::I64 => self.int64_data.len(),
            DataType::U64 | DataType::U32 => self.uint64_data.len(),
            DataType::Text => self.string_data.len(),
            DataType::I4 | DataType::U4 => self.int32_data.len() * 2,
            _ => self.int32_data.len(),
        })
    }

    /// The values of a floating-point tensor.
    pub fn to_f32(&self) -> Result<Vec<f32>> {
        self.elements()?;
        let raw = &self.raw_data;
        Ok(match self.element()? {
            DataType::F32 if raw.is_empty() => self.float_data.clone(),
            DataType::F32 => chunks(raw).map(f32::from_le_bytes).collect(),
            DataType::F64 if raw.is_empty() => self.double_data.iter().map(|&v| v as f32).collect(),
            DataType::F64 => chunks(raw)
                .map(|bytes| f64::from_le_bytes(bytes) as f32)
                .collect(),
            DataType::F16 => self.halves().map(half_to_f32).collect(),
            DataType::Bf16 => self
                .halves()
                .map(|half| f32::from_bits(u32::from(half) << 16))
                .collect(),
            other => return Err(self.unexpected(other, "floating point")),
        })
    }

    /// Hands over each number of a tensor, as single precision, without copying the tensor.
    pub fn visit(&self, mut see: impl FnMut(f32)) -> Result<()> {
        let elements = self.elements()?;
        let raw = &self.raw_data;
        match self.element()? {
            DataType::F32 if raw.is_empty() => self.float_data.iter().copied().for_each(see),
            DataType::F32 => chunks(raw).map(f32::from_le_bytes).for_each(see),
            DataType::F16 => self.halves().map(half_to_f32).for_each(see),
            DataType::Bf16 => self
                .halves()
                .map(|half| f32::from_bits(u32::from(half) << 16))
                .for_each(see),
            DataType::F64 if !raw.is_empty() => chunks(raw)
                .map(|bytes| f64::from_le_bytes(bytes) as f32)
                .for_each(see),
            DataType::I8 if !raw.is_empty() => raw
                .iter()
                .for_each(|&byte| see(f32::from(byte.cast_signed()))),
            DataType::U8 if !raw.is_empty() => raw.iter().for_each(|&byte| see(f32::from(byte))),
            DataType::I4 | DataType::U4 if !raw.is_empty() => {
                let signed = self.element()? == DataType::I4;
                let nibbles = raw.iter().flat_map(|&byte| [byte & 15, byte >> 4]);
                nibbles.take(elements).for_each(|nibble| {
                    let negative = signed && nibble > 7;
                    see(f32::from(nibble) - if negative { 16.0 } else { 0.0 });
                });
            }
            DataType::F64 => self.double_data.iter().for_each(|&value| see(value as f32)),
            _ => self.to_i64()?.iter().for_each(|&value| see(value as f32)),
        }
        Ok(())
    }

    /// The values of an integer tensor of at most 64 bits.
    pub fn to_i64(&self) -> Result<Vec<i64>> {
        self.elements()?;
        let raw = &self.raw_data;
        Ok(match self.element()? {
            DataType::I64 if raw.is_empty() => self.int64_data.clone(),
            DataType::I64 => chunks(raw).map(i64::from_le_bytes).collect(),
            DataType::I32 if raw.is_empty() => self.small_integers(),
            DataType::I32 => chunks(raw)
                .map(|b| i64::from(i32::from_le_bytes(b)))
                .collect(),
            DataType::I8 if raw.is_empty() => self.small_integers(),
            DataType::I8 => raw.iter().map(|&b| i64::from(b.cast_signed())).collect(),
            DataType::U8 | DataType::Bool if raw.is_empty() => self.small_integers(),
            DataType::U8 | DataType::Bool => raw.iter().map(|&b| i64::from(b)).collect(),
            other => return Err(self.unexpected(other, "integers")),
        })
    }

    fn small_integers(&self) -> Vec<i64> {
        self.int32_data
            .iter()
            .map(|&value| i64::from(value))
            .collect()
    }

    fn halves(&self) -> Box<dyn Iterator<Item = u16> + '_> {
        if self.raw_data.is_empty() {
            Box::new(self.int32_data.iter().map(|&value| value as u16))
        } else {
            Box::new(chunks(&self.raw_data).map(u16::from_le_bytes))
        }
    }

    fn unexpected(&self, found: DataType, wanted: &str) -> Error {
        Error::model(format!(
            "tensor {:?} holds {found:?} where {wanted} is needed",
            self.name
        ))
    }
}

fn chunks<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.as_chunks().0.iter().copied()
}

/// IEEE 754 half precision to single.
pub fn half_to_f32(half: u16) -> f32 {
    let sign = if half & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(half >> 10 & 0x1f), f32::from(half & 0x3ff));
    match exponent {
        0 => sign * fraction * 2f32.powi(-24),
        31 if half & 0x3ff == 0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_from_raw_and_typed_fields() {
        let raw = TensorProto::new("t", &[2, 2], &[1.0f32, -2.0, 0.5, 0.0]);
        assert_eq!(raw.to_f32().unwrap(), [1.0, -2.0, 0.5, 0.0]);
        let typed = TensorProto {
            raw_data: Bytes::new(),
            float_data: vec![1.0, -2.0, 0.5, 0.0],
            ..raw.clone()
        };
        assert_eq!(typed.to_f32().unwrap(), raw.to_f32().unwrap());
        assert_eq!(TensorProto::new("i", &[], &[-7i64]).to_i64().unwrap(), [-7]);
        assert!(raw.to_i64().is_err());
    }

    #[test]
    fn every_number_is_visited_once() {
        let seen = |tensor: &TensorProto| {
            let mut seen = Vec::new();
            tensor.visit(|value| seen.push(value)).unwrap();
            seen
        };
        assert_eq!(
            seen(&TensorProto::new("t", &[2], &[1.5f32, -2.0])),
            [1.5, -2.0]
        );
        assert_eq!(
            seen(&TensorProto::new("t", &[2], &[-128i8, 127])),
            [-128.0, 127.0]
        );
        assert_eq!(seen(&TensorProto::new("t", &[2], &[3i64, -4])), [3.0, -4.0]);
        let nibbles = TensorProto::of_halves("t", &[3], &[-8, -1, 7]);
        assert_eq!(nibbles.raw_data.as_ref(), [0xf8, 0x07]);
        assert_eq!(seen(&nibbles), [-8.0, -1.0, 7.0]);
    }

    #[test]
    fn lying_sizes_are_refused_without_allocating() {
        let mut tensor = TensorProto::new("t", &[2], &[1.0f32, 2.0]);
        for dims in [
            vec![1 << 50],
            vec![-1],
            vec![1 << 40, 1 << 40],
            vec![3],
            vec![0],
        ] {
            tensor.dims = dims;
            assert!(tensor.to_f32().is_err(), "{:?}", tensor.dims);
        }
    }

    #[test]
    fn half_precision_is_exact() {
        for (half, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x0001, 2f32.powi(-24)),
            (0x7bff, 65504.0),
        ] {
            assert_eq!(half_to_f32(half).to_bits(), f32::to_bits(value));
        }
        assert!(half_to_f32(0x7e00).is_nan());
    }
}
