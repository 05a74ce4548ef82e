//! Models of a few kilobytes: what they are, how they answer, and why.
//!
//! Pure: no files, no clock, no network. The agent runs them, `noroshi` trains them.
//!
//! Every family of [`Model`] takes rows of bytes. The integer families compute exactly what the
//! source that `noroshi-codegen` writes for a microcontroller computes, bit for bit.

#[cfg(test)]
pub(crate) mod testing;

pub mod anomaly;
pub mod baseline;
pub mod bonsai;
pub mod boosted;
mod by_columns;
pub mod csv;
mod descend;
mod error;
pub mod fastfood;
pub mod features;
pub mod forest;
mod format;
pub mod import;
pub mod linear;
mod model;
pub mod online;
pub mod protonn;
mod quantize;
mod random;
pub mod search;
pub mod svm;
mod table;

pub use error::{Result, TinyError};
pub use format::MAX_FILE_BYTES;
pub use model::{Answer, Explanation, Family, Intake, Model, Part, Scale, Term};
pub use table::Table;
