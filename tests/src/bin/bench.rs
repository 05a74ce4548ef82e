//! `make bench`: figures beside Python onnxruntime, in one run. Words choose parts of it:
//! `speed`, `agreement`, `memory`.

use std::process::ExitCode;

use noroshi_tests::bench;

// Workers die with the thread that started them: that is this one, which stays.
#[tokio::main]
async fn main() -> ExitCode {
    noroshi_service::tls::install_provider();
    let parts: Vec<String> = std::env::args().skip(1).collect();
    match bench::run(&parts).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
