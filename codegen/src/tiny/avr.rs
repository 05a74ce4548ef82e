//! Generated source on an emulated ATmega328P: what it takes there, and whether it answers as
//! the host does. Needs Debian's gcc-avr, avr-libc, libsimavr-dev, libelf-dev, and a C compiler.

use std::path::Path;

use noroshi_tiny::Model;

use super::tools::{self, ToolError, figure, read, tool, write};
use super::{File, Layout, Target, is_float, source_as};

const FIRMWARE: &str = include_str!("../../harness/avr/firmware.c");
const SIMULATE: &str = include_str!("../../harness/avr/simulate.c");
/// Where the data memory begins in an ELF of AVR.
const DATA: u64 = 0x80_0000;

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

/// Anything in C that answers rows: `uint16_t function(const feature *row, score *scores)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Program<'a> {
    /// Headers and sources.
    pub files: Vec<File>,
    /// The header that declares it.
    pub header: &'a str,
    /// Its name.
    pub function: &'a str,
    /// Numbers of a row, and the type and bytes of one.
    pub columns: u16,
    /// The C type of a number, and its bytes.
    pub feature: (&'a str, usize),
    /// How many scores.
    pub classes: u16,
    /// The C type of a score, of four bytes.
    pub score: &'a str,
    /// More options of the compiler: warnings for what is ours.
    pub options: &'a [&'a str],
}

/// Compiles the model's source, as tables, for an ATmega328P in `folder` and answers `rows` there.
pub fn measure(model: &Model, rows: &[u8], folder: &Path) -> Result<Measured, ToolError> {
    measure_as(model, Layout::Tables, rows, folder)
}

/// The same with a layout.
pub fn measure_as(
    model: &Model,
    layout: Layout,
    rows: &[u8],
    folder: &Path,
) -> Result<Measured, ToolError> {
    let program = Program {
        files: source_as(model, "tiny_model", Target::Avr, layout, &[])?,
        header: "tiny_model.h",
        function: "tiny_model_answer",
        columns: model.columns,
        feature: ("uint8_t", 1),
        classes: model.classes,
        score: if is_float(model) { "float" } else { "int32_t" },
        options: &["-std=c99", "-Wall", "-Wextra", "-Werror"],
    };
    let (mut measured, answers) = replay(&program, rows, folder)?;
    measured.different = tools::different(model, rows, &answers)?;
    Ok(measured)
}

/// Compiles a program and answers `rows`, which hold features as they lie in memory. The second
/// is what it answered: for each row a class of two bytes, then the scores.
pub fn replay(
    program: &Program<'_>,
    rows: &[u8],
    folder: &Path,
) -> Result<(Measured, Vec<u8>), ToolError> {
    for file in &program.files {
        write(&folder.join(&file.name), file.text.as_bytes())?;
    }
    write(&folder.join("firmware.c"), FIRMWARE.as_bytes())?;
    write(&folder.join("simulate.c"), SIMULATE.as_bytes())?;
    write(&folder.join("rows.bin"), rows)?;
    compile(program, folder)?;
    let symbols = tool(folder, "avr-nm", &["firmware.elf"])?;
    let address = |name: &str| symbol(&symbols, name);
    let score_bytes = 4 * usize::from(program.classes);
    let arguments = [
        "firmware.elf".to_owned(),
        "rows.bin".into(),
        "answers.bin".into(),
        (usize::from(program.columns) * program.feature.1).to_string(),
        address("features")?.to_string(),
        address("label")?.to_string(),
        address("scores")?.to_string(),
        score_bytes.to_string(),
        address("_end")?.to_string(),
        "cycles.bin".into(),
    ];
    let simulate = folder.join("simulate").display().to_string();
    let said = tool(folder, &simulate, &arguments)?;
    let figure = |name: &str| figure(&said, name);
    let [text, data, bss] = sizes(folder)?;
    let answers = read(&folder.join("answers.bin"))?;
    let measured = Measured {
        rows: figure("rows")? as u64,
        cycles: figure("mean")?,
        most_cycles: figure("most")? as u64,
        text: text + data,
        variables: data + bss,
        stack: figure("stack")? as u64,
        labels: tools::labels(&answers, program.classes),
        different: 0,
    };
    Ok((measured, answers))
}

/// Bytes of code and constants, of variables with a value, and of those without.
fn sizes(folder: &Path) -> Result<[u64; 3], ToolError> {
    let said = tool(folder, "avr-size", &["firmware.elf"])?;
    let line = said.lines().nth(1).unwrap_or_default();
    let numbers = line
        .split_whitespace()
        .map_while(|field| field.parse().ok());
    let numbers: Vec<u64> = numbers.take(3).collect();
    numbers
        .try_into()
        .map_err(|_| tools::failed("avr-size", "it said no sizes"))
}

fn compile(program: &Program<'_>, folder: &Path) -> Result<(), ToolError> {
    let defined = [
        format!("-DMODEL_HEADER=\"{}\"", program.header),
        format!("-DANSWER={}", program.function),
        format!("-DCOLUMNS={}", program.columns),
        format!("-DFEATURE={}", program.feature.0),
        format!("-DCLASSES={}", program.classes),
        format!("-DSCORE={}", program.score),
    ];
    let sources = program.files.iter().map(|file| file.name.as_str());
    let sources = sources.filter(|name| Path::new(name).extension().is_some_and(|end| end == "c"));
    let mut arguments = vec!["-mmcu=atmega328p", "-Os", "-DF_CPU=16000000UL"];
    arguments.extend(program.options);
    arguments.extend(defined.iter().map(String::as_str));
    arguments.extend(sources);
    arguments.extend(["firmware.c", "-lm", "-o", "firmware.elf"]);
    tool(folder, "avr-gcc", &arguments)?;
    let harness = ["-O2", "-o", "simulate", "simulate.c", "-lsimavr", "-lelf"];
    tool(folder, "cc", &harness).map(drop)
}

fn symbol(table: &str, name: &str) -> Result<u64, ToolError> {
    let line = table
        .lines()
        .find(|line| line.split_whitespace().nth(2) == Some(name));
    let address = line.and_then(|line| line.split_whitespace().next());
    let address = address.and_then(|text| u64::from_str_radix(text, 16).ok());
    let address = address.and_then(|address| address.checked_sub(DATA));
    address.ok_or_else(|| tools::failed("avr-nm", &format!("there is no {name}")))
}
