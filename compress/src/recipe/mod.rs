//! A recipe: a chain of pruning, distillation, quantization and compilation with limits, searched
//! for the best models within them.
//!
//! A [`Plan`] is the TOML file. What it can come to are [`Chain`]s; which one is tried next and
//! which is chosen is decided by pure functions ([`next`], [`decide`]) from what was found so far,
//! on samples that were held out. [`run`] carries it out and keeps every finished step in a folder:
//! stopped at any moment and started again, it comes to the same files.
//!
//! ```
//! use noroshi_compress::recipe::{Plan, chains};
//!
//! let plan = Plan::parse(r#"
//!     model = "original.onnx"
//!     [data]
//!     samples = "pictures"
//!     [limits]
//!     loss = 1.0
//!     bytes = "1/16"
//!     [prune]
//!     keep = [0.5]
//!     [distil]
//!     [quantize]
//!     bits = [8]
//! "#)?;
//! let names: Vec<String> = chains(&plan).iter().map(ToString::to_string).collect();
//! assert_eq!(names, [
//!     "int8", "prune-0.5-distil", "prune-0.5-distil-int8", "prune-0.5", "prune-0.5-int8",
//! ]);
//! # Ok::<(), noroshi_compress::Error>(())
//! ```

mod chain;
mod decide;
mod keep;
mod outcome;
mod plan;
mod run;
mod step;
#[cfg(test)]
mod tests;

pub use chain::{Body, Chain, chains, next};
pub use decide::{Broken, Figures, Limits, Size, Verdict, decide, front};
pub use keep::{file, forget};
pub use outcome::{Outcome, Tried};
pub use plan::{Compile, Data, Distil, Plan, Prune, Quantize, Search};
pub use run::{Event, Samples, run};
