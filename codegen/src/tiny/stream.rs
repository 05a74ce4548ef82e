//! Streams of samples through generated source, held against the host.

use std::path::Path;

use noroshi_tiny::features::{Windowed, Windows};
use noroshi_tiny::{Intake, Model};

use super::avr::{self, Measured, Program};
use super::tools::{ToolError, answer_bytes, failed, read};
use super::{Layout, SourceError, Target, host, is_float, source_as};

/// What says that no window was whole.
pub const NONE: u16 = u16::MAX;

/// What a stream took on an ATmega328P.
#[derive(Debug, Clone, PartialEq)]
pub struct Streamed {
    /// Sizes and cycles, rows being samples. `different` counts the samples after which it said
    /// anything else than the host: that no window was whole, or a class, or a score.
    pub measured: Measured,
    /// Windows answered.
    pub windows: u64,
    /// Mean and most cycles of all samples up to a window's answer.
    pub window_cycles: (f64, u64),
}

/// The intake of a model of windows.
pub(super) fn windowed(model: &Model) -> Result<&Windowed, SourceError> {
    match &model.intake {
        Intake::Windows(windowed) => Ok(windowed),
        Intake::Bytes | Intake::Scaled(_) => Err(SourceError::Rows),
    }
}

/// Compiles the model for an ATmega328P in `folder` and gives it `samples`, one after the other.
pub fn on_avr(model: &Model, samples: &[i16], folder: &Path) -> Result<Streamed, ToolError> {
    let features = windowed(model)?.features();
    let program = Program {
        files: source_as(model, "tiny_model", Target::Avr, Layout::Tables, &[])?,
        header: "tiny_model.h",
        function: "tiny_model_push",
        columns: features.channels.into(),
        feature: ("int16_t", 2),
        classes: model.classes,
        score: if is_float(model) { "float" } else { "int32_t" },
        options: &["-std=c99", "-Wall", "-Wextra", "-Werror"],
    };
    let (mut measured, answers) = avr::replay(&program, &bytes(samples), folder)?;
    measured.different = different(model, samples, &answers)?;
    let cycles = read(&folder.join("cycles.bin"))?;
    let cycles = cycles.as_chunks::<4>().0.iter();
    let cycles = cycles.map(|taken| u64::from(u32::from_le_bytes(*taken)));
    let windows = cycles_of_windows(cycles, &measured.labels);
    let sum: u64 = windows.iter().sum();
    Ok(Streamed {
        windows: windows.len() as u64,
        window_cycles: (
            sum as f64 / windows.len().max(1) as f64,
            windows.iter().copied().max().unwrap_or(0),
        ),
        measured,
    })
}

/// The cycles of all samples from one answer to the next.
fn cycles_of_windows(cycles: impl Iterator<Item = u64>, labels: &[u16]) -> Vec<u64> {
    let (mut windows, mut sum) = (Vec::new(), 0);
    for (cycles, &label) in cycles.zip(labels) {
        sum += cycles;
        if label != NONE {
            windows.push(sum);
            sum = 0;
        }
    }
    windows
}

/// Compiles the model's C in `folder`, where any warning is an error, and gives it `samples`:
/// after how many it says anything else than the host.
pub fn different_on_host(model: &Model, samples: &[i16], folder: &Path) -> Result<u64, ToolError> {
    windowed(model)?;
    let answers = host::streamed(model, &bytes(samples), folder)?;
    different(model, samples, &answers)
}

/// The source of `other`, compiled here, held against `model` on the host: what a comparison must
/// see where two models differ.
pub fn disagreements(
    model: &Model,
    other: &Model,
    samples: &[i16],
    folder: &Path,
) -> Result<u64, ToolError> {
    let answers = host::streamed(other, &bytes(samples), folder)?;
    different(model, samples, &answers)
}

fn bytes(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|one| one.to_le_bytes()).collect()
}

fn different(model: &Model, samples: &[i16], answers: &[u8]) -> Result<u64, ToolError> {
    let features = windowed(model)?.features();
    let mut windows = Windows::new(features);
    let samples = samples.chunks_exact(features.channels.into());
    let answers = answers.chunks_exact(answer_bytes(model.classes));
    if samples.len() != answers.len() {
        let text = format!("{} answers to {} samples", answers.len(), samples.len());
        return Err(failed("the compiled model", &text));
    }
    let mut different = 0;
    for (sample, answer) in samples.zip(answers) {
        let label = u16::from_le_bytes([answer[0], answer[1]]);
        let whole = windows.push(sample).map_err(SourceError::from)?;
        let Some(window) = whole else {
            different += u64::from(label != NONE);
            continue;
        };
        let host = model.answer_window(&window).map_err(SourceError::from)?;
        let scores = answer[2..].as_chunks::<4>().0.iter();
        let scores: Vec<i32> = scores.map(|bytes| i32::from_le_bytes(*bytes)).collect();
        let same_scores = is_float(model) || scores == host.integers;
        different += u64::from(label != host.label || !same_scores);
    }
    Ok(different)
}
