//! `noroshi-cloud`: the control plane's daemon.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use noroshi_cloud::{Config, Request};
use noroshi_service::{config, files, logging, run, tls};
use tokio_util::sync::CancellationToken;

/// The control plane of a Noroshi fleet.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes an organisation: keys, CA, development root, site `direct` and first administrator.
    Init {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// The organisation's id; one is made if it is left out.
        #[arg(long)]
        org: Option<noroshi_protocol::OrgId>,
        /// The organisation's name for people.
        #[arg(long, default_value = "My fleet")]
        name: String,
        /// The first administrator's name.
        #[arg(long, default_value = "admin")]
        admin: String,
        /// A file with the administrator's password; one is made and shown if it is left out.
        #[arg(long)]
        password_file: Option<PathBuf>,
    },
    /// Runs the cloud.
    Run {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// Only checks the configuration.
        #[arg(long)]
        check: bool,
    },
    /// Prints the API's description.
    Openapi,
}

fn main() -> ExitCode {
    tls::install_provider();
    match execute(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    match command {
        Command::Openapi => {
            print!("{}", noroshi_cloud::openapi());
            Ok(())
        }
        Command::Init {
            config,
            org,
            name,
            admin,
            password_file,
        } => {
            let config = load(&config)?;
            logging::init(config.log);
            let password = password_file.as_deref().map(read_password).transpose()?;
            let request = Request {
                org,
                name,
                admin,
                password,
            };
            let made = runtime.block_on(noroshi_cloud::init(&config, request))?;
            println!("{}", serde_json::to_string(&made)?);
            Ok(())
        }
        Command::Run {
            config: path,
            check,
        } => {
            let config = load(&path)?;
            if check {
                config::report_valid(&path);
                return Ok(());
            }
            logging::init(config.log);
            runtime.block_on(until_signal(config))
        }
    }
}

fn load(path: &Path) -> anyhow::Result<Config> {
    let config: Config = config::load(path)?;
    config.check().with_context(|| path.display().to_string())?;
    Ok(config)
}

fn read_password(path: &Path) -> anyhow::Result<String> {
    let bytes = files::read_bounded(path, 4096)?;
    let text = String::from_utf8(bytes).context("the password file is not text")?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

async fn until_signal(config: Config) -> anyhow::Result<()> {
    let signal = run::stop_signal()?;
    let stop = CancellationToken::new();
    let running = noroshi_cloud::run(config, stop.clone());
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => return Ok(ended?),
        () = signal => stop.cancel(),
    }
    Ok(running.await?)
}
