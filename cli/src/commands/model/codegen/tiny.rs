//! Source of a model of a few kilobytes.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use noroshi_codegen::tiny::{self, Target};
use noroshi_tiny::{Intake, MAX_FILE_BYTES, Model};
use serde_json::{Value, json};

use super::{name, write};
use crate::args::{Codegen, CodegenTarget, Layout};
use crate::error::{Failure, Tried};
use crate::output;

/// How such a file begins.
const MAGIC: &[u8] = b"NTM";

/// The model, if the file is one of a few kilobytes.
pub(super) fn read(path: &Path) -> Result<Option<Model>, Failure> {
    let mut file = File::open(path).tried(path.display())?;
    let mut bytes = Vec::new();
    let head = MAGIC.len() as u64;
    (&mut file)
        .take(head)
        .read_to_end(&mut bytes)
        .tried(path.display())?;
    if bytes != MAGIC {
        return Ok(None);
    }
    // One byte more than a model has: the model itself says that it is too long.
    file.take(MAX_FILE_BYTES as u64 + 1 - head)
        .read_to_end(&mut bytes)
        .tried(path.display())?;
    Model::from_bytes(&bytes).map(Some).tried(path.display())
}

pub(super) fn run(model: &Model, asked: &Codegen, as_json: bool) -> Result<(), Failure> {
    let target = match asked.target {
        CodegenTarget::C => Target::C,
        CodegenTarget::Avr => Target::Avr,
        CodegenTarget::Rust => Target::Rust,
        CodegenTarget::CortexM4 => {
            return Err(Failure::Usage(
                "a .ntm file is written for avr, c or rust; c is for Cortex-M too".into(),
            ));
        }
    };
    let layout = match asked.layout {
        Layout::Tables => tiny::Layout::Tables,
        Layout::Branches => tiny::Layout::Branches,
    };
    let vectors = tiny::sample_rows(model, usize::from(asked.vectors));
    let files = tiny::source_as(model, &name(asked), target, layout, &vectors)
        .tried(asked.file.display())?;
    let named = files.iter().map(|file| (&*file.name, &*file.text));
    write(&asked.output, named)?;
    let cost = model.cost().controller;
    if as_json {
        return output::json(&json!({
            "files": files.iter().map(|file| &file.name).collect::<Vec<_>>(),
            "columns": model.columns, "classes": model.classes, "window": window(model),
            "flash_bytes": cost.map(|cost| cost.flash), "ram_bytes": cost.map(|cost| cost.ram),
            "cycles": cost.map(|cost| cost.cycles),
        }));
    }
    if let Intake::Windows(windowed) = &model.intake {
        let features = windowed.features();
        println!(
            "push takes samples of {} channels one by one; an answer with the sample {}, then every {}",
            features.channels, features.length, features.hop
        );
    }
    if let Some(cost) = cost {
        println!(
            "on an ATmega328P, as tables, estimated at worst: {} B of flash, {} B of RAM, {} cycles",
            cost.flash, cost.ram, cost.cycles
        );
    }
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    println!("{}: {}", asked.output.display(), names.join(", "));
    Ok(())
}

/// How samples come, for a model of windows.
fn window(model: &Model) -> Value {
    match &model.intake {
        Intake::Windows(windowed) => {
            let features = windowed.features();
            json!({
                "channels": features.channels, "length": features.length, "hop": features.hop,
            })
        }
        Intake::Bytes | Intake::Scaled(_) => Value::Null,
    }
}
