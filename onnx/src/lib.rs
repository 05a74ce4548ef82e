//! The ONNX format: messages, files, tensors, graphs and shapes.
//!
//! Every file is foreign: sizes are bounded before memory is taken, and a hostile file is an error.

mod attribute;
mod bounds;
mod content;
mod error;
mod external;
mod file;
mod graph;
mod proto;
mod shapes;
mod tensor;

pub use content::read_bounded;
pub use error::{Error, Result};
pub use file::{MAX_BYTES, decode, encode, read, write};
pub use graph::{Index, NEWEST_IR, NEWEST_OPSET, prune, reads};
pub use proto::*;
pub use shapes::{FREE_SIDE, Shapes, infer};
pub use tensor::{DataType, Element, half_to_f32};
