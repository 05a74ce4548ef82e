//! What can be typed, and what the agent starts itself with.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use noroshi_model::Digest;
use noroshi_service::durability::DAMAGED;
use noroshi_service::logging::{self, LogFormat};
use noroshi_service::{config as toml_file, tls};

use crate::config::Config;
use crate::daemon::{self, LocalStatus};
use crate::{capabilities, check, enrol, outbox, sandbox, source, worker};

/// Largest answer of a running agent.
const MAX_STATUS_BYTES: u64 = 1 << 20;

/// The agent of a Noroshi device.
#[derive(Debug, Parser)]
#[command(name = "noroshi-agent", version, about)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub struct ConfigPath {
    /// The agent's configuration.
    #[arg(long, default_value = "/etc/noroshi/agent.toml")]
    pub config: PathBuf,
}

/// The subcommands; hidden ones are for the agent itself.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the agent.
    Run {
        /// Where the configuration is.
        #[command(flatten)]
        path: ConfigPath,
        /// Only say whether the configuration is valid.
        #[arg(long)]
        check: bool,
    },
    /// Join an organisation with a token, once.
    Enrol {
        /// Where the configuration is.
        #[command(flatten)]
        path: ConfigPath,
        /// File with the token; `-` reads it from standard input.
        #[arg(long)]
        token_file: PathBuf,
    },
    /// Show what the running agent does.
    Status {
        /// Where the configuration is.
        #[command(flatten)]
        path: ConfigPath,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Try name, time, TLS, broker and files one by one, and name what fails.
    Check {
        /// Where the configuration is.
        #[command(flatten)]
        path: ConfigPath,
    },
    /// A source process, on a link from the agent.
    #[command(hide = true)]
    Source,
    /// A worker process, on a link from the agent.
    #[command(hide = true)]
    Worker,
    /// Opens an outbox, reads everything in it, and prints the greatest start.
    #[command(hide = true)]
    ProbeOutbox {
        /// The outbox's folder.
        folder: PathBuf,
        /// The process that it ends with.
        #[arg(long)]
        parent: Option<u32>,
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
    /// Loads every engine and prints what this device can run.
    #[command(hide = true)]
    Capabilities {
        /// ONNX Runtime's library.
        #[arg(long)]
        library: Option<PathBuf>,
        /// Its digest.
        #[arg(long)]
        sha256: Option<Digest>,
    },
}

/// Runs what was typed.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    logging::init(LogFormat::Text);
    match arguments.command {
        Command::Run { path, check: true } => {
            Config::load(&path.config)?;
            toml_file::report_valid(&path.config);
        }
        Command::Run { path, check: false } => {
            let config = Config::load(&path.config)?;
            on_one_thread(daemon::run(config))??;
        }
        Command::Enrol { path, token_file } => {
            let config = Config::load(&path.config)?;
            let token = enrol::read_token(&token_file)?;
            let file = on_one_thread(enrol::enrol(&config, &token))??;
            println!("{}", serde_json::to_string(&file)?);
        }
        Command::Status { path, json } => status(&Config::load(&path.config)?, json)?,
        Command::Check { path } => return checked(&Config::load(&path.config)?),
        Command::Source => source::run()?,
        Command::Worker => worker::run()?,
        Command::ProbeOutbox { folder, parent } => {
            if let Some(parent) = parent {
                sandbox::limit(parent, None)?;
            }
            match outbox::try_open(&folder) {
                Ok(greatest) => println!("{greatest}"),
                Err(damage @ crate::AgentError::Outbox(_)) => {
                    eprintln!("noroshi-agent: {damage}");
                    std::process::exit(DAMAGED)
                }
                Err(other) => return Err(other.into()),
            }
        }
        Command::ExecGuard { argv } => source::guard(&argv)?,
        Command::TrySandbox => {
            sandbox::enter()?;
            println!("{}", serde_json::to_string(&sandbox::attempts())?);
        }
        Command::Capabilities { library, sha256 } => {
            let found = capabilities::look(library, sha256);
            println!("{}", serde_json::to_string(&found)?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One thread for everything: children are bound to the thread that started them, and an idle
/// agent stays small.
fn on_one_thread<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    tls::install_provider();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()
        .context("start the runtime")?;
    Ok(runtime.block_on(work))
}

fn ask_running(socket: &Path) -> anyhow::Result<LocalStatus> {
    let stream = UnixStream::connect(socket).with_context(|| {
        format!(
            "no agent answers at {}: is it running, with this configuration?",
            socket.display()
        )
    })?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut bytes = Vec::new();
    stream.take(MAX_STATUS_BYTES).read_to_end(&mut bytes)?;
    serde_json::from_slice(&bytes).context("the agent's answer can't be read")
}

fn status(config: &Config, json: bool) -> anyhow::Result<()> {
    let status = ask_running(&config.socket())?;
    if json {
        println!("{}", serde_json::to_string(&status)?);
        return Ok(());
    }
    print!("{}", crate::status_text::text(&status));
    Ok(())
}

fn checked(config: &Config) -> anyhow::Result<ExitCode> {
    let tried = on_one_thread(check::check(config))?;
    let mut code = ExitCode::SUCCESS;
    for one in tried {
        match one.outcome {
            Ok(remark) => println!("ok    {}: {remark}", one.what),
            Err(fault) => {
                println!("FAIL  {}: {fault}", one.what);
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}
