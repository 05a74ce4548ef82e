//! What `make setup` laid under `.cache/assets`, and the tables beside it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The workspace's folder.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate is in it")
        .to_owned()
}

/// A file of `.cache/assets`.
pub fn asset(name: &str) -> Result<PathBuf> {
    let path = workspace().join(".cache/assets").join(name);
    if !path.exists() {
        bail!("{} is missing: run `make setup`", path.display());
    }
    Ok(path)
}

/// Engine options with the library that `make setup` brought.
pub fn engine_options() -> Result<noroshi_engine::Options> {
    let mut options = noroshi_engine::Options::default();
    options.library.path = Some(asset("onnxruntime/libonnxruntime.so")?);
    Ok(options)
}

/// One photo of `tests/assets/photos.toml`.
#[derive(Debug, Clone, Deserialize)]
pub struct Photo {
    /// The file's name without its ending.
    pub name: String,
    /// The package that carries it.
    pub package: String,
    /// Where in the package.
    pub path: String,
    /// SHA-256 of the file in the package.
    pub sha256: String,
    /// What it is used for; the roles are disjoint.
    pub role: Role,
    /// What a person sees.
    pub depicts: String,
    /// ImageNet classes that are right, where that is plain.
    #[serde(default)]
    pub accepted: Vec<usize>,
}

/// What a photo is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Activations are calibrated on it.
    Calibration,
    /// Methods are chosen on it.
    Selection,
    /// Figures are measured on it.
    Measured,
}

#[derive(Deserialize)]
struct Photos {
    photo: Vec<Photo>,
}

/// The photos with `role`.
pub fn photos(role: Role) -> Result<Vec<Photo>> {
    let path = workspace().join("tests/assets/photos.toml");
    let text = std::fs::read_to_string(&path).context("the table of photos")?;
    let photos: Photos = toml::from_str(&text)?;
    Ok(photos
        .photo
        .into_iter()
        .filter(|photo| photo.role == role)
        .collect())
}

impl Photo {
    /// The picture's file.
    pub fn file(&self) -> Result<PathBuf> {
        asset(&format!("photos/{}.png", self.name))
    }
}
