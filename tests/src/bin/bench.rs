//! `make bench`: figures beside Python onnxruntime, in one run.

use std::process::ExitCode;

use noroshi_tests::bench;

// One thread: workers die with the thread that started them.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    noroshi_service::tls::install_provider();
    match bench::run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
