//! Golden sets: frames with the outputs that a device must reproduce before a model goes live.

use serde::{Deserialize, Serialize};

use crate::classifier::Classifier;
use crate::error::{EngineError, Result};
use crate::frame::{Frame, PixelFormat};

/// Largest golden set that is read, in bytes.
pub const MAX_GOLDEN_BYTES: usize = 32 << 20;
/// Most frames in a golden set.
pub const MAX_GOLDEN_CASES: usize = 64;
const MAX_OUTPUTS: usize = 65_536;
const FORMAT: u32 = 1;

/// Frames and what the model must say about them.
#[derive(Debug, Clone, PartialEq)]
pub struct GoldenSet {
    /// 1 to [`MAX_GOLDEN_CASES`] of them.
    pub cases: Vec<GoldenCase>,
}

/// One frame and the model's output for it, before postprocessing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenCase {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Tightly packed RGB, or numbers.
    #[serde(with = "serde_bytes")]
    pub rgb: Vec<u8>,
    /// Whether the frame is a row of numbers, four bytes each, little-endian.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub numbers: bool,
    /// The output's numbers.
    pub output: Vec<f32>,
}

/// How near a model came to its golden outputs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GoldenReport {
    /// Frames compared.
    pub cases: usize,
    /// Largest absolute difference of a number; infinite if one was not finite.
    pub max_abs_diff: f32,
    /// Smallest cosine between the two outputs of a frame; 0 if a number was not finite.
    pub min_cosine: f32,
    /// Frames with the same top label.
    pub same_top: usize,
    /// Whether every difference is within the tolerance.
    pub passed: bool,
}

impl GoldenCase {
    /// The frame; an error unless its bytes are as many as its sides say.
    fn frame(&self) -> Result<Frame<'_>> {
        if self.numbers {
            return Frame::numbers(&self.rgb);
        }
        Frame::rgb(self.width, self.height, &self.rgb)
    }
}

#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    cases: &'a [GoldenCase],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    format: u32,
    cases: Vec<GoldenCase>,
}

impl GoldenSet {
    /// The set of `frames` with the answers that `model` gives now.
    pub fn record(model: &mut Classifier, frames: &[Frame<'_>]) -> Result<Self> {
        let cases = frames
            .iter()
            .map(|frame| {
                Ok(GoldenCase {
                    width: frame.width(),
                    height: frame.height(),
                    rgb: frame.to_rgb(),
                    numbers: frame.format() == PixelFormat::F32,
                    output: model.output(frame)?.to_f32().into_owned(),
                })
            })
            .collect::<Result<_>>()?;
        let set = Self { cases };
        set.check_sound()?;
        Ok(set)
    }

    /// Reads and checks a set.
    pub fn from_cbor(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_GOLDEN_BYTES {
            return Err(EngineError::Golden(format!(
                "it has {} bytes, at most {MAX_GOLDEN_BYTES} are read",
                bytes.len()
            )));
        }
        let read: Read =
            serde_cbor::from_slice(bytes).map_err(|e| EngineError::Golden(e.to_string()))?;
        if read.format != FORMAT {
            return Err(EngineError::Golden(format!(
                "it has format {}, this version reads {FORMAT}: upgrade Noroshi",
                read.format
            )));
        }
        let set = Self { cases: read.cases };
        set.check_sound()?;
        Ok(set)
    }

    /// The set as CBOR.
    pub fn to_cbor(&self) -> Result<Vec<u8>> {
        self.check_sound()?;
        let written = Written {
            format: FORMAT,
            cases: &self.cases,
        };
        let bytes = serde_cbor::to_vec(&written).map_err(|e| EngineError::Golden(e.to_string()))?;
        if bytes.len() > MAX_GOLDEN_BYTES {
            return Err(EngineError::Golden(format!(
                "it has {} bytes, at most {MAX_GOLDEN_BYTES}: take fewer or smaller frames",
                bytes.len()
            )));
        }
        Ok(bytes)
    }

    fn check_sound(&self) -> Result<()> {
        if self.cases.is_empty() || self.cases.len() > MAX_GOLDEN_CASES {
            return Err(EngineError::Golden(format!(
                "it has {} frames, a set has 1 to {MAX_GOLDEN_CASES}",
                self.cases.len()
            )));
        }
        for case in &self.cases {
            let frame = case.frame();
            let bytes = if case.numbers { 4 } else { 3 };
            let expected = case.width as usize * case.height as usize * bytes;
            if frame.is_err() || case.rgb.len() != expected {
                return Err(EngineError::Golden(format!(
                    "a frame of {}x{} pixels has {} bytes",
                    case.width,
                    case.height,
                    case.rgb.len()
                )));
            }
            if case.output.is_empty() || case.output.len() > MAX_OUTPUTS {
                return Err(EngineError::Golden(format!(
                    "an output has {} numbers, 1 to {MAX_OUTPUTS} are allowed",
                    case.output.len()
                )));
            }
            if case.output.iter().any(|number| !number.is_finite()) {
                return Err(EngineError::Golden("an output is not finite".to_owned()));
            }
        }
        Ok(())
    }

    /// Runs `model` on every frame and compares. A model that fails to run is an error; one
    /// that runs and differs is a report that did not pass.
    pub fn check(&self, model: &mut Classifier, tolerance: f32) -> Result<GoldenReport> {
        let mut report = GoldenReport {
            cases: 0,
            max_abs_diff: 0.0,
            min_cosine: 1.0,
            same_top: 0,
            passed: false,
        };
        for case in &self.cases {
            let frame = case.frame()?;
            let output = model.output(&frame)?;
            let output = output.to_f32();
            if output.len() != case.output.len() {
                return Err(EngineError::Output(format!(
                    "{} numbers came out, the golden set has {}",
                    output.len(),
                    case.output.len()
                )));
            }
            report.add(&case.output, &output);
        }
        report.passed = report.cases > 0 && report.max_abs_diff <= tolerance;
        Ok(report)
    }
}

impl GoldenReport {
    fn add(&mut self, expected: &[f32], found: &[f32]) {
        self.cases += 1;
        if found.iter().any(|number| !number.is_finite()) {
            self.max_abs_diff = f32::INFINITY;
            self.min_cosine = 0.0;
            return;
        }
        let largest = expected
            .iter()
            .zip(found)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        self.max_abs_diff = self.max_abs_diff.max(largest);
        self.min_cosine = self.min_cosine.min(cosine(expected, found));
        self.same_top += usize::from(top(expected) == top(found));
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum()
    };
    let length = (dot(a, a) * dot(b, b)).sqrt();
    if length > 0.0 {
        (dot(a, b) / length) as f32
    } else {
        f32::from(u8::from(a == b))
    }
}

fn top(numbers: &[f32]) -> Option<usize> {
    // The first of equals, as in classification.
    numbers
        .iter()
        .enumerate()
        .rev()
        .max_by(|a, b| a.1.total_cmp(b.1))
        .map(|(index, _)| index)
}

#[cfg(test)]
mod tests;
