//! What `noroshi model compress` takes, and the cloud's worker.

use std::path::PathBuf;

use clap::Args;

use super::Preset;

#[derive(Debug, Args)]
pub(crate) struct Compress {
    /// The fp32 .onnx file, all in one.
    pub file: PathBuf,
    /// The model that gets the version, such as `mobilenet-v2`; a new one is made.
    #[arg(long)]
    pub model: String,
    /// Pictures to calibrate with and to measure the loss on: files, or folders of PNG and JPEG.
    #[arg(long, required = true, num_args = 1..)]
    pub calibration: Vec<PathBuf>,
    /// How pictures become inputs.
    #[arg(long, value_enum)]
    pub preset: Preset,
    /// The classes' names: a JSON array, or a text file with one a line.
    #[arg(long)]
    pub labels: PathBuf,
    /// Points of agreement with the float model that may be lost; more is refused, if that is
    /// sure at 95 %.
    #[arg(long, default_value_t = 2.0)]
    pub max_loss: f64,
    /// Don't wait for the end; `noroshi model compressions` tells of it.
    #[arg(long)]
    pub no_wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Work {
    /// The folder with `work.json`; what is made goes to `out` in it.
    pub folder: PathBuf,
    /// Bytes of memory that the work may use.
    #[arg(long)]
    pub memory_limit: Option<u64>,
    /// Seconds of CPU that the work may use.
    #[arg(long)]
    pub cpu_seconds: Option<u64>,
}
