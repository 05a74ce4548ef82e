//! What `noroshi model quantize` takes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Preset;

#[derive(Debug, Args)]
pub(crate) struct Quantize {
    /// The fp32 .onnx file.
    pub file: PathBuf,
    /// Pictures to calibrate with: files, or folders of PNG and JPEG. The modes dynamic and
    /// weights do without.
    #[arg(long, num_args = 1..)]
    pub calibration: Vec<PathBuf>,
    /// How pictures become inputs.
    #[arg(long, value_enum)]
    pub preset: Preset,
    /// Where the file goes: .onnx, or .gguf for candle (linear layers only).
    #[arg(long)]
    pub output: PathBuf,
    /// How activation ranges are chosen.
    #[arg(long, value_enum, default_value_t = Calibration::Best)]
    pub method: Calibration,
    /// What becomes integer.
    #[arg(long, value_enum, default_value_t = Mode::Static)]
    pub mode: Mode,
    /// Bits of the weights, 2 to 8; up to 4 two weights share a byte of the file.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(2..=8))]
    pub bits: u8,
    /// Bits of one layer's weights, as NAME=BITS; may be given several times.
    #[arg(long = "layer-bits", value_parser = layer_bits)]
    pub layer_bits: Vec<(String, u8)>,
    /// Bits of the activations, 2 to 8.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(2..=8))]
    pub activation_bits: u8,
    /// One scale for a layer's weights instead of one a channel.
    #[arg(long)]
    pub per_tensor: bool,
    /// How weights are rounded.
    #[arg(long, value_enum, default_value_t = Rounding::Nearest)]
    pub rounding: Rounding,
    /// Equalize the channels between layers first.
    #[arg(long)]
    pub equalize: bool,
    /// A node that stays float; may be given several times.
    #[arg(long)]
    pub keep_float: Vec<String>,
    /// Pictures to measure the loss on; else it is only told whether the calibration
    /// pictures themselves are answered otherwise.
    #[arg(long, num_args = 1..)]
    pub selection: Vec<PathBuf>,
    /// Points of agreement with the float model that may be lost; more is refused, if that is
    /// sure at 95 %.
    #[arg(long, default_value_t = 2.0)]
    pub max_loss: f64,
    /// At most so many layers get 8 bits or stay float to keep the loss within its limit.
    #[arg(long, default_value_t = 8)]
    pub spare: usize,
    /// How weights are stored in a .gguf file.
    #[arg(long, value_enum, default_value_t = Blocks::Q8_0)]
    pub blocks: Blocks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Calibration {
    /// The toolkit's choice.
    Best,
    /// The whole range.
    MinMax,
    /// All but a few outliers.
    Percentile,
    /// The least squared error.
    Mse,
    /// The nearest distribution.
    Entropy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Weights and activations, with ranges from calibration.
    Static,
    /// Weights and activations, with ranges found as the model runs.
    Dynamic,
    /// Weights only: smaller, not faster.
    Weights,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rounding {
    /// Each to the nearest level.
    Nearest,
    /// So that errors cancel in what the layer makes of the calibration pictures.
    Aware,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Blocks {
    /// 8 bits in blocks of 32.
    #[value(name = "q8_0")]
    Q8_0,
    /// 4 bits in blocks of 256.
    #[value(name = "q4k")]
    Q4K,
}

fn layer_bits(text: &str) -> Result<(String, u8), String> {
    let parsed = text.rsplit_once('=').and_then(|(name, bits)| {
        let bits = bits.parse().ok().filter(|bits| (2..=8).contains(bits))?;
        (!name.is_empty()).then(|| (name.to_owned(), bits))
    });
    parsed.ok_or_else(|| "write NAME=BITS with 2 to 8 bits, such as conv1=4".to_owned())
}
