//! A worker process: runs one model, in a sandbox, on frames that it copies out of rings.

mod learn;
mod memory;
mod messages;
mod run;
mod why;

pub use messages::{Knowledge, Lesson, Order, Report, Taught, Why};
pub use run::run;
