//! Compilers and emulators, and what compiled models answered.

use std::path::{Path, PathBuf};
use std::process::Command;

use noroshi_tiny::Model;

use super::{SourceError, is_float};

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// No source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A file that can't be written or read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A tool that isn't there or failed.
    #[error("{tool}: {text}")]
    Tool {
        /// Which.
        tool: String,
        /// What it said.
        text: String,
    },
}

/// How many rows were answered otherwise than by the host.
pub(super) fn different(model: &Model, rows: &[u8], answers: &[u8]) -> Result<u64, ToolError> {
    let rows = rows.chunks(usize::from(model.columns));
    let answers = answers.chunks_exact(answer_bytes(model.classes));
    if rows.len() != answers.len() {
        let text = format!("{} answers to {} rows", answers.len(), rows.len());
        return Err(failed("the compiled model", &text));
    }
    let mut different = 0;
    for (row, answer) in rows.zip(answers) {
        let host = model.answer(row).map_err(SourceError::from)?;
        let label = u16::from_le_bytes([answer[0], answer[1]]);
        let scores = answer[2..].as_chunks::<4>().0.iter();
        let scores: Vec<i32> = scores.map(|bytes| i32::from_le_bytes(*bytes)).collect();
        let same_scores = is_float(model) || scores == host.integers;
        different += u64::from(label != host.label || !same_scores);
    }
    Ok(different)
}

/// The class of each answer.
pub(super) fn labels(answers: &[u8], classes: u16) -> Vec<u16> {
    let answers = answers.chunks_exact(answer_bytes(classes));
    answers
        .map(|answer| u16::from_le_bytes([answer[0], answer[1]]))
        .collect()
}

pub(super) fn answer_bytes(classes: u16) -> usize {
    2 + 4 * usize::from(classes)
}

/// The number after `"name": ` in a line of JSON.
pub(super) fn figure(line: &str, name: &str) -> Result<f64, ToolError> {
    let after = line
        .split(&format!("\"{name}\": "))
        .nth(1)
        .unwrap_or_default();
    let text: String = after
        .chars()
        .take_while(|one| one.is_ascii_digit() || *one == '.')
        .collect();
    text.parse()
        .map_err(|_| failed("simulate", &format!("it said no {name}: {line}")))
}

pub(super) fn tool(
    folder: &Path,
    name: &str,
    arguments: &[impl AsRef<str>],
) -> Result<String, ToolError> {
    let output = Command::new(name)
        .args(arguments.iter().map(AsRef::as_ref))
        .current_dir(folder)
        .output()
        .map_err(|error| {
            let cure = "the packages of scripts/debian-packages.txt bring it: `make setup`";
            failed(name, &format!("{error}; {cure}"))
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failed(name, &String::from_utf8_lossy(&output.stderr)))
}

pub(super) fn failed(tool: &str, text: &str) -> ToolError {
    ToolError::Tool {
        tool: tool.to_owned(),
        text: text.to_owned(),
    }
}

pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), ToolError> {
    std::fs::write(path, bytes).map_err(|source| ToolError::File {
        path: path.to_owned(),
        source,
    })
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, ToolError> {
    std::fs::read(path).map_err(|source| ToolError::File {
        path: path.to_owned(),
        source,
    })
}
