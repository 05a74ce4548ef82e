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
    #[arg(long, value_parser = budget, required_unless_present = "online")]
    pub budget: Option<Budget>,
    /// Trees that go on learning on the device, from labels, in 19,200 bytes for ever; for at most
    /// 128 columns and 16 classes.
    #[arg(long, conflicts_with_all = ["budget", "top", "window"])]
    pub online: bool,
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
    /// Rows are raw samples in the order of time: features are computed of windows of so many
    /// samples, and the model takes such windows.
    #[arg(long, value_name = "SAMPLES", value_parser = clap::value_parser!(u16).range(4..=16_384))]
    pub window: Option<u16>,
    /// Samples from the beginning of a window to that of the next; else half a window.
    #[arg(long, value_name = "SAMPLES", requires = "window", value_parser = clap::value_parser!(u16).range(1..=16_384))]
    pub hop: Option<u16>,
    /// What is computed of each window, parted by commas: stats, correlation, fft, mfcc.
    /// Else stats and fft.
    #[arg(long, value_name = "LIST", requires = "window")]
    pub features: Option<String>,
    /// Samples a second; mfcc asks for it.
    #[arg(long, value_name = "HZ", requires = "window")]
    pub rate: Option<f64>,
    /// The column of time; where it goes back or leaps a recording ends. Else rows lie evenly.
    #[arg(long, value_name = "COLUMN", requires = "window")]
    pub time: Option<String>,
    /// The column that says whose a sample is, such as a subject: a model is chosen on groups
    /// that it was not taught. Else each recording is a group.
    #[arg(long, value_name = "COLUMN", requires = "window")]
    pub group: Option<String>,
    /// How many of the best are shown.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u8).range(1..=12))]
    pub top: u8,
}

fn budget(text: &str) -> Result<Budget, String> {
    text.parse()
        .map_err(|error: noroshi_tiny::TinyError| error.to_string())
}
