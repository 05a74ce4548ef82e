//! Models of a few kilobytes: what they are, how they answer, and why.
//!
//! Pure: no files, no clock, no network. The agent runs them, `noroshi` trains them.

pub mod anomaly;
pub mod online;
