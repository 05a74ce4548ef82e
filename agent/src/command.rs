//! What can be typed, and what the agent starts itself with.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use noroshi_service::logging::{self, LogFormat};

use crate::{outbox, sandbox, source};

/// The agent of a Noroshi device.
#[derive(Debug, Parser)]
#[command(name = "noroshi-agent", version, about)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands; hidden ones are for the agent itself.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// A source process, on a link from the agent.
    #[command(hide = true)]
    Source,
    /// Opens an outbox and reads everything in it.
    #[command(hide = true)]
    ProbeOutbox {
        /// The outbox's folder.
        folder: PathBuf,
    },
    /// Becomes a command whose life is bound to its source process.
    #[command(hide = true)]
    ExecGuard {
        /// Program and arguments.
        #[arg(last = true)]
        argv: Vec<String>,
    },
    /// Enters a worker's sandbox, tries what a hostile model would, and prints how it went.
    #[command(hide = true)]
    TrySandbox,
}

/// Runs what was typed.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    logging::init(LogFormat::Text);
    match arguments.command {
        Command::Source => source::run()?,
        Command::ProbeOutbox { folder } => {
            println!("{}", outbox::try_open(&folder)?);
        }
        Command::ExecGuard { argv } => source::guard(&argv)?,
        Command::TrySandbox => {
            sandbox::enter()?;
            println!("{}", serde_json::to_string(&sandbox::attempts())?);
        }
    }
    Ok(ExitCode::SUCCESS)
}
