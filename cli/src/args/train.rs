//! What `noroshi model train` takes.

use std::path::PathBuf;

use clap::Args;
use noroshi_tiny::search::Budget;

#[derive(Debug, Args)]
pub(crate) struct Train {
    /// A CSV of numbers with a column for the class.
    pub file: PathBuf,
    /// The column with the class, by name or by number from 0; else the last.
    #[arg(long)]
    pub label: Option<String>,
    /// What the model may take: such as "2 KB RAM, 16 KB flash, 1 ms at 16 MHz", or
    /// "16 KB on the agent".
    #[arg(long, value_parser = budget)]
    pub budget: Budget,
    /// Where the model goes; what is known of it goes beside it, as .json.
    #[arg(short, long, default_value = "model.ntm")]
    pub output: PathBuf,
    /// Where chance starts: the same rows, budget and seed give the same model.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Leave out rows with missing values instead of refusing the file.
    #[arg(long)]
    pub drop_missing: bool,
    /// Rows to learn from at most; of more a fair sample is taken.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(4..=1_000_000))]
    pub rows: u32,
    /// How many of the best are shown.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u8).range(1..=12))]
    pub top: u8,
}

fn budget(text: &str) -> Result<Budget, String> {
    text.parse()
        .map_err(|error: noroshi_tiny::TinyError| error.to_string())
}
