//! What `noroshi model codegen` takes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct Codegen {
    /// A QDQ int8 .onnx file, as `noroshi model quantize` writes it, or a .ntm file, as
    /// `noroshi model train` does.
    pub file: PathBuf,
    /// What the source is for.
    #[arg(long, value_enum)]
    pub target: CodegenTarget,
    /// The folder for the source.
    #[arg(short, long)]
    pub output: PathBuf,
    /// The prefix of all names in the source; else from the file's name.
    #[arg(long)]
    pub name: Option<String>,
    /// Test vectors beside the source.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(..=1000))]
    pub vectors: u16,
    /// How the trees of a .ntm file are written.
    #[arg(long, value_enum, default_value_t = Layout::Tables)]
    pub layout: Layout,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CodegenTarget {
    /// Plain C99.
    C,
    /// C99 that uses the DSP instructions of a Cortex-M4, with a program for the emulator; of
    /// .onnx files.
    CortexM4,
    /// C99 with the model in the flash of an AVR; of .ntm files.
    Avr,
    /// Rust without `std`; of .ntm files.
    Rust,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Layout {
    /// As numbers that one loop walks: the fewest bytes.
    Tables,
    /// As comparisons and jumps, in C only: the fewest cycles.
    Branches,
}
