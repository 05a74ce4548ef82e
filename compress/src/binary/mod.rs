//! Networks of one-bit weights: packed for the engine's own kernels, and what that gains.

mod peers;
mod speed;

pub use speed::{Comparison, Timing, Work, compare};
