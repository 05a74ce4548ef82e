//! `make proof-kill`: kill -9 and power cuts, and nothing is lost. `--quick`: a few of each.

use std::process::ExitCode;

use noroshi_tests::proof::{self, Options};

#[tokio::main]
async fn main() -> ExitCode {
    noroshi_service::tls::install_provider();
    let outcome = match Options::from_arguments(std::env::args().skip(1)) {
        Ok(options) => until_stopped(options).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("proof-kill: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The fleet ends with the run that is dropped when somebody wants this process to end.
async fn until_stopped(options: Options) -> anyhow::Result<bool> {
    let stop = noroshi_service::run::stop_signal()?;
    tokio::select! {
        outcome = proof::run(options) => outcome,
        () = stop => anyhow::bail!("stopped"),
    }
}
