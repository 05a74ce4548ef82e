//! `noroshi`: the user's command. Everything the console does can be scripted.

mod api;
mod args;
mod commands;
mod credentials;
mod error;
mod output;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Arguments;
use crate::error::Failure;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    noroshi_service::tls::install_provider();
    let json = arguments.json;
    match commands::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report(&failure, json);
            failure.exit_code()
        }
    }
}

fn report(failure: &Failure, json: bool) {
    if json {
        eprintln!("{}", serde_json::json!({ "error": failure.to_string() }));
    } else {
        eprintln!("noroshi: {failure}");
    }
}
