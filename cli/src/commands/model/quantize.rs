//! `noroshi model quantize`: fewer bits, within a limit on the loss.

use noroshi_compress::quantize::{
    self, Bits, Goal, Granularity, Method, Mode, Options, Progress, Rounding, Study, Within, judge,
};
use noroshi_compress::views;
use noroshi_engine::Tensor;
use noroshi_engine::candle::Quantization;
use noroshi_onnx::{self as onnx, ModelProto};
use serde_json::json;

use super::local::pictures;
use crate::args::{self, Blocks, Calibration};
use crate::error::{Failure, Tried};
use crate::output;

/// Views of each picture that the loss is measured on, where such are given.
const VIEWS: usize = 4;

impl From<Calibration> for Method {
    fn from(method: Calibration) -> Self {
        let word = match method {
            Calibration::Best => "auto",
            Calibration::MinMax => "min-max",
            Calibration::Percentile => "percentile",
            Calibration::Mse => "mse",
            Calibration::Entropy => "entropy",
        };
        word.parse().expect("the words are the toolkit's own")
    }
}

impl From<args::Mode> for Mode {
    fn from(mode: args::Mode) -> Self {
        match mode {
            args::Mode::Static => Self::Static,
            args::Mode::Dynamic => Self::Dynamic,
            args::Mode::Weights => Self::Weights,
        }
    }
}

impl From<Blocks> for Quantization {
    fn from(blocks: Blocks) -> Self {
        match blocks {
            Blocks::Q8_0 => Self::Q8_0,
            Blocks::Q4K => Self::Q4K,
        }
    }
}

pub(super) fn run(command: &args::Quantize, as_json: bool) -> Result<(), Failure> {
    let model = onnx::read(&command.file).tried(command.file.display())?;
    if command
        .output
        .extension()
        .is_some_and(|ending| ending == "gguf")
    {
        return candle(&model, command, as_json);
    }
    if command.mode == args::Mode::Static && command.calibration.is_empty() {
        return Err(Failure::Usage(
            "fixed ranges need --calibration pictures; --mode dynamic does without".into(),
        ));
    }
    let options = options(command)?;
    let (calibration, selection) = inputs(command)?;
    let goal = Goal {
        inputs: &selection,
        labels: None,
        max_loss: command.max_loss / 100.0,
    };
    let bar = output::progress(0, "{pos} of {len}  {msg}", as_json)?;
    let made = within(
        &model,
        &calibration,
        &goal,
        command.spare,
        &options,
        &mut |step| {
            bar.set_length(step.of as u64);
            bar.set_position(step.done as u64);
            bar.set_message(step.stage);
        },
    )
    .tried(command.file.display())?;
    bar.finish_and_clear();
    onnx::write(&command.output, &made.quantized.model).tried(command.output.display())?;
    if as_json {
        return output::json(&json!({
            "file": command.output, "report": made.quantized.report, "loss": made.loss,
            "spared": made.spared, "sensitivity": made.sensitivity,
        }));
    }
    println!("{}", made.quantized.report);
    if let Some(loss) = made.loss {
        let other = if command.selection.is_empty() {
            ", on the calibration pictures themselves: give others with --selection"
        } else {
            ""
        };
        println!("{loss}{other}");
    }
    for spared in &made.spared {
        match spared.weight_bits {
            Some(bits) => println!("  spared: {} has {bits} bits", spared.layer),
            None => println!("  spared: {} stays float", spared.layer),
        }
    }
    println!("written to {}", command.output.display());
    Ok(())
}

fn candle(model: &ModelProto, command: &args::Quantize, as_json: bool) -> Result<(), Failure> {
    let made = quantize::gguf(model, command.blocks.into()).tried(command.file.display())?;
    std::fs::write(&command.output, &made.bytes).tried(command.output.display())?;
    if as_json {
        return output::json(&json!({
            "file": command.output, "bytes": made.bytes.len(), "layers": made.layers,
        }));
    }
    println!(
        "{}: {}, {} linear layers, smaller, not faster than its floats in ONNX Runtime",
        command.output.display(),
        output::bytes(made.bytes.len() as u64),
        made.layers
    );
    Ok(())
}

fn options(command: &args::Quantize) -> Result<Options, Failure> {
    let bits = |count| Bits::new(count).tried("the bits");
    let mut options = Options {
        mode: command.mode.into(),
        method: command.method.into(),
        weight_bits: bits(command.bits)?,
        activation_bits: bits(command.activation_bits)?,
        equalize: command.equalize,
        keep_float: command.keep_float.iter().cloned().collect(),
        ..Options::default()
    };
    if command.per_tensor {
        options.granularity = Granularity::Tensor;
    }
    if command.rounding == args::Rounding::Aware {
        options.rounding = Rounding::Hessian;
    }
    for (layer, count) in &command.layer_bits {
        options.node_bits.insert(layer.clone(), bits(*count)?);
    }
    Ok(options)
}

/// What calibrates, and what the loss is measured on.
fn inputs(command: &args::Quantize) -> Result<(Vec<Tensor>, Vec<Tensor>), Failure> {
    let spec = command.preset.input();
    let read = |paths: &[std::path::PathBuf], views: usize| {
        views::inputs(&pictures(paths)?, &spec, views).tried("the pictures")
    };
    let calibration = read(&command.calibration, 1)?;
    let selection = if command.selection.is_empty() {
        calibration.clone()
    } else {
        read(&command.selection, VIEWS)?
    };
    Ok((calibration, selection))
}

/// A model and what it lost, where that could be measured.
struct Made {
    quantized: quantize::Quantized,
    loss: Option<quantize::Loss>,
    spared: Vec<quantize::Spared>,
    sensitivity: Vec<quantize::Sensitivity>,
}

/// Spares layers only where ranges are fixed; every mode's loss is judged.
fn within(
    model: &ModelProto,
    calibration: &[Tensor],
    goal: &Goal<'_>,
    spare: usize,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> noroshi_compress::Result<Made> {
    if options.mode == Mode::Static {
        let study = Study::new(model, calibration, options, progress)?;
        let Within {
            quantized,
            loss,
            spared,
            sensitivity,
        } = study.within(goal, spare, options, progress)?;
        return Ok(Made {
            quantized,
            loss: Some(loss),
            spared,
            sensitivity,
        });
    }
    let quantized = quantize::quantize(model, calibration, options, progress)?;
    let loss = if goal.inputs.is_empty() {
        None
    } else {
        Some(judge(model, &quantized.model, goal, &options.engine)?.admitted()?)
    };
    Ok(Made {
        quantized,
        loss,
        spared: Vec::new(),
        sensitivity: Vec::new(),
    })
}
