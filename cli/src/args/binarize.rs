//! What `noroshi model binarize` takes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Teach, size};

#[derive(Debug, Args)]
pub(crate) struct Binarize {
    /// Samples of classes: a folder of pictures with a folder for each class, a .npy array, or a
    /// folder with x.npy and y.npy.
    #[arg(long)]
    pub data: PathBuf,
    /// The classes of a .npy array, a .npy array of whole numbers too.
    #[arg(long)]
    pub targets: Option<PathBuf>,
    /// The classes' names in the order wanted: a JSON array, or a text file with one a line.
    #[arg(long)]
    pub labels: Option<PathBuf>,
    /// The size that pictures get; needed for folders of pictures.
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = size)]
    pub size: Option<(u32, u32)>,
    /// Pictures keep their colours; else they become gray.
    #[arg(long, requires = "size")]
    pub color: bool,
    /// What inner layers compute with.
    #[arg(long, value_enum, default_value_t = Inner::W1a2)]
    pub inner: Inner,
    /// The layers between the first and the last.
    #[arg(long, value_enum, default_value_t = Body::Convolutional)]
    pub body: Body,
    /// Channels, or numbers, of each of those layers; else 64,64,128, or 512,512 if they are dense.
    #[arg(long, value_delimiter = ',')]
    pub widths: Vec<usize>,
    /// First and last layer have weights of one bit as well: smaller, less accurate.
    #[arg(long)]
    pub one_bit_edges: bool,
    /// Share of the last layer's inputs that is left out in training.
    #[arg(long, default_value_t = 0.0)]
    pub dropout: f32,
    /// Most pixels by which pictures are moved in training.
    #[arg(long, default_value_t = 0)]
    pub shift: usize,
    /// Half of the pictures are mirrored in training.
    #[arg(long)]
    pub flip: bool,
    #[command(flatten)]
    pub teach: Teach,
    /// Timed runs of both networks, taking turns; 0 leaves time out.
    #[arg(long, default_value_t = 40)]
    pub rounds: usize,
    /// Where the network goes; what is known of it goes beside it, as .json.
    #[arg(short, long, default_value = "model.nbin")]
    pub output: PathBuf,
    /// Where the float twin goes, as .onnx.
    #[arg(long)]
    pub twin: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Inner {
    /// One bit by one bit: the smallest and fastest.
    W1a1,
    /// The same with a scale for each filter.
    Xnor,
    /// One bit by two bits: more accurate.
    W1a2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Body {
    /// Dense layers.
    Perceptron,
    /// Convolutions, 5x5 by 2 and then 3x3.
    Convolutional,
}
