//! What a model answers to each sample.

use std::path::Path;

use noroshi_engine::{Engine, ModelSource, Tensor, TensorData, TensorDescription, open};
use noroshi_model::{ElementType, EngineKind};
use noroshi_train::data::Dataset;

use crate::compile::kind_of;
use crate::inspect::inspect;
use crate::{Error, Result};

/// Most numbers of answers that are kept.
const KEPT_LIMIT: usize = 1 << 29;

/// A model that is ready to answer samples.
pub struct Model {
    engine: Box<dyn Engine>,
    input: TensorDescription,
    /// The sides that are fed, the batch of one first.
    shape: Vec<usize>,
    buffer: Vec<f32>,
}

/// The answers of one output, sample by sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// All numbers.
    pub values: Vec<f32>,
    /// How many of them each sample has.
    pub width: usize,
}

impl Model {
    /// Opens an ONNX file, with its external data, a compiled one, a GGUF or safetensors file that
    /// carries its graph, or a packed network of one-bit weights, for samples of `data`.
    pub fn open(path: &Path, data: &Dataset, options: &noroshi_engine::Options) -> Result<Self> {
        let ending = path.extension().and_then(|ending| ending.to_str());
        if matches!(ending, Some("gguf" | "safetensors")) {
            let engine = open(EngineKind::Candle, ModelSource::Path(path), options)?;
            return Self::new(engine, data);
        }
        let (kind, _) = kind_of(path)?;
        if kind != EngineKind::OnnxRuntime {
            let engine = open(kind, ModelSource::Path(path), options)?;
            return Self::new(engine, data);
        }
        let file = noroshi_onnx::read(path)?;
        let needed = inspect(&file)?.requirements().peak_memory;
        let free = free_memory();
        if needed > free {
            return Err(Error::too_large(
                "the memory that the model needs, in bytes,",
                needed,
                free,
            ));
        }
        // The engine gets one piece: external data are joined in, the file alone is handed over.
        let whole = prost::Message::encoded_len(&file) as u64;
        let length = std::fs::metadata(path).map_err(Error::file(path))?.len();
        let engine = if whole > length {
            let bytes = noroshi_onnx::encode(&file)?;
            drop(file);
            open(EngineKind::OnnxRuntime, ModelSource::Bytes(&bytes), options)?
        } else {
            drop(file);
            open(EngineKind::OnnxRuntime, ModelSource::Path(path), options)?
        };
        Self::new(engine, data)
    }

    /// Takes a model that is open already.
    pub fn new(engine: Box<dyn Engine>, data: &Dataset) -> Result<Self> {
        let [input] = engine.inputs() else {
            let names: Vec<_> = engine.inputs().iter().map(|input| &input.name).collect();
            return Err(Error::Compare(format!(
                "the model has the inputs {names:?}; a model with one input can be evaluated"
            )));
        };
        let input = input.clone();
        let shape = fed_shape(&input, &data.sample_shape())?;
        Ok(Self {
            engine,
            input,
            shape,
            buffer: Vec::new(),
        })
    }

    /// The names of the outputs.
    pub fn outputs(&self) -> Vec<String> {
        let outputs = self.engine.outputs().iter();
        outputs.map(|output| output.name.clone()).collect()
    }

    /// The sample at `place` as the model takes it.
    pub fn input(&mut self, data: &Dataset, place: usize) -> Result<Tensor> {
        self.buffer.clear();
        data.append(place, &mut self.buffer)?;
        let values = &self.buffer;
        let whole = |value: &f32| value.round();
        let numbers = match self.input.element {
            ElementType::F32 => TensorData::F32(values.clone()),
            ElementType::U8 => TensorData::U8(values.iter().map(|v| whole(v) as u8).collect()),
            ElementType::I8 => TensorData::I8(values.iter().map(|v| whole(v) as i8).collect()),
            ElementType::I32 => TensorData::I32(values.iter().map(|v| whole(v) as i32).collect()),
            ElementType::I64 => TensorData::I64(values.iter().map(|v| whole(v) as i64).collect()),
            other => {
                return Err(Error::Compare(format!(
                    "the model takes {other:?}, which can't be made of the data"
                )));
            }
        };
        Ok(Tensor::new(self.shape.clone(), numbers)?)
    }

    /// All outputs for the sample at `place`.
    pub fn run(&mut self, data: &Dataset, place: usize) -> Result<Vec<Tensor>> {
        let input = self.input(data, place)?;
        Ok(self.engine.run(&[input])?)
    }

    /// The engine inside.
    pub fn engine(&mut self) -> &mut dyn Engine {
        &mut *self.engine
    }
}

/// Bytes of memory that this machine has to spare; all that there are if it does not say.
fn free_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = text.lines().find_map(|line| {
        let rest = line.strip_prefix("MemAvailable:")?;
        rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    });
    kilobytes.map_or(u64::MAX, |kilobytes| kilobytes.saturating_mul(1024))
}

/// The shape to feed: a batch of one sample, with sides of one added or left out where the model
/// wants it so.
fn fed_shape(input: &TensorDescription, sample: &[usize]) -> Result<Vec<usize>> {
    let plain: Vec<usize> = std::iter::once(1).chain(sample.iter().copied()).collect();
    if input.shape.is_empty() || input.admits(&plain) {
        return Ok(plain);
    }
    let count: usize = sample.iter().product();
    let free = input.shape.iter().skip(1).filter(|side| side.is_none());
    let known: usize = input.shape.iter().skip(1).flatten().product();
    let batch = input
        .shape
        .first()
        .is_some_and(|side| side.is_none_or(|side| side == 1));
    // Only sides of one may be missing, or everything be one row: the order of the numbers stays.
    let same = |left: &[usize], right: &[usize]| {
        let sides = |shape: &[usize]| -> Vec<usize> {
            shape.iter().copied().filter(|&side| side != 1).collect()
        };
        sides(left) == sides(right)
    };
    if batch && free.count() == 0 && known == count {
        let shape: Vec<usize> = input.shape.iter().map(|side| side.unwrap_or(1)).collect();
        let flat = shape.len() == 2 || sample.len() == 1;
        if flat || same(&shape, &plain) {
            return Ok(shape);
        }
    }
    Err(Error::Compare(format!(
        "a sample has the shape {sample:?}, the model takes {} with a batch of one in front",
        input.shape_text()
    )))
}

impl Answers {
    /// No answers yet.
    pub(super) const fn new() -> Self {
        Self {
            values: Vec::new(),
            width: 0,
        }
    }

    /// Appends the answer to one sample.
    pub(super) fn push(&mut self, tensor: &Tensor) -> Result<()> {
        let numbers = tensor.to_f32();
        if self.width == 0 {
            self.width = numbers.len();
        }
        if numbers.len() != self.width || numbers.is_empty() {
            let (width, other) = (self.width, numbers.len());
            return Err(Error::Compare(format!(
                "the model answers with {width} and with {other} numbers"
            )));
        }
        if self.values.len() + numbers.len() > KEPT_LIMIT {
            return Err(Error::too_large(
                "the number of answers, in numbers,",
                (self.values.len() + numbers.len()) as u64,
                KEPT_LIMIT as u64,
            ));
        }
        self.values.extend_from_slice(&numbers);
        Ok(())
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The answers, sample by sample.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.width.max(1))
    }

    /// The place of the largest number of each answer.
    pub fn top(&self) -> Vec<u32> {
        self.rows().map(|row| top(row) as u32).collect()
    }
}

/// The place of the largest number; the first if there are several.
pub(crate) fn top(values: &[f32]) -> usize {
    let mut best = 0;
    for (place, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = place;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(shape: &[Option<usize>]) -> TensorDescription {
        TensorDescription {
            name: "x".into(),
            element: ElementType::F32,
            shape: shape.to_vec(),
        }
    }

    #[test]
    fn samples_take_the_shape_that_a_model_wants() {
        let one = Some(1);
        let fed = |shape: &[Option<usize>], sample: &[usize]| fed_shape(&described(shape), sample);
        assert_eq!(
            fed(&[None, one, Some(28), Some(28)], &[28, 28]).unwrap(),
            [1, 1, 28, 28]
        );
        assert_eq!(fed(&[one, Some(784)], &[28, 28]).unwrap(), [1, 784]);
        assert_eq!(
            fed(&[one, one, Some(4), Some(4)], &[16]).unwrap(),
            [1, 1, 4, 4]
        );
        assert_eq!(fed(&[None, None], &[16]).unwrap(), [1, 16]);
        // Colours last are not colours first.
        assert!(fed(&[one, Some(3), Some(4), Some(4)], &[4, 4, 3]).is_err());
        assert!(fed(&[one, Some(10)], &[11]).is_err());
        assert!(fed(&[Some(8), Some(11)], &[11]).is_err());
    }

    #[test]
    fn the_first_of_equal_numbers_is_the_top() {
        assert_eq!(top(&[1.0, 3.0, 3.0]), 1);
        assert_eq!(top(&[f32::NAN, 1.0]), 0);
    }
}
