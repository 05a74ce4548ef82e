//! A worker process: runs one model, in a sandbox, on frames that it copies out of rings.

mod memory;
mod messages;
mod run;
mod why;

pub use messages::{Order, Report, Why};
pub use run::run;
