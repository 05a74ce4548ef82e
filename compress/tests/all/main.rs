//! The crate from outside: real networks, whole quantizations, hostile files, releases.
#![allow(
    clippy::unwrap_used,
    reason = "what can't be unwrapped here is a failed test"
)]

mod common;
mod compile;
mod evaluate;
mod hostile;
mod modes;
mod mutants;
mod networks;
mod quantize;
mod recipe;
mod release;
mod sparse_speed;
