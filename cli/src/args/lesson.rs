//! `noroshi model teach`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};

use super::{Data, Teach, size};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("learner").required(true))]
pub(crate) struct Lesson {
    /// The .onnx file, in float, that goes on learning.
    #[arg(group = "learner")]
    pub file: Option<PathBuf>,
    /// A small new network instead of a file.
    #[arg(long, value_enum, group = "learner")]
    pub net: Option<Small>,
    /// With --net: factor on its channels.
    #[arg(long, default_value_t = 1.0, requires = "net")]
    pub width: f32,
    /// With --net and pictures: their size, such as 32x32.
    #[arg(long, value_parser = size, requires = "net")]
    pub size: Option<(u32, u32)>,
    /// With --net and pictures: one channel instead of three.
    #[arg(long, requires = "net")]
    pub gray: bool,
    #[command(flatten)]
    pub data: Data,
    #[command(flatten)]
    pub teach: Teach,
    /// An .onnx file that answers the same samples better; what it answers is learned too.
    #[arg(long)]
    pub teacher: Option<PathBuf>,
    /// Softens what the teacher answers, and what is learned of it.
    #[arg(long, default_value_t = 4.0, requires = "teacher")]
    pub temperature: f32,
    /// Weight of the teacher against the labels; without labels it is 1.
    #[arg(long, default_value_t = 0.9, requires = "teacher")]
    pub alpha: f32,
    /// How much it counts, beside what is answered, that the network looks where the teacher does:
    /// 1 to 10 are usual. The maps of activations of one height and width are compared, so that the
    /// teacher's file must be one that could be taught itself.
    #[arg(long, value_name = "WEIGHT", requires = "teacher")]
    pub attention: Option<f32>,
    /// Bits of weights and activations with learned steps, 2 to 8, for a file that was taught in
    /// float. The first and the last layer have 8.
    #[arg(long, value_parser = clap::value_parser!(u8).range(2..=8), conflicts_with = "net")]
    pub bits: Option<u8>,
    /// Pixels by which pictures, and steps by which series, are moved at most.
    #[arg(long, default_value_t = 0)]
    pub shift: usize,
    /// Mirror every other picture.
    #[arg(long)]
    pub flip: bool,
    /// Epochs without a better score on the samples held out until the end, 0 for never.
    #[arg(long, default_value_t = 0)]
    pub patience: usize,
    /// Where the state is kept after every epoch; what is there is gone on from.
    #[arg(long)]
    pub checkpoint: Option<PathBuf>,
    /// Points of accuracy that may be lost on the samples held out, against the file or else the
    /// teacher; beyond, sure at 95 %, nothing is written.
    #[arg(long, default_value_t = 2.0)]
    pub max_loss: f64,
    /// Timed runs beside the file or the teacher, taking turns; 0 leaves time out.
    #[arg(long, default_value_t = 40)]
    pub rounds: usize,
    /// Where the .onnx file goes.
    #[arg(long)]
    pub output: PathBuf,
}

/// Small networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Small {
    /// Two hidden layers, for numbers of any kind.
    Mlp,
    /// Convolutions, for pictures.
    Cnn,
    /// Depthwise separable convolutions, for pictures; least work.
    Depthwise,
    /// Convolutions along time, for samples of [channels, steps] or [steps].
    Series,
}
