//! The ONNX format: messages, files, tensors, graphs and shapes.

pub(crate) mod attribute;
mod bounds;
mod file;
pub(crate) mod graph;
pub(crate) mod proto;
pub(crate) mod shapes;
mod tensor;

pub(crate) use file::read_bounded;
pub use file::{MAX_BYTES, decode, encode, read, write};
pub use graph::{Index, NEWEST_IR, NEWEST_OPSET};
pub use proto::*;
pub use shapes::{Shapes, infer};
pub(crate) use tensor::half_to_f32;
pub use tensor::{DataType, Element};
