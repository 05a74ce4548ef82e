//! The photos: those of `make setup` and those that only proofs fetch.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::assets::{Role, workspace};
use crate::models::pictures;

/// Photos that figures are measured on, at least.
const MEASURED: usize = 40;

#[derive(Deserialize)]
struct Table {
    photo: Vec<Photo>,
}

#[derive(Deserialize)]
struct Photo {
    name: String,
    role: Role,
}

/// The files of all photos with `role`.
pub(super) fn with_role(role: Role) -> Result<Vec<PathBuf>> {
    let text = std::fs::read_to_string(workspace().join("tests/assets/proof-photos.toml"))?;
    let table: Table = toml::from_str(&text)?;
    let mut files = pictures(role)?;
    for photo in table.photo.into_iter().filter(|photo| photo.role == role) {
        let file = workspace().join(format!(".cache/data/photos/{}.png", photo.name));
        ensure!(file.exists(), "{} is missing", file.display());
        files.push(file);
    }
    ensure!(
        role != Role::Measured || files.len() >= MEASURED,
        "there are only {} measured photos",
        files.len()
    );
    Ok(files)
}

/// Fetches what is not there yet.
pub(super) fn fetch() -> Result<()> {
    let python = workspace().join(".venv/bin/python");
    let status = Command::new(&python)
        .arg(workspace().join("scripts/proof_photos.py"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("{}: run `make setup`", python.display()))?;
    if !status.success() {
        bail!("the proof's photos could not be fetched: the message is above");
    }
    Ok(())
}
