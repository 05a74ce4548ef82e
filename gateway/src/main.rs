//! The gateway of a site.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use noroshi_gateway::config::Config;
use noroshi_gateway::spool::Probe;
use noroshi_gateway::{enrol, run};
use noroshi_service::{lifeline, logging, run::stop_signal, tls};
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
#[command(name = "noroshi-gateway", version, about = "The gateway of a site")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the site.
    Run {
        /// gateway.toml
        #[arg(long)]
        config: PathBuf,
        /// Only reads the configuration and says whether it is valid.
        #[arg(long)]
        check: bool,
    },
    /// Asks the cloud for this gateway's certificate, once.
    Enrol {
        /// gateway.toml
        #[arg(long)]
        config: PathBuf,
        /// A file with the token, or `-` for standard input.
        #[arg(long)]
        token_file: PathBuf,
    },
    /// Tries a spool; the gateway asks itself this before it opens one.
    #[command(hide = true)]
    ProbeSpool {
        /// The spool's folder.
        folder: PathBuf,
        /// The process that it ends with.
        #[arg(long)]
        parent: u32,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    tls::install_provider();
    match Arguments::parse().command {
        Command::ProbeSpool { folder, parent } => {
            lifeline::bind(parent)?;
            return Ok(ExitCode::from(
                u8::try_from(run::probe_spool(&folder)).unwrap_or(1),
            ));
        }
        Command::Run {
            config: path,
            check,
        } => {
            let config = Config::load(&path)?;
            if check {
                noroshi_service::config::report_valid(&path);
                return Ok(ExitCode::SUCCESS);
            }
            logging::init(config.log);
            runtime()?.block_on(serve(config))?;
        }
        Command::Enrol { config, token_file } => {
            let config = Config::load(&config)?;
            logging::init(config.log);
            let token = enrol::read_token(&token_file)?;
            let identity = runtime()?.block_on(enrol::enrol(&config, &token))?;
            println!("{identity}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let signal = stop_signal().context("signals can't be listened to")?;
    let stop = CancellationToken::new();
    let probe = std::env::current_exe().map_or(Probe::Here, Probe::Child);
    let running = run::run(config, stop.clone(), probe, |_| ());
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => return Ok(ended?),
        () = signal => stop.cancel(),
    }
    Ok(running.await?)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no threads")
}
