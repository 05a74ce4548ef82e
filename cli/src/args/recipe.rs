//! What `noroshi model recipe` takes.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Recipe {
    /// The recipe, a .toml file; what it names is taken from its own folder.
    pub file: PathBuf,
    /// The folder for models, report and whatever a stopped run goes on from; else it is called as
    /// the recipe, with the ending .run.
    #[arg(long)]
    pub output: Option<PathBuf>,
    /// Begin again: what an earlier run kept in that folder is removed.
    #[arg(long)]
    pub fresh: bool,
    /// Threads that compute one answer.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
}
