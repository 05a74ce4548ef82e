//! Which state of which model on which device.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Where a model learns.
#[derive(Debug, Args)]
pub(crate) struct StatePlace {
    /// The device's id.
    pub device: String,
    /// The pipeline.
    pub pipeline: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeviceState {
    /// Versions of what was learned since the release, the oldest first.
    List {
        #[command(flatten)]
        place: StatePlace,
    },
    /// Write a version to a file, which can be pushed as a model of its own.
    Pull {
        #[command(flatten)]
        place: StatePlace,
        /// Which version; else the newest.
        #[arg(long)]
        version: Option<u64>,
        /// Where it goes.
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Let the model know again what it knew, as a new version.
    Rollback {
        #[command(flatten)]
        place: StatePlace,
        /// The version to go back to.
        #[arg(long, required_unless_present = "released")]
        to: Option<u64>,
        /// Go back to the model as it was released.
        #[arg(long, conflicts_with = "to")]
        released: bool,
    },
}
