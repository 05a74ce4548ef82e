//! What is decided: who may use which topic, how a device changes what it runs, how a rollout
//! goes on and ends, whose turn it is, which document counts.
//!
//! Pure: no network, no files, no clock, no randomness. Facts and the time come in as
//! arguments, decisions and effects go out; whoever calls does the work and keeps the values.

pub mod access;
pub mod assignment;
pub mod chooser;
pub mod order;
pub mod rollout;
pub mod update;
