//! Writes a network as C99: a header, a source, test vectors, a program that checks them.

mod harness;
mod source;
mod text;

use super::error::{Result, refused};
use super::network::Network;
use super::plan::{Plan, Sharing, plan};
use super::reference::Output;
pub use harness::cortex_harness;

/// Longest name of a network in its source.
const NAME_LIMIT: usize = 40;

/// Most test vectors.
const VECTOR_LIMIT: usize = 1000;

/// What the source is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Any C99 compiler.
    C,
    /// The same, with the instructions of Armv7E-M where the compiler has them.
    CortexM4,
}

/// How source is written.
#[derive(Debug, Clone)]
pub struct Options {
    /// The prefix of all names: `[a-z][a-z0-9_]*`, at most 40 letters.
    pub name: String,
    /// What it is for.
    pub target: Target,
    /// Whether steps may write over their inputs.
    pub sharing: Sharing,
    /// Inputs of the test vectors, levels in the order of memory; at most 1,000.
    pub vectors: Vec<Vec<i8>>,
}

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The source of `network`: `NAME.h`, `NAME.c`, `NAME_vectors.h`, `NAME_check.c`.
pub fn emit(network: &Network, options: &Options) -> Result<Vec<SourceFile>> {
    check(options)?;
    let plan = plan(network, options.sharing);
    let answers = options.vectors.iter().map(|input| network.run(input));
    let answers: Vec<Output> = answers.collect::<Result<_>>()?;
    let name = &options.name;
    let file = |ending: &str, text: String| SourceFile {
        name: format!("{name}{ending}"),
        text,
    };
    Ok(vec![
        file(".h", text::header(network, &plan, name)),
        file(".c", source::source(network, &plan, options)),
        file(
            "_vectors.h",
            text::vectors(network, name, &options.vectors, &answers),
        ),
        file("_check.c", text::check_program(name)),
    ])
}

fn check(options: &Options) -> Result<()> {
    let name = options.name.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
    let usable = name.first().is_some_and(u8::is_ascii_lowercase)
        && name.iter().all(plain)
        && name.len() <= NAME_LIMIT;
    if !usable {
        return refused(
            format!("the name {:?}", options.name),
            "is no prefix for names in C",
            "use small letters, digits and underscores, a letter first, at most 40",
        );
    }
    if options.vectors.len() > VECTOR_LIMIT {
        return refused(
            format!("{} test vectors", options.vectors.len()),
            "are too many for a source file",
            format!("use at most {VECTOR_LIMIT}"),
        );
    }
    Ok(())
}

/// Numbers as the lines of an initializer.
fn numbers<T: std::fmt::Display>(values: impl IntoIterator<Item = T>) -> String {
    let mut text = String::new();
    let mut line = String::new();
    for value in values {
        let word = format!("{value},");
        if line.len() + word.len() + 5 > 100 {
            text += &format!("    {line}\n");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += &word;
    }
    if !line.is_empty() {
        text += &format!("    {line}\n");
    }
    text
}

/// A 32-bit number as C99 reads it: the least one has no literal of its own.
fn literal(value: i32) -> String {
    if value == i32::MIN {
        "-2147483647 - 1".into()
    } else {
        value.to_string()
    }
}

/// What is said of the arena in the header.
fn arena_line(plan: &Plan) -> String {
    format!("{} bytes", plan.bytes)
}
