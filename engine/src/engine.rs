//! The narrow trait that every backend implements, and the one place that chooses among them.

use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use noroshi_model::{ElementType, EngineKind, MAX_MODEL_BYTES};
use noroshi_tiny::Explanation;

use crate::error::{EngineError, Result};
use crate::onnx::LibraryOptions;
use crate::tensor::Tensor;
use crate::{binary, candle, compiled, onnx, tiny};

/// A loaded model.
pub trait Engine: Send {
    /// What must go in, in order.
    fn inputs(&self) -> &[TensorDescription];

    /// What comes out, in order.
    fn outputs(&self) -> &[TensorDescription];

    /// Runs the model once. `inputs` are in the order of [`Self::inputs`], the answer in that
    /// of [`Self::outputs`]. A tensor of another type or shape than described is an error.
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>>;

    /// Who says why it answers as it does; `None` from models that can't say.
    fn explainer(&self) -> Option<&dyn Explainer> {
        None
    }

    /// Who learns where it runs; `None` from models that don't.
    fn learner(&mut self) -> Option<&mut dyn Learner> {
        None
    }
}

/// A model that can say why.
pub trait Explainer {
    /// Why it answers `input`, one sample, as it does: terms that sum to the score of the label.
    fn explain(&self, input: &Tensor) -> Result<Explanation>;
}

/// A model that learns where it runs.
pub trait Learner {
    /// Learns that `label` is true of `input`, one sample.
    fn learn(&mut self, input: &Tensor, label: usize) -> Result<Lesson>;

    /// Samples learned since the release.
    fn samples(&self) -> u32;

    /// Alarms of the drift detector since the release.
    fn alarms(&self) -> u32;

    /// All that the model knows now.
    fn state(&self) -> Vec<u8>;

    /// Knows what `state` says from here on, or what it knew when it was released. Bytes that are
    /// no state of this model are refused and change nothing.
    fn restore(&mut self, state: Option<&[u8]>) -> Result<()>;
}

/// What came of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lesson {
    /// Whether the model would have answered so.
    pub right: bool,
    /// Whether its drift detector alarmed: what it had learned begins anew.
    pub alarm: bool,
}

/// One input or output of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorDescription {
    /// Its name in the model file.
    pub name: String,
    /// Type of its elements.
    pub element: ElementType,
    /// Length of each dimension; none where any length will do.
    pub shape: Vec<Option<usize>>,
}

/// Where a model's bytes come from.
#[derive(Debug, Clone, Copy)]
pub enum ModelSource<'a> {
    /// Memory.
    Bytes(&'a [u8]),
    /// A file by path.
    Path(&'a Path),
    /// An open file, read from its start: how a sandboxed worker is handed its model.
    File(&'a File),
}

/// How a model is run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Threads that compute one inference; 0 is taken as 1, the default.
    pub threads: usize,
    /// How much the graph is rewritten when it is loaded.
    pub optimization: Optimization,
    /// Which ONNX Runtime.
    pub library: LibraryOptions,
}

/// How much ONNX Runtime rewrites the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Optimization {
    /// Not at all: to look at a graph as it is.
    None,
    /// Constant folding and redundant nodes.
    Basic,
    /// Fusions too.
    Extended,
    /// Layouts too. An int8 model needs it: with less it is several times slower.
    #[default]
    All,
}

/// Opens a model. The only place that knows which backends there are.
pub fn open(
    kind: EngineKind,
    source: ModelSource<'_>,
    options: &Options,
) -> Result<Box<dyn Engine>> {
    match kind {
        EngineKind::OnnxRuntime => {
            let bytes = source.read()?;
            let engine = onnx::OnnxEngine::open(&bytes, options)?;
            drop(bytes);
            crate::allocator::give_back();
            Ok(Box::new(engine))
        }
        EngineKind::OnnxCompiled => compiled::open(source.keep()?, options),
        EngineKind::Candle => Ok(Box::new(candle::CandleEngine::open(&source.read()?)?)),
        EngineKind::Binary => Ok(Box::new(binary::BinaryEngine::open(&source.read()?)?)),
        EngineKind::Tiny => {
            let bytes = source.read_at_most(tiny::MAX_BYTES)?;
            tiny::open(&bytes)
        }
    }
}

/// A model's bytes: borrowed, or read for the time of loading only.
enum Bytes<'a> {
    Borrowed(&'a [u8]),
    Read(Vec<u8>),
}

impl std::ops::Deref for Bytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Read(bytes) => bytes,
        }
    }
}

impl<'a> ModelSource<'a> {
    fn read(self) -> Result<Bytes<'a>> {
        self.read_at_most(MAX_MODEL_BYTES)
    }

    fn read_at_most(self, limit: u64) -> Result<Bytes<'a>> {
        let file;
        let file = match self {
            Self::Bytes(bytes) => return Ok(Bytes::Borrowed(bytes)),
            Self::File(file) => file,
            Self::Path(path) => {
                file = open_file(path)?;
                &file
            }
        };
        read_file(file, limit).map(Bytes::Read)
    }

    /// The bytes for as long as the model lives; those of a file are mapped.
    fn keep(self) -> Result<compiled::Bytes> {
        let file;
        let file = match self {
            Self::Bytes(bytes) => return Ok(compiled::Bytes::Copied(bytes.to_vec())),
            Self::File(file) => file,
            Self::Path(path) => {
                file = open_file(path)?;
                &file
            }
        };
        let length = length_of(file, MAX_MODEL_BYTES)?;
        if length == 0 {
            return Ok(compiled::Bytes::Copied(Vec::new()));
        }
        compiled::Bytes::map(file, length as usize)
            .map_err(|source| EngineError::system("mapping the model", source))
    }
}

fn open_file(path: &Path) -> Result<File> {
    File::open(path).map_err(|source| {
        EngineError::system(format!("opening the model {}", path.display()), source)
    })
}

fn length_of(file: &File, limit: u64) -> Result<u64> {
    let metadata = file.metadata();
    let length = metadata
        .map_err(|source| EngineError::system("reading the model", source))?
        .len();
    if length > limit {
        return Err(EngineError::Model(format!(
            "the file has {length} bytes, at most {limit} are read"
        )));
    }
    Ok(length)
}

/// Reads a whole file without moving the position that its descriptor shares with others.
fn read_file(file: &File, limit: u64) -> Result<Vec<u8>> {
    let failed = |source| EngineError::system("reading the model", source);
    let length = length_of(file, limit)?;
    let mut bytes = Vec::with_capacity(length as usize);
    FromStart { file, at: 0 }
        .take(length)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 != length {
        return Err(EngineError::Model(
            "the file shrank while it was read".into(),
        ));
    }
    Ok(bytes)
}

struct FromStart<'a> {
    file: &'a File,
    at: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = std::os::unix::fs::FileExt::read_at(self.file, buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Runs `work`, which calls a library that may panic on a hostile model, and makes an error of it.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let reason = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no reason given");
        Err(EngineError::Run(format!("the engine gave up: {reason}")))
    })
}

/// Whether `inputs` are what `described` asks for.
pub(crate) fn check_inputs(described: &[TensorDescription], inputs: &[Tensor]) -> Result<()> {
    if described.len() != inputs.len() {
        return Err(EngineError::Input(format!(
            "the model takes {} inputs, {} were given",
            described.len(),
            inputs.len()
        )));
    }
    for (wanted, given) in described.iter().zip(inputs) {
        if wanted.element != given.element_type() || !wanted.admits(given.shape()) {
            return Err(EngineError::Input(format!(
                "input {} takes {:?} {}, {:?} {:?} was given",
                wanted.name,
                wanted.element,
                wanted.shape_text(),
                given.element_type(),
                given.shape()
            )));
        }
    }
    Ok(())
}

/// Most samples that engines of ours take at a time.
const MAX_BATCH: usize = 4_096;

/// Samples in `inputs`, which are the one tensor, batch first, that `described` asks for.
pub(crate) fn batch_of(described: &[TensorDescription], inputs: &[Tensor]) -> Result<usize> {
    check_inputs(described, inputs)?;
    let batch = inputs[0].shape()[0];
    if batch == 0 || batch > MAX_BATCH {
        return Err(EngineError::Input(format!(
            "a batch has 1 to {MAX_BATCH} samples, this one {batch}"
        )));
    }
    Ok(batch)
}

impl TensorDescription {
    /// Whether a tensor of `shape` fits.
    pub fn admits(&self, shape: &[usize]) -> bool {
        self.shape.len() == shape.len()
            && self
                .shape
                .iter()
                .zip(shape)
                .all(|(wanted, given)| wanted.is_none_or(|wanted| wanted == *given))
    }

    /// The shape for people, `?` for any length.
    pub fn shape_text(&self) -> String {
        let sides: Vec<String> = self
            .shape
            .iter()
            .map(|side| side.map_or_else(|| "?".to_owned(), |side| side.to_string()))
            .collect();
        format!("[{}]", sides.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_with_free_sides_admit_any() {
        let description = TensorDescription {
            name: "x".into(),
            element: ElementType::F32,
            shape: vec![None, Some(3)],
        };
        assert!(description.admits(&[7, 3]));
        assert!(!description.admits(&[7, 4]));
        assert!(!description.admits(&[3]));
        assert_eq!(description.shape_text(), "[?, 3]");
    }

    #[test]
    fn a_panic_becomes_an_error() {
        let answer: Result<()> = guarded(|| panic!("boom {}", 7));
        assert!(answer.unwrap_err().to_string().contains("boom 7"));
    }
}
