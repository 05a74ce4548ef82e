//! What a source is told to do: its section of agent.toml.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::rows::NUMBERS;
use crate::AgentError;
use crate::ring::Geometry;

/// One named source of agent.toml, `[sources.<name>]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSpec {
    /// Pictures of a folder, in the order of their names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<Folder>,
    /// Numbered picture files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<Sequence>,
    /// Rows of numbers, one a line, of a file or a pipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowsFile>,
    /// A command that writes frames to its standard output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<Exec>,
    /// Frames a second; for a command the most that are taken, for files the pace. Default 1.
    #[serde(default = "one")]
    pub frames_per_second: f64,
    /// Whether a frame that nobody can take now is skipped (a camera) or waited for (a file).
    /// Default: true for `exec`, false for files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<bool>,
    /// Frames that are on their way at once. Default 8.
    #[serde(default = "eight")]
    pub slots: u32,
    /// Most pixels of a frame; larger ones are refused. Default 2,097,152 (1920 x 1080 fits).
    #[serde(default = "two_million")]
    pub max_pixels: u32,
    /// File that gets one line a frame: id, picture, milliseconds of CLOCK_BOOTTIME, with tabs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<PathBuf>,
}

/// A folder of .jpg, .jpeg and .png files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folder {
    /// The folder; it is read again at each round.
    pub path: PathBuf,
    /// Whether to begin again after the last. Default true.
    #[serde(default = "yes")]
    pub repeat: bool,
}

/// Rows of numbers, one a line: a CSV file, or a named pipe or device that sensors' programs write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowsFile {
    /// The file; it is read again at each round.
    pub path: PathBuf,
    /// Whether to begin again after the last. Default true.
    #[serde(default = "yes")]
    pub repeat: bool,
}

/// Files that differ in a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    /// Path with `{number}` where the number stands, such as `/data/frame-{number}.png`.
    pub pattern: String,
    /// Digits of the number, filled with zeros. Default 6.
    #[serde(default = "six")]
    pub digits: usize,
    /// The first number. Default 0.
    #[serde(default)]
    pub first: u64,
    /// Whether to begin again after the last. Default true.
    #[serde(default = "yes")]
    pub repeat: bool,
}

/// A command that makes frames. Only agent.toml can say which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exec {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Its whole environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// What it writes.
    pub format: ExecFormat,
}

/// How a command writes frames, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecFormat {
    /// Binary PPM (`P6`, 255 levels).
    Ppm,
    /// `NRGB`, width and height as little-endian u32, then RGB rows.
    Rgb,
    /// JPEG files.
    Mjpeg,
    /// Lines of numbers, as in [`RowsFile`].
    Rows,
}

/// The one input of a source.
pub enum Input<'a> {
    /// See [`Folder`].
    Folder(&'a Folder),
    /// See [`Sequence`].
    Sequence(&'a Sequence),
    /// See [`RowsFile`].
    Rows(&'a RowsFile),
    /// See [`Exec`].
    Exec(&'a Exec),
}

impl SourceSpec {
    /// The input, if exactly one is named.
    pub fn input(&self) -> Result<Input<'_>, AgentError> {
        match (&self.folder, &self.sequence, &self.rows, &self.exec) {
            (Some(folder), None, None, None) => Ok(Input::Folder(folder)),
            (None, Some(sequence), None, None) => Ok(Input::Sequence(sequence)),
            (None, None, Some(rows), None) => Ok(Input::Rows(rows)),
            (None, None, None, Some(exec)) => Ok(Input::Exec(exec)),
            _ => Err(AgentError::Config(
                "a source has exactly one of folder, sequence, rows and exec".into(),
            )),
        }
    }

    /// Whether frames that nobody can take are skipped.
    pub fn is_live(&self) -> bool {
        self.live.unwrap_or(self.exec.is_some())
    }

    /// The ring that it needs.
    pub fn geometry(&self) -> Result<Geometry, AgentError> {
        let exec = self.exec.as_ref();
        if self.rows.is_some() || exec.is_some_and(|exec| exec.format == ExecFormat::Rows) {
            return Geometry::new(self.slots, 4 * NUMBERS as u32);
        }
        Geometry::new(self.slots, self.max_pixels.saturating_mul(3))
    }

    /// Whether every value can be used.
    pub fn check(&self) -> Result<(), AgentError> {
        let fault = |text: &str| Err(AgentError::Config(text.to_owned()));
        match self.input()? {
            Input::Exec(exec) if exec.argv.is_empty() => {
                return fault("exec.argv needs at least the program");
            }
            Input::Sequence(sequence) if !sequence.pattern.contains("{number}") => {
                return fault("sequence.pattern must contain {number}");
            }
            Input::Sequence(sequence) if !(1..=20).contains(&sequence.digits) => {
                return fault("sequence.digits must be 1 to 20");
            }
            _ => {}
        }
        if !(self.frames_per_second > 0.0 && self.frames_per_second <= 1_000.0) {
            return fault("frames_per_second must be more than 0 and at most 1000");
        }
        self.geometry().map(|_| ())
    }
}

fn one() -> f64 {
    1.0
}
fn six() -> usize {
    6
}
fn eight() -> u32 {
    8
}
fn two_million() -> u32 {
    2 << 20
}
fn yes() -> bool {
    true
}
