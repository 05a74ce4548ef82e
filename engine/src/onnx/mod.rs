//! ONNX Runtime, loaded at run time through `ort`.

mod compile;
mod encode;
mod library;
mod limits;
mod session;
mod telemetry;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use library::{Library, LibraryOptions, warm};

pub(crate) use compile::optimize;
pub(crate) use limits::limits;
pub(crate) use session::OnnxEngine;
pub(crate) use telemetry::FORBIDDEN;
