//! Runs a model: preprocess, tensors in, tensors out, postprocess, filters.
//!
//! The agent's worker, calibration, golden checks, trials and the command all go through
//! here, so that what was measured is what runs. No network and no protocol: frames come in
//! as borrowed bytes, answers leave as plain values, time is an argument.
//!
//! [`Classifier`] is the whole way of a frame; below it lie [`Preprocessor`], the [`Engine`]
//! trait with [`open`], and [`classify`]. [`FilterChain`] decides what is worth sending.

mod allocator;
mod bench;
pub mod binary;
pub mod candle;
mod capability;
mod classifier;
pub mod compiled;
mod engine;
mod error;
mod filter;
mod frame;
mod golden;
mod onnx;
mod postprocess;
mod preprocess;
mod tensor;
pub mod tiny;

pub use allocator::{give_back, worker_environment};
pub use bench::{Memory, median_cpu, memory, memory_of, process_cpu, thread_cpu};
pub use capability::{Runtimes, cpu_features, detect, isa, runtimes};
pub use classifier::Classifier;
pub use engine::{
    Engine, Explainer, Learner, Lesson, ModelSource, Optimization, Options, TensorDescription, open,
};
pub use error::{EngineError, Result};
pub use filter::{Decision, FilterChain, Observation};
pub use frame::{Frame, MAX_FRAME_SIDE, PixelFormat};
pub use golden::{GoldenCase, GoldenReport, GoldenSet, MAX_GOLDEN_BYTES, MAX_GOLDEN_CASES};
pub use noroshi_tiny::{Explanation, Part, Term};
pub use onnx::{Library, LibraryOptions, warm};
pub use postprocess::{Answer, Score, classify};
pub use preprocess::Preprocessor;
pub use tensor::{MAX_RANK, MAX_TENSOR_BYTES, Tensor, TensorData};
