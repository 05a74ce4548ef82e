//! Generated C compiled by this machine's compiler, and whether it answers as the host does.

use std::path::Path;

use noroshi_tiny::Model;

use super::tools::{self, ToolError, read, tool, write};
use super::{Layout, Target, is_float, source_as};

const REPLAY: &str = include_str!("../../harness/host/replay.c");
const STREAM: &str = include_str!("../../harness/host/stream.c");

/// Compiles the model's C in `folder`, where any warning is an error, and answers `rows`: how
/// many differ from the host's answers (class and scores; for models in floating point the class).
pub fn different(
    model: &Model,
    layout: Layout,
    rows: &[u8],
    folder: &Path,
) -> Result<u64, ToolError> {
    let answers = answered(model, layout, ("replay.c", REPLAY), rows, folder)?;
    tools::different(model, rows, &answers)
}

/// What the model's C says to samples of a stream.
pub(super) fn streamed(model: &Model, samples: &[u8], folder: &Path) -> Result<Vec<u8>, ToolError> {
    let layout = Layout::Tables;
    answered(model, layout, ("stream.c", STREAM), samples, folder)
}

fn answered(
    model: &Model,
    layout: Layout,
    (name, text): (&str, &str),
    rows: &[u8],
    folder: &Path,
) -> Result<Vec<u8>, ToolError> {
    for file in source_as(model, "host_model", Target::C, layout, &[])? {
        write(&folder.join(file.name), file.text.as_bytes())?;
    }
    write(&folder.join(name), text.as_bytes())?;
    write(&folder.join("rows.bin"), rows)?;
    let score = if is_float(model) { "float" } else { "int32_t" };
    let score = format!("-DSCORE={score}");
    let arguments = [
        "-std=c99",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-pedantic",
        score.as_str(),
        name,
        "host_model.c",
        "-lm",
        "-o",
        "replay",
    ];
    tool(folder, "cc", &arguments)?;
    let replay = folder.join("replay").display().to_string();
    tool(folder, &replay, &["rows.bin", "answers.bin"])?;
    read(&folder.join("answers.bin"))
}
