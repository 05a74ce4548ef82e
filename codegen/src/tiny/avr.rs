//! Generated source on an emulated ATmega328P: what it takes there, and whether it answers as
//! the host does. Needs Debian's gcc-avr, avr-libc, libsimavr-dev, libelf-dev, and a C compiler.

use std::path::{Path, PathBuf};
use std::process::Command;

use noroshi_tiny::Model;

use super::{SourceError, Target, is_float, source};

const FIRMWARE: &str = include_str!("../../harness/avr/firmware.c");
const SIMULATE: &str = include_str!("../../harness/avr/simulate.c");
/// Where the data memory begins in an ELF of AVR.
const DATA: u64 = 0x80_0000;

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum AvrError {
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

/// What a model takes on an ATmega328P.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Rows answered.
    pub rows: u64,
    /// Mean cycles of an answer.
    pub cycles: f64,
    /// Most cycles of an answer.
    pub most_cycles: u64,
    /// Bytes of flash for code and model, the start-up code of the C library included.
    pub text: u64,
    /// Bytes of memory for variables, the row and the scores included.
    pub variables: u64,
    /// Bytes of stack at the deepest.
    pub stack: u64,
    /// The classes answered.
    pub labels: Vec<u16>,
    /// Rows whose class or scores differ from the host's; for models in floating point only the
    /// class is held against it, as the C library's functions round their own way.
    pub different: u64,
}

/// Compiles the model's source for an ATmega328P in `folder` and answers `rows` there.
pub fn measure(model: &Model, rows: &[u8], folder: &Path) -> Result<Measured, AvrError> {
    for file in source(model, "tiny_model", Target::Avr, &[])? {
        write(&folder.join(file.name), file.text.as_bytes())?;
    }
    write(&folder.join("firmware.c"), FIRMWARE.as_bytes())?;
    write(&folder.join("simulate.c"), SIMULATE.as_bytes())?;
    write(&folder.join("rows.bin"), rows)?;
    compile(model, folder)?;
    let symbols = tool(folder, "avr-nm", &["firmware.elf"])?;
    let address = |name: &str| symbol(&symbols, name);
    let score_bytes = 4 * usize::from(model.classes);
    let arguments = [
        "firmware.elf".to_owned(),
        "rows.bin".into(),
        "answers.bin".into(),
        model.columns.to_string(),
        address("features")?.to_string(),
        address("label")?.to_string(),
        address("scores")?.to_string(),
        score_bytes.to_string(),
        address("_end")?.to_string(),
    ];
    let simulate = folder.join("simulate").display().to_string();
    let said = tool(folder, &simulate, &arguments)?;
    let figure = |name: &str| figure(&said, name);
    let sizes = tool(folder, "avr-size", &["firmware.elf"])?;
    let sizes: Vec<u64> = sizes
        .lines()
        .nth(1)
        .unwrap_or_default()
        .split_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    let &[text, data, bss, ..] = sizes.as_slice() else {
        return Err(failed("avr-size", "it said no sizes"));
    };
    let answers = read(&folder.join("answers.bin"))?;
    let (labels, different) = compared(model, rows, &answers, score_bytes)?;
    Ok(Measured {
        rows: figure("rows")? as u64,
        cycles: figure("mean")?,
        most_cycles: figure("most")? as u64,
        text: text + data,
        variables: data + bss,
        stack: figure("stack")? as u64,
        labels,
        different,
    })
}

fn compile(model: &Model, folder: &Path) -> Result<(), AvrError> {
    let columns = format!("-DCOLUMNS={}", model.columns);
    let classes = format!("-DCLASSES={}", model.classes);
    let score = format!(
        "-DSCORE={}",
        if is_float(model) { "float" } else { "int32_t" }
    );
    tool(
        folder,
        "avr-gcc",
        &[
            "-mmcu=atmega328p",
            "-Os",
            "-std=c99",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-DF_CPU=16000000UL",
            "-DMODEL=tiny_model",
            "-DMODEL_HEADER=\"tiny_model.h\"",
            &columns,
            &classes,
            &score,
            "firmware.c",
            "tiny_model.c",
            "-lm",
            "-o",
            "firmware.elf",
        ],
    )?;
    let harness = ["-O2", "-o", "simulate", "simulate.c", "-lsimavr", "-lelf"];
    tool(folder, "cc", &harness).map(drop)
}

/// Labels, and how many rows were answered otherwise than by the host.
fn compared(
    model: &Model,
    rows: &[u8],
    answers: &[u8],
    score_bytes: usize,
) -> Result<(Vec<u16>, u64), AvrError> {
    let mut labels = Vec::new();
    let mut different = 0;
    let rows = rows.chunks(usize::from(model.columns));
    for (row, answer) in rows.zip(answers.chunks(2 + score_bytes)) {
        let host = model.answer(row).map_err(SourceError::from)?;
        let label = u16::from_le_bytes([answer[0], answer[1]]);
        let scores: Vec<i32> = answer[2..]
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| i32::from_le_bytes(*bytes))
            .collect();
        let same_scores = is_float(model) || scores == host.integers;
        different += u64::from(label != host.label || !same_scores);
        labels.push(label);
    }
    Ok((labels, different))
}

fn symbol(table: &str, name: &str) -> Result<u64, AvrError> {
    let line = table
        .lines()
        .find(|line| line.split_whitespace().nth(2) == Some(name));
    let address = line.and_then(|line| line.split_whitespace().next());
    let address = address.and_then(|text| u64::from_str_radix(text, 16).ok());
    let address = address.and_then(|address| address.checked_sub(DATA));
    address.ok_or_else(|| failed("avr-nm", &format!("there is no {name}")))
}

fn figure(line: &str, name: &str) -> Result<f64, AvrError> {
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

fn tool(folder: &Path, name: &str, arguments: &[impl AsRef<str>]) -> Result<String, AvrError> {
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

fn failed(tool: &str, text: &str) -> AvrError {
    AvrError::Tool {
        tool: tool.to_owned(),
        text: text.to_owned(),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), AvrError> {
    std::fs::write(path, bytes).map_err(|source| AvrError::File {
        path: path.to_owned(),
        source,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, AvrError> {
    std::fs::read(path).map_err(|source| AvrError::File {
        path: path.to_owned(),
        source,
    })
}
