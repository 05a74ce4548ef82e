//! Source of models of a few kilobytes: C99 for AVR or any other compiler, Rust without `std`.
//!
//! What is written computes exactly what `noroshi-tiny` computes: the same operations on the same
//! numbers in the same order. No memory is allocated; an integer model has no floating point.
//! Ranges were proven when the model was made or read, so that no sum leaves its 32 bits.

pub mod avr;
mod c;
mod c_trees;
pub mod host;
mod rust;
pub mod stream;
mod tools;
mod windows;
mod write;

use noroshi_tiny::{Answer, Family, Intake, Model};

pub use tools::ToolError;

/// For whom source is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// C99 with the model in flash, read by `pgm_read_byte`.
    Avr,
    /// C99.
    C,
    /// Rust without `std`.
    Rust,
}

/// How trees are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// As numbers that one loop walks: the fewest bytes. Every other family is written so.
    Tables,
    /// As comparisons and jumps, in C only: the fewest cycles.
    Branches,
}

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, without a folder.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// Why there is no source.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A name that no compiler takes.
    #[error(
        "{0:?} can't be the name of a model in source: letters a to z, digits and _, a letter first"
    )]
    Name(String),
    /// Floating point for a target that has none.
    #[error("Rust without `std` has no exp and tanh: choose the integer model")]
    Float,
    /// A model that is for hosts only.
    #[error(
        "a kernel machine is for hosts: push it to an agent; a budget of RAM, flash or time finds \
         models for a microcontroller"
    )]
    Host,
    /// Branches that can't be.
    #[error("only forests and boosted trees in C can be branches: choose tables")]
    Branches,
    /// Trees that no compiler has to take.
    #[error("a tree is nested deeper than C compilers have to take: choose tables")]
    Deep,
    /// A stream for a model that takes rows.
    #[error("this model takes rows of numbers, not windows of a stream")]
    Rows,
    /// Vectors that the model doesn't take.
    #[error(transparent)]
    Model(#[from] noroshi_tiny::TinyError),
}

/// A model's source, trees as tables, and beside it a file of `vectors` with what the model
/// answers to them: lines of bytes, then the class, then the scores.
pub fn source(
    model: &Model,
    name: &str,
    target: Target,
    vectors: &[u8],
) -> Result<Vec<File>, SourceError> {
    source_as(model, name, target, Layout::Tables, vectors)
}

/// The same with a layout.
pub fn source_as(
    model: &Model,
    name: &str,
    target: Target,
    layout: Layout,
    vectors: &[u8],
) -> Result<Vec<File>, SourceError> {
    check_name(name)?;
    let mut files = match target {
        Target::Avr | Target::C => c::files(model, name, target == Target::Avr, layout)?,
        _ if matches!(model.family, Family::Fastfood(_) | Family::Svm(_)) => {
            return Err(SourceError::Host);
        }
        Target::Rust if is_float(model) => return Err(SourceError::Float),
        Target::Rust if layout == Layout::Branches => return Err(SourceError::Branches),
        Target::Rust => vec![rust::file(model, name)],
    };
    files.push(File {
        name: format!("{name}_vectors.csv"),
        text: answered(model, vectors)?,
    });
    if let Intake::Windows(windowed) = &model.intake {
        let count = vectors.len() / usize::from(model.columns);
        files.push(File {
            name: format!("{name}_windows.csv"),
            text: windows::answered(model, windowed, count.min(WINDOWS))?,
        });
    }
    Ok(files)
}

/// Windows that are written as test vectors at most: each may have thousands of numbers.
const WINDOWS: usize = 8;

/// Rows for test vectors, one after the other: bytes by chance, the same for the same count.
pub fn sample_rows(model: &Model, count: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut byte = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..count * usize::from(model.columns))
        .map(|_| byte())
        .collect()
}

/// Whether the model computes in floating point.
pub fn is_float(model: &Model) -> bool {
    matches!(
        model.family,
        Family::ProtoNnFloat(_) | Family::BonsaiFloat(_) | Family::Fastfood(_) | Family::Svm(_)
    )
}

fn check_name(name: &str) -> Result<(), SourceError> {
    let first = name
        .chars()
        .next()
        .is_some_and(|letter| letter.is_ascii_lowercase());
    let rest = name
        .chars()
        .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
    if first && rest && name.len() <= 40 {
        return Ok(());
    }
    Err(SourceError::Name(name.to_owned()))
}

fn answered(model: &Model, vectors: &[u8]) -> Result<String, SourceError> {
    let mut text = String::new();
    for row in vectors.chunks(usize::from(model.columns)) {
        text.push_str(&line(model, row, &model.answer(row)?));
    }
    Ok(text)
}

/// What was asked, the class, the scores.
fn line<T: ToString>(model: &Model, asked: &[T], answer: &Answer) -> String {
    let mut fields: Vec<String> = asked.iter().map(T::to_string).collect();
    fields.push(answer.label.to_string());
    if is_float(model) {
        fields.extend(answer.scores.iter().map(f64::to_string));
    } else {
        fields.extend(answer.integers.iter().map(i32::to_string));
    }
    fields.join(",") + "\n"
}

/// What one says of the numbers that a model takes.
fn intake_text(intake: &Intake) -> &'static str {
    match intake {
        Intake::Bytes => "Rows are bytes: the sensor's numbers as they are.",
        Intake::Scaled(_) => "Rows are bytes: see the intake for how numbers become them.",
        Intake::Windows(_) => "Rows are bytes: features of windows, which push makes of samples.",
    }
}
