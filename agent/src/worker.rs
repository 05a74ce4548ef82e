//! A worker process: runs one model, in a sandbox, on frames that it copies out of rings.

mod messages;
mod run;

pub use messages::{Order, Report};
pub use run::run;
