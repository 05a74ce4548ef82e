//! Networks of one-bit weights: packed for the engine's own kernels, and what that gains.

mod file;
mod inspect;
mod peers;
mod speed;

#[cfg(test)]
mod tests;

pub(crate) use file::is_packed;
pub use file::packed;
pub(crate) use inspect::element;
pub use inspect::{Inspection, Layer, Operations, inspect, output_spec, picture_input};
pub use speed::{Comparison, Timing, Work, compare};
