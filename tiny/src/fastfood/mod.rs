//! Kernel machines in little memory: random features, drawn from a seed, under a linear head.

mod compact;
mod file;
mod map;
mod model;
mod random;
pub(crate) mod vectors;

pub(crate) use compact::MOST_COLUMNS;
pub use compact::{Compact, CompactSettings};
pub use map::{Kind, MOST_INPUTS, MOST_PAIRS, Map, Plan, Room};
pub use model::{Model, Settings, features, standard, train};
pub use vectors::hadamard;

/// What can be wrong with a kernel machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FastfoodError {
    /// A map that can't be.
    #[error("no such map: {0}")]
    Plan(String),
    /// Rows that nothing can be learned from.
    #[error(transparent)]
    Rows(#[from] crate::baseline::BaselineError),
    /// Bytes that are no model.
    #[error("not a usable kernel machine: {0}")]
    File(&'static str),
}
