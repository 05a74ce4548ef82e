//! `noroshi model codegen`: source for a microcontroller, and what it will take there.

mod tiny;

use std::path::Path;

use noroshi_codegen::net::{self, Options, SourceFile, Summary, Target};
use noroshi_onnx as onnx;
use serde_json::{Value, json};

use crate::args::{Codegen, CodegenTarget, Layout};
use crate::error::{Failure, Tried};
use crate::output;

pub(super) fn run(asked: &Codegen, as_json: bool) -> Result<(), Failure> {
    if let Some(model) = tiny::read(&asked.file)? {
        return tiny::run(&model, asked, as_json);
    }
    let target = match asked.target {
        CodegenTarget::C => Target::C,
        CodegenTarget::CortexM4 => Target::CortexM4,
        CodegenTarget::Avr | CodegenTarget::Rust => {
            return Err(Failure::Usage(
                "a network is written for c or cortex-m4; avr and rust are for the .ntm files of \
                 `noroshi model train`"
                    .into(),
            ));
        }
    };
    if asked.layout != Layout::Tables {
        return Err(Failure::Usage(
            "--layout is for the trees of .ntm files".into(),
        ));
    }
    let model = onnx::read(&asked.file).tried(asked.file.display())?;
    let network = net::import(&model).tried(asked.file.display())?;
    let name = name(asked);
    let options = Options {
        name: name.clone(),
        target,
        sharing: net::Sharing::InPlace,
        vectors: network.sample_inputs(usize::from(asked.vectors)),
    };
    let mut files = net::emit(&network, &options).tried("the source")?;
    if target == Target::CortexM4 {
        files.extend(net::cortex_harness(&name));
    }
    let named = files.iter().map(|file| (&*file.name, &*file.text));
    write(&asked.output, named)?;
    let summary = network.summary();
    if as_json {
        return output::json(&described(&files, &summary));
    }
    tell(&asked.output, &files, &summary);
    Ok(())
}

/// Writes files of name and text.
fn write<'a>(
    folder: &Path,
    files: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).tried(folder.display())?;
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::write(&path, text).tried(path.display())?;
    }
    Ok(())
}

/// The prefix of all names.
fn name(asked: &Codegen) -> String {
    asked.name.clone().unwrap_or_else(|| name_of(&asked.file))
}

/// The file's name, as far as it is a name in C.
fn name_of(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let letter = |letter: char| {
        let letter = letter.to_ascii_lowercase();
        if letter.is_ascii_alphanumeric() {
            letter
        } else {
            '_'
        }
    };
    let name: String = stem.chars().map(letter).take(32).collect();
    if name.starts_with(|first: char| first.is_ascii_lowercase()) {
        name
    } else {
        format!("net_{name}")
    }
}

fn described(files: &[SourceFile], summary: &Summary) -> Value {
    let steps: Vec<Value> = (summary.steps.iter())
        .map(|step| {
            json!({
                "name": step.name, "operation": step.operation, "output": step.output,
                "bytes": step.bytes, "lead": step.lead, "weights": step.weights,
                "macs": step.macs,
            })
        })
        .collect();
    json!({
        "files": files.iter().map(|file| &file.name).collect::<Vec<_>>(),
        "arena_bytes": summary.arena_bytes, "arena_bytes_apart": summary.apart_bytes,
        "constant_bytes": summary.constant_bytes, "macs": summary.macs, "steps": steps,
    })
}

fn tell(folder: &Path, files: &[SourceFile], summary: &Summary) {
    let heads = [
        "STEP",
        "OPERATION",
        "OUTPUT",
        "BYTES",
        "LEAD",
        "WEIGHTS",
        "MACS",
    ];
    let rows = summary.steps.iter().map(|step| {
        let [height, width, channels] = step.output;
        vec![
            step.name.clone(),
            step.operation.to_owned(),
            format!("{height}x{width}x{channels}"),
            step.bytes[1].to_string(),
            step.lead.to_string(),
            step.weights.to_string(),
            step.macs.to_string(),
        ]
    });
    output::print_table(&heads, rows);
    println!(
        "SRAM: one arena of {} ({} if no step wrote over its input), and the stack",
        output::bytes(summary.arena_bytes as u64),
        output::bytes(summary.apart_bytes as u64),
    );
    println!(
        "flash: {} of weights, biases and factors, and the code; {} multiplications a run",
        output::bytes(summary.constant_bytes as u64),
        summary.macs
    );
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    println!("{}: {}", folder.display(), names.join(", "));
}
