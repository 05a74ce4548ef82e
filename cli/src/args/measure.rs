//! Commands that look at models and measure them.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// An .onnx file, external data beside it; or a packed network, .nbin.
    pub file: PathBuf,
    /// How the numbers of each weight are spread: in the JSON, and as pictures with --plots.
    #[arg(long)]
    pub weights: bool,
    /// A folder for the pictures, as SVG and PNG.
    #[arg(long, requires = "weights")]
    pub plots: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Which network.
    #[arg(long, value_parser = networks())]
    pub network: noroshi_compress::Network,
    /// The state dict (.pth); else the weights are drawn at random.
    #[arg(long)]
    pub weights: Option<PathBuf>,
    /// Where random weights start.
    #[arg(long, default_value_t = 1, conflicts_with = "weights")]
    pub seed: u64,
    /// Factor on the number of channels, for networks that have one.
    #[arg(long)]
    pub width: Option<f64>,
    /// Height and width of the input in pixels; else those of the paper.
    #[arg(long)]
    pub resolution: Option<usize>,
    /// Number of classes; else 1,000.
    #[arg(long)]
    pub classes: Option<usize>,
    /// Where the .onnx file goes.
    #[arg(long)]
    pub output: PathBuf,
}

fn networks() -> impl TypedValueParser<Value = noroshi_compress::Network> {
    let words = noroshi_compress::Network::ALL.map(noroshi_compress::Network::word);
    PossibleValuesParser::new(words).map(|word| {
        word.parse()
            .expect("the words are those of the networks themselves")
    })
}

/// How pictures become inputs; the model says the size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Convention {
    /// The centre, with torchvision's mean and deviation.
    Imagenet,
    /// The centre, (value − 127) / 128.
    EfficientnetLite,
    /// The whole picture, 0 to 1.
    Unit,
    /// The whole picture, 0 to 255.
    Bytes,
}

/// Somebody's data.
#[derive(Debug, Args)]
pub(crate) struct Data {
    /// Samples: a .npy array, a .csv table, a folder of pictures with a folder for each class, or
    /// a folder with x.npy and y.npy.
    #[arg(long)]
    pub data: PathBuf,
    /// What belongs to a .npy array, a .npy array too: whole numbers are classes, columns of 0 and
    /// 1 labels, others figures to come close to.
    #[arg(long)]
    pub targets: Option<PathBuf>,
    /// How pictures become inputs.
    #[arg(long, value_enum, default_value_t = Convention::Imagenet)]
    pub preset: Convention,
    /// The classes' names in the model's order, for folders of pictures: a JSON array, or a text
    /// file with one a line.
    #[arg(long)]
    pub labels: Option<PathBuf>,
    /// The target column of a table, by name or by number from 0; else the last one.
    #[arg(long, conflicts_with = "unlabelled")]
    pub column: Option<String>,
    /// The table has no target column.
    #[arg(long)]
    pub unlabelled: bool,
    /// The target column holds figures, not classes.
    #[arg(long, conflicts_with = "unlabelled")]
    pub figures: bool,
    /// Numbers of arrays and tables are multiplied by this; bytes become 0 to 1 if it is not given.
    #[arg(long)]
    pub scale: Option<f32>,
    /// A .npy array of whole numbers: samples with the same number belong together, such as views
    /// of one photo. Intervals are then drawn by group.
    #[arg(long)]
    pub groups: Option<PathBuf>,
    /// How many of the largest numbers count as near.
    #[arg(long, default_value_t = 5)]
    pub top: usize,
    /// The output that answers; else the first.
    #[arg(long)]
    pub answer: Option<String>,
    /// Threads that compute one answer.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// The model: .onnx, .nbin, or .gguf or .safetensors that carry their graph.
    pub file: PathBuf,
    /// The model that it is compared with, sample by sample.
    #[arg(long)]
    pub against: Option<PathBuf>,
    #[command(flatten)]
    pub data: Data,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The .onnx file that everything was made of.
    pub original: PathBuf,
    /// What was made of it.
    #[arg(required = true)]
    pub variants: Vec<PathBuf>,
    #[command(flatten)]
    pub data: Data,
    /// Timed runs of each, those compared taking turns; 0 leaves time out.
    #[arg(long, default_value_t = 40)]
    pub rounds: usize,
    /// Try 8 to 2 bits for the original, and each layer of it alone: two more pictures. Takes
    /// minutes for large networks.
    #[arg(long)]
    pub bits: bool,
    /// A web page that needs nothing else.
    #[arg(long)]
    pub page: Option<PathBuf>,
    /// A folder for the pictures, as SVG and PNG.
    #[arg(long)]
    pub plots: Option<PathBuf>,
}
