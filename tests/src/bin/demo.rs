//! `make demo`: a whole small fleet on this machine. `--once`: headless, one line of JSON.

use std::process::ExitCode;

use noroshi_tests::demo;

#[tokio::main]
async fn main() -> ExitCode {
    noroshi_service::tls::install_provider();
    let once = std::env::args().any(|argument| argument == "--once");
    match demo::run(once).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}
