//! `noroshi model compile`: the runtime's rewriting of a graph, kept in a file.

use noroshi_compress::compile::compile;
use noroshi_engine::compiled::Level;
use noroshi_service::files;

use crate::args;
use crate::error::{Failure, Tried};
use crate::output;

impl From<args::Level> for Level {
    fn from(level: args::Level) -> Self {
        match level {
            args::Level::Basic => Self::Basic,
            args::Level::Extended => Self::Extended,
            args::Level::All => Self::All,
        }
    }
}

pub(super) fn run(command: &args::Compile, as_json: bool) -> Result<(), Failure> {
    let options = noroshi_engine::Options::default();
    let made =
        compile(&command.file, command.level.into(), &options).tried(command.file.display())?;
    files::write_atomic(&command.output, &made.bytes).tried(command.output.display())?;
    if as_json {
        let mut report = serde_json::to_value(&made.report).tried("the report")?;
        report["file"] = serde_json::json!(command.output);
        return output::json(&report);
    }
    print!("{}", made.report);
    println!("written to {}", command.output.display());
    Ok(())
}
