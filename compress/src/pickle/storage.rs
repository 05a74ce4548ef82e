//! Where the bytes of the storages lie in the file, and the numbers in them.

use std::collections::HashMap;
use std::ops::Range;

use super::value::{ElementKind, StorageName, TensorView};
use crate::{Error, Result};
use noroshi_onnx::half_to_f32;

/// The storages of a file by their keys.
#[derive(Debug, Default)]
pub(super) struct Storages {
    ranges: HashMap<String, Range<usize>>,
}

impl Storages {
    /// Notes that the storage `key` is at `range`.
    pub(super) fn add(&mut self, key: &str, range: Range<usize>) {
        self.ranges.insert(key.to_owned(), range);
    }

    /// Refuses a tensor that reaches beyond its storage, or a storage that is not all there.
    pub(super) fn check(&self, name: &str, view: &TensorView) -> Result<()> {
        let refuse = |text: &str| Err(Error::StateDict(format!("tensor {name:?} {text}")));
        let Some(range) = self.ranges.get(&view.storage.key) else {
            return refuse("has no values in the file");
        };
        let StorageName { kind, elements, .. } = view.storage;
        if elements.checked_mul(kind.size()) != Some(range.len()) {
            return refuse("and its storage differ in size");
        }
        let count = view
            .shape
            .iter()
            .try_fold(1usize, |count, &dim| count.checked_mul(dim));
        let last = last_element(view);
        let inside = matches!((count, last), (Some(count), Some(last))
            if count <= elements && (count == 0 || last < elements));
        if inside {
            Ok(())
        } else {
            refuse("reaches beyond its storage")
        }
    }

    /// The values of a checked tensor, row-major.
    pub(super) fn values(&self, bytes: &[u8], view: &TensorView) -> Result<Vec<f32>> {
        let range = self.ranges.get(&view.storage.key).cloned();
        let bytes = range.and_then(|range| bytes.get(range));
        let bytes = bytes.ok_or_else(|| Error::StateDict("a storage is missing".into()))?;
        let count: usize = view.shape.iter().product();
        let mut values = Vec::with_capacity(count);
        let mut at = vec![0usize; view.shape.len()];
        for _ in 0..count {
            let places = at
                .iter()
                .zip(&view.strides)
                .map(|(place, stride)| place * stride);
            values.push(number(
                bytes,
                view.storage.kind,
                view.offset + places.sum::<usize>(),
            ));
            advance(&mut at, &view.shape);
        }
        Ok(values)
    }
}

fn last_element(view: &TensorView) -> Option<usize> {
    let mut last = view.offset;
    for (&dim, &stride) in view.shape.iter().zip(&view.strides) {
        last = last.checked_add(dim.saturating_sub(1).checked_mul(stride)?)?;
    }
    Some(last)
}

fn advance(at: &mut [usize], shape: &[usize]) {
    for (place, &dim) in at.iter_mut().zip(shape).rev() {
        *place += 1;
        if *place < dim {
            return;
        }
        *place = 0;
    }
}

fn number(bytes: &[u8], kind: ElementKind, place: usize) -> f32 {
    match kind {
        ElementKind::F64 => f64::from_le_bytes(at(bytes, place)) as f32,
        ElementKind::F32 => f32::from_le_bytes(at(bytes, place)),
        ElementKind::F16 => half_to_f32(u16::from_le_bytes(at(bytes, place))),
        ElementKind::Bf16 => f32::from_bits(u32::from(u16::from_le_bytes(at(bytes, place))) << 16),
        ElementKind::I64 => i64::from_le_bytes(at(bytes, place)) as f32,
        ElementKind::I32 => i32::from_le_bytes(at(bytes, place)) as f32,
        ElementKind::I16 => i16::from_le_bytes(at(bytes, place)).into(),
        ElementKind::I8 => i8::from_le_bytes(at(bytes, place)).into(),
        ElementKind::U8 | ElementKind::Bool => u8::from_le_bytes(at(bytes, place)).into(),
    }
}

/// The bytes of element `place`; `check` has seen that it lies inside.
fn at<const N: usize>(bytes: &[u8], place: usize) -> [u8; N] {
    let mut element = [0; N];
    element.copy_from_slice(&bytes[place * N..(place + 1) * N]);
    element
}
