//! Networks of one-bit weights: packed for the engine's own kernels, and what that gains.

mod file;
mod peers;
mod speed;

#[cfg(test)]
mod tests;

pub use file::packed;
pub use speed::{Comparison, Timing, Work, compare};
