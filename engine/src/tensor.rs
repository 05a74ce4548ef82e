//! Tensors: what goes into an engine and comes out.

use std::borrow::Cow;

use noroshi_model::ElementType;

use crate::error::{EngineError, Result};

/// Most dimensions of a tensor.
pub const MAX_RANK: usize = 8;
/// Most bytes of a tensor's elements.
pub const MAX_TENSOR_BYTES: usize = 256 << 20;

/// The elements of a tensor, in row-major order.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum TensorData {
    F32(Vec<f32>),
    U8(Vec<u8>),
    I8(Vec<i8>),
    I32(Vec<i32>),
    I64(Vec<i64>),
}

impl TensorData {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(data) => data.len(),
            Self::U8(data) => data.len(),
            Self::I8(data) => data.len(),
            Self::I32(data) => data.len(),
            Self::I64(data) => data.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the elements take.
    pub fn bytes(&self) -> usize {
        match self {
            Self::F32(data) => size_of_val(data.as_slice()),
            Self::U8(data) => data.len(),
            Self::I8(data) => data.len(),
            Self::I32(data) => size_of_val(data.as_slice()),
            Self::I64(data) => size_of_val(data.as_slice()),
        }
    }

    /// Puts a finite number in a place; as a byte only if it is one.
    pub(crate) fn put(&mut self, place: usize, number: f32) -> Result<()> {
        let fits = number.is_finite() && place < self.len();
        match self {
            Self::F32(data) if fits => data[place] = number,
            Self::U8(data) if fits && number.fract() == 0.0 && (0.0..=255.0).contains(&number) => {
                data[place] = number as u8;
            }
            _ => {
                return Err(EngineError::Input(format!(
                    "column {place} is {number}, the model takes {}",
                    match self.element_type() {
                        ElementType::U8 => "whole numbers from 0 to 255",
                        _ => "finite numbers",
                    }
                )));
            }
        }
        Ok(())
    }

    /// Type of the elements.
    pub const fn element_type(&self) -> ElementType {
        match self {
            Self::F32(_) => ElementType::F32,
            Self::U8(_) => ElementType::U8,
            Self::I8(_) => ElementType::I8,
            Self::I32(_) => ElementType::I32,
            Self::I64(_) => ElementType::I64,
        }
    }
}

/// A tensor: a shape and that many elements. Never more than [`MAX_TENSOR_BYTES`].
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: TensorData,
}

impl Tensor {
    /// A tensor of `shape`; an error unless `data` has exactly that many elements.
    pub fn new(shape: Vec<usize>, data: TensorData) -> Result<Self> {
        let expected = element_count(&shape, size_of_element(data.element_type())?)?;
        if data.len() != expected {
            return Err(EngineError::Input(format!(
                "shape {shape:?} has {expected} elements, {} were given",
                data.len()
            )));
        }
        Ok(Self { shape, data })
    }

    /// A tensor of 32-bit floating point numbers.
    pub fn f32(shape: Vec<usize>, data: Vec<f32>) -> Result<Self> {
        Self::new(shape, TensorData::F32(data))
    }

    /// A tensor full of zeros.
    pub fn zeros(shape: &[usize], element: ElementType) -> Result<Self> {
        let count = element_count(shape, size_of_element(element)?)?;
        let data = match element {
            ElementType::U8 => TensorData::U8(vec![0; count]),
            ElementType::I8 => TensorData::I8(vec![0; count]),
            ElementType::I32 => TensorData::I32(vec![0; count]),
            ElementType::I64 => TensorData::I64(vec![0; count]),
            _ => TensorData::F32(vec![0.0; count]),
        };
        Ok(Self {
            shape: shape.to_vec(),
            data,
        })
    }

    /// Number of elements along each dimension.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements, row-major.
    pub const fn data(&self) -> &TensorData {
        &self.data
    }

    /// The elements, to be written over; their number can't change through a slice.
    pub(crate) const fn data_mut(&mut self) -> &mut TensorData {
        &mut self.data
    }

    /// Type of the elements.
    pub const fn element_type(&self) -> ElementType {
        self.data.element_type()
    }

    /// The elements, if they are 32-bit floating point.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match &self.data {
            TensorData::F32(data) => Some(data),
            _ => None,
        }
    }

    /// The elements as 32-bit floating point, converted where they are integers.
    pub fn to_f32(&self) -> Cow<'_, [f32]> {
        match &self.data {
            TensorData::F32(data) => Cow::Borrowed(data),
            TensorData::U8(data) => data.iter().map(|&x| f32::from(x)).collect(),
            TensorData::I8(data) => data.iter().map(|&x| f32::from(x)).collect(),
            TensorData::I32(data) => data.iter().map(|&x| x as f32).collect(),
            TensorData::I64(data) => data.iter().map(|&x| x as f32).collect(),
        }
    }
}

/// Bytes of one element, for the types that tensors have.
fn size_of_element(element: ElementType) -> Result<usize> {
    match element {
        ElementType::U8 | ElementType::I8 => Ok(1),
        ElementType::F32 | ElementType::I32 => Ok(4),
        ElementType::I64 => Ok(8),
        other => Err(EngineError::Input(format!(
            "tensors of {other:?} are not supported; use f32, u8, i8, i32 or i64"
        ))),
    }
}

/// Number of elements of `shape`, refused beyond the limits.
pub(crate) fn element_count(shape: &[usize], element_bytes: usize) -> Result<usize> {
    if shape.len() > MAX_RANK {
        return Err(EngineError::Input(format!(
            "a tensor has at most {MAX_RANK} dimensions, this one {}",
            shape.len()
        )));
    }
    let count = shape
        .iter()
        .try_fold(1_usize, |count, &side| count.checked_mul(side));
    match count.filter(|count| *count <= MAX_TENSOR_BYTES / element_bytes) {
        Some(count) => Ok(count),
        None => Err(EngineError::Input(format!(
            "a tensor of shape {shape:?} has more than {MAX_TENSOR_BYTES} bytes"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_must_match() {
        assert!(Tensor::f32(vec![2, 2], vec![0.0; 4]).is_ok());
        assert!(Tensor::f32(vec![2, 2], vec![0.0; 5]).is_err());
        assert!(Tensor::f32(vec![], vec![1.0]).is_ok());
        assert!(Tensor::f32(vec![0, 7], vec![]).is_ok());
    }

    #[test]
    fn huge_shapes_are_refused_without_allocating() {
        assert!(Tensor::zeros(&[usize::MAX, 2], ElementType::F32).is_err());
        assert!(Tensor::zeros(&[1 << 30], ElementType::F32).is_err());
        assert!(Tensor::zeros(&[1; 9], ElementType::F32).is_err());
        assert!(Tensor::zeros(&[1], ElementType::Text).is_err());
    }

    #[test]
    fn integers_become_floats() {
        let tensor = Tensor::new(vec![2], TensorData::I8(vec![-3, 4])).unwrap();
        assert_eq!(&*tensor.to_f32(), &[-3.0, 4.0]);
        assert_eq!(tensor.as_f32(), None);
    }
}
