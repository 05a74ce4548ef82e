//! What `noroshi model compile` takes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct Compile {
    /// The .onnx file.
    pub file: PathBuf,
    /// Where the compiled file goes; it runs on machines like this one only.
    #[arg(long)]
    pub output: PathBuf,
    /// How much is rewritten.
    #[arg(long, value_enum, default_value_t = Level::All)]
    pub level: Level,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// Constants folded, redundant nodes removed.
    Basic,
    /// Operators fused too.
    Extended,
    /// Memory laid out for this machine's kernels too.
    All,
}
