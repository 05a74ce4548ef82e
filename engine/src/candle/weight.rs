//! Weights: bytes of a file that become a matrix candle can multiply with.

use std::borrow::Cow;

use candle_core::Device;
use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use serde::{Deserialize, Serialize};

use crate::error::{EngineError, Result};

/// How a weight's numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are those of the GGUF format")]
pub enum Quantization {
    F32,
    F16,
    #[serde(rename = "q8_0")]
    Q8_0,
    #[serde(rename = "q6k")]
    Q6K,
    #[serde(rename = "q5k")]
    Q5K,
    #[serde(rename = "q4k")]
    Q4K,
    #[serde(rename = "q3k")]
    Q3K,
    #[serde(rename = "q2k")]
    Q2K,
}

impl Quantization {
    pub(super) const fn ggml(self) -> GgmlDType {
        match self {
            Self::F32 => GgmlDType::F32,
            Self::F16 => GgmlDType::F16,
            Self::Q8_0 => GgmlDType::Q8_0,
            Self::Q6K => GgmlDType::Q6K,
            Self::Q5K => GgmlDType::Q5K,
            Self::Q4K => GgmlDType::Q4K,
            Self::Q3K => GgmlDType::Q3K,
            Self::Q2K => GgmlDType::Q2K,
        }
    }

    /// The type with GGUF's number `code`; none if we don't run it.
    pub(super) const fn from_gguf(code: u32) -> Option<Self> {
        Some(match code {
            0 => Self::F32,
            1 => Self::F16,
            8 => Self::Q8_0,
            10 => Self::Q2K,
            11 => Self::Q3K,
            12 => Self::Q4K,
            13 => Self::Q5K,
            14 => Self::Q6K,
            _ => return None,
        })
    }

    /// Numbers in one block: rows are as long as a multiple of it.
    pub fn block(self) -> usize {
        self.ggml().block_size()
    }
}

/// A tensor as a file describes it: not yet believed.
#[derive(Debug, Clone)]
pub(super) struct Stored<'a> {
    pub(super) quantization: Quantization,
    pub(super) shape: Vec<usize>,
    pub(super) bytes: &'a [u8],
}

/// Bytes that `shape` takes, if rows are whole blocks.
pub(super) fn stored_bytes(quantization: Quantization, shape: &[usize]) -> Option<usize> {
    let block = quantization.block();
    let count = shape
        .iter()
        .try_fold(1_usize, |count, &side| count.checked_mul(side))?;
    if shape.last()? % block != 0 {
        return None;
    }
    (count / block).checked_mul(quantization.ggml().type_size())
}

impl Stored<'_> {
    /// The tensor for candle, after its length was checked.
    pub(super) fn load(&self, name: &str) -> Result<QTensor> {
        if stored_bytes(self.quantization, &self.shape) != Some(self.bytes.len()) {
            return Err(EngineError::Model(format!(
                "tensor {name} of {:?} {:?} does not fit its {} bytes",
                self.quantization,
                self.shape,
                self.bytes.len()
            )));
        }
        let failed = |e: candle_core::Error| EngineError::Model(format!("tensor {name}: {e}"));
        let mut room = Vec::new();
        let bytes = aligned(self.bytes, &mut room);
        let storage =
            QStorage::from_data(Cow::Borrowed(bytes), &Device::Cpu, self.quantization.ggml())
                .map_err(failed)?;
        QTensor::new(storage, self.shape.clone()).map_err(failed)
    }
}

/// The bytes at an address that any block type may lie at; copied to `room` if need be.
fn aligned<'a>(bytes: &'a [u8], room: &'a mut Vec<u8>) -> &'a [u8] {
    const ALIGNMENT: usize = 16;
    if bytes.as_ptr().addr().is_multiple_of(ALIGNMENT) {
        return bytes;
    }
    room.resize(bytes.len() + ALIGNMENT, 0);
    let skip = room.as_ptr().addr().wrapping_neg() % ALIGNMENT;
    let room = &mut room[skip..skip + bytes.len()];
    room.copy_from_slice(bytes);
    room
}
