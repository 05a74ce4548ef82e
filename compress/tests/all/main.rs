//! The crate from outside: real networks, whole quantizations, hostile files, releases.

mod common;
mod hostile;
mod networks;
mod quantize;
mod release;
