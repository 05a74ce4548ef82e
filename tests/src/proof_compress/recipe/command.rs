//! The same as a user runs it: killed and gone on with, and with limits that nothing meets.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{FEWER, Kitchen, text};
use crate::claims::Claim;
use crate::models::toolkit;
use crate::rows::Context;

/// Files of the run after which it is killed, one after the other.
const KILLED_AT: [&str; 3] = [
    "int8.figures.json",
    "prune-0.375-distil.step-1.safetensors",
    "prune-0.375-distil.onnx",
];

pub(super) fn claims(context: &Context) -> Result<Vec<Claim>> {
    let kitchen = Kitchen::new(context, FEWER)?;
    let folder = &kitchen.folder;
    kitchen.original(1)?;
    let small = text(folder, 1)
        .replace("keep = [0.75, 0.5, 0.375]", "keep = [0.375]")
        .replace("widths = [0.5, 0.375]", "optional = false");
    let file = folder.join("killed.toml");
    std::fs::write(&file, &small)?;
    let whole = folder.join("not-killed");
    let (_, seen) = told(recipe(&file, &whole)?.arg("--fresh"))?;

    let run = folder.join("killed");
    if run.exists() {
        std::fs::remove_dir_all(&run)?;
    }
    let mut kills = 0;
    for name in KILLED_AT {
        kills += u32::from(killed(
            &mut recipe(&file, &run)?,
            &run.join("steps").join(name),
        )?);
    }
    let (_, again) = told(&mut recipe(&file, &run)?)?;
    let digest = |seen: &Value| seen["outcome"]["digest"].clone();
    let same = digest(&again) == digest(&seen) && digest(&seen).is_string();

    // Nothing is so small.
    let out_of_reach = small.replace("\"1/16\"", "\"1 KB\"");
    std::fs::write(&file, out_of_reach)?;
    let (code, far) = told(&mut recipe(&file, &run)?)?;
    let verdict = &far["outcome"]["verdict"]["unreachable"];
    let named = verdict["never"] == serde_json::json!(["bytes"])
        && verdict["nearest"]
            .as_array()
            .is_some_and(|near| !near.is_empty())
        && far["chosen"].is_null();
    Ok(vec![
        Claim::new(
            "killed and gone on with: the same digest",
            same,
            "true",
            same && kills as usize == KILLED_AT.len(),
        )
        .with("kills", kills)
        .with("digest", digest(&again)),
        Claim::new(
            "control: 1 KB: no file is chosen, the limit is named, exit code 1",
            named && code == Some(1),
            "true",
            named && code == Some(1),
        )
        .with("nearest", verdict["nearest"][0].clone()),
    ])
}

fn recipe(file: &Path, folder: &Path) -> Result<Command> {
    let mut command = toolkit()?;
    command.args(["--json", "model", "recipe"]).arg(file);
    command.arg("--output").arg(folder).stdin(Stdio::null());
    Ok(command)
}

/// The exit code, and what it told.
fn told(command: &mut Command) -> Result<(Option<i32>, Value)> {
    let output = command.stderr(Stdio::inherit()).output()?;
    let told = serde_json::from_slice(&output.stdout);
    Ok((output.status.code(), told.context("no JSON was told")?))
}

/// Starts the run and kills it when this file is there; whether it still ran.
fn killed(command: &mut Command, at: &Path) -> Result<bool> {
    let mut child = command.stdout(Stdio::null()).spawn()?;
    loop {
        if at.exists() {
            // SIGKILL.
            child.kill()?;
            return Ok(!child.wait()?.success());
        }
        if let Some(status) = child.try_wait()? {
            ensure!(
                at.exists(),
                "it ended with {status} before {} came",
                at.display()
            );
            return Ok(false);
        }
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing here awaits")]
fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(2));
}
