//! Commands that teach a network on somebody's data.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use noroshi_train::Pattern;

use super::Data;

/// How a network is taught.
#[derive(Debug, Args)]
pub(crate) struct Teach {
    /// Times that every sample is seen, in each step.
    #[arg(long, default_value_t = 10)]
    pub epochs: usize,
    /// Samples of a step of the optimizer.
    #[arg(long, default_value_t = 64)]
    pub batch: usize,
    /// The learning rate at its highest.
    #[arg(long, default_value_t = 1e-3)]
    pub rate: f32,
    /// Added to the gradient, times the weight.
    #[arg(long, default_value_t = 0.0)]
    pub weight_decay: f32,
    /// Decides what is drawn; the same seed gives the same file.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Share of the samples that is held out, in whole groups where groups are given: what is
    /// chosen is chosen there, and the figures are measured there.
    #[arg(long, default_value_t = 0.2)]
    pub held: f32,
    /// Threads that teach; part of what makes a run repeat.
    #[arg(long, default_value_t = 2)]
    pub workers: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// The .onnx file, in float.
    pub file: PathBuf,
    #[command(flatten)]
    pub data: Data,
    #[command(flatten)]
    pub teach: Teach,
    /// What goes.
    #[arg(long, value_enum, default_value_t = What::Channels)]
    pub method: What,
    /// Share that stays, of each layer's channels or weights.
    #[arg(long, default_value_t = 0.5)]
    pub keep: f32,
    /// Which channels go.
    #[arg(long, value_enum, default_value_t = By::Norm)]
    pub by: By,
    /// Layers that would keep so many channels or more keep a multiple of it: ONNX Runtime is only
    /// fast with whole blocks of them. 1 keeps the exact share.
    #[arg(long, default_value_t = noroshi_train::BLOCK_OF_CHANNELS)]
    pub multiple: usize,
    /// Points of accuracy that may be lost on the samples held out; more is refused, if that is
    /// sure at 95 %.
    #[arg(long, default_value_t = 2.0)]
    pub max_loss: f64,
    /// Steps in which the share goes down, each followed by a training.
    #[arg(long, default_value_t = 2)]
    pub steps: usize,
    /// A layer that keeps its channels, or its weights with --pattern; may be given several times.
    #[arg(long)]
    pub spare: Vec<String>,
    /// Where the smaller .onnx file goes.
    #[arg(long)]
    pub output: PathBuf,
    /// Of every M weights that follow each other N stay, such as 2:4: the places of those take few
    /// bits. Layers named by --spare keep all.
    #[arg(
        long, value_name = "N:M", conflicts_with_all = ["method", "keep", "by", "steps"],
    )]
    pub pattern: Option<Pattern>,
    /// With --method magnitude or --pattern: a file of the weights that are left alone.
    #[arg(long)]
    pub sparse: Option<PathBuf>,
    /// Timed runs of both models, taking turns; 0 leaves time out.
    #[arg(long, default_value_t = 40)]
    pub rounds: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Whole channels: the graph shrinks, every engine gets faster.
    Channels,
    /// Single weights: the file can be stored smaller, engines get no faster.
    Magnitude,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// Those of the smallest filters, the same share of every layer.
    Norm,
    /// Those of the smallest factors of normalizations, over the whole network.
    Scale,
}

#[derive(Debug, Args)]
pub(crate) struct Finetune {
    /// The .onnx file, in float, whose last linear layer is taught anew.
    pub file: PathBuf,
    #[command(flatten)]
    pub data: Data,
    #[command(flatten)]
    pub teach: Teach,
    /// Epochs without a better score on the samples held out until the end, 0 for never.
    #[arg(long, default_value_t = 3)]
    pub patience: usize,
    /// Teach the whole network, not the head alone.
    #[arg(long)]
    pub unfreeze: bool,
    /// With --unfreeze: share of the learning rate for all but the head.
    #[arg(long, default_value_t = 0.1)]
    pub backbone_rate: f32,
    /// Where the state is kept after every epoch; what is there is gone on from.
    #[arg(long)]
    pub checkpoint: Option<PathBuf>,
    /// Where the .onnx file goes.
    #[arg(long)]
    pub output: PathBuf,
}
