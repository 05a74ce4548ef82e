//! Arrays of numbers in memory.

use super::error::{DataError, Result};

/// The numbers of an array, row-major, in one of three widths.
#[derive(Debug, Clone, PartialEq)]
pub enum Numbers {
    /// Single precision; double and half precision become it.
    F32(Vec<f32>),
    /// Bytes, such as pixels; truth values become it.
    U8(Vec<u8>),
    /// All other whole numbers.
    I64(Vec<i64>),
}

impl Numbers {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::U8(values) => values.len(),
            Self::I64(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An array whose first dimension counts samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    numbers: Numbers,
}

impl Array {
    /// An array of `shape`, which must have exactly the elements of `numbers`.
    pub fn new(shape: Vec<usize>, numbers: Numbers) -> Result<Self> {
        let elements = shape
            .iter()
            .try_fold(1usize, |product, &side| product.checked_mul(side));
        if shape.is_empty() || elements != Some(numbers.len()) {
            let given = numbers.len();
            return Err(DataError::Mismatch(format!(
                "{given} numbers can't have the shape {shape:?}"
            )));
        }
        Ok(Self { shape, numbers })
    }

    /// All sides, the number of samples first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The numbers, row-major.
    pub fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// The number of samples.
    pub fn samples(&self) -> usize {
        self.shape[0]
    }

    /// The shape of one sample.
    pub fn sample_shape(&self) -> &[usize] {
        &self.shape[1..]
    }

    /// How many numbers a sample has.
    pub fn sample_len(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// Appends the numbers of sample `place`, as they are.
    ///
    /// # Panics
    /// If there is no such sample.
    pub fn append(&self, place: usize, to: &mut Vec<f32>) {
        let length = self.sample_len();
        let range = place * length..(place + 1) * length;
        match &self.numbers {
            Numbers::F32(values) => to.extend_from_slice(&values[range]),
            Numbers::U8(values) => to.extend(values[range].iter().map(|&value| f32::from(value))),
            Numbers::I64(values) => to.extend(values[range].iter().map(|&value| value as f32)),
        }
    }

    /// The samples at these places, in this order.
    ///
    /// # Panics
    /// If there is no such sample.
    #[must_use]
    pub fn select(&self, places: &[usize]) -> Self {
        fn pick<T: Copy>(values: &[T], places: &[usize], length: usize) -> Vec<T> {
            let row = |&place: &usize| &values[place * length..][..length];
            places.iter().flat_map(row).copied().collect()
        }
        let length = self.sample_len();
        let numbers = match &self.numbers {
            Numbers::F32(values) => Numbers::F32(pick(values, places, length)),
            Numbers::U8(values) => Numbers::U8(pick(values, places, length)),
            Numbers::I64(values) => Numbers::I64(pick(values, places, length)),
        };
        let mut shape = self.shape.clone();
        shape[0] = places.len();
        Self { shape, numbers }
    }

    /// All numbers as single precision.
    pub fn to_f32(&self) -> Vec<f32> {
        match &self.numbers {
            Numbers::F32(values) => values.clone(),
            Numbers::U8(values) => values.iter().map(|&value| f32::from(value)).collect(),
            Numbers::I64(values) => values.iter().map(|&value| value as f32).collect(),
        }
    }

    /// The same numbers with one more side of length 1 behind the first: what images without a
    /// channel axis need.
    #[must_use]
    pub fn with_channel_axis(mut self) -> Self {
        self.shape.insert(1, 1);
        self
    }
}
