//! The `noroshi-agent` program.

use std::process::ExitCode;

use clap::Parser;
use noroshi_agent::command::{Arguments, run};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("noroshi-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}
