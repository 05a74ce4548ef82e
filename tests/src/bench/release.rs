//! A network as a worker gets it: manifest and model files, and the pictures that it sees.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use image::RgbImage;
use noroshi_compress::{Network, Settings, release, views};
use noroshi_engine::Preprocessor;
use noroshi_model::{InputSpec, Label, Measured, Task};

use crate::assets::{Role, asset, engine_options, workspace};
use crate::models::{Prepared, pictures, prepared};
use crate::process::program;

/// Slots of an agent's ring.
const SLOTS: usize = 8;

/// A network, released to a folder.
pub(super) struct Released {
    pub(super) manifest_file: PathBuf,
    pub(super) files: Prepared,
    pub(super) input: InputSpec,
}

/// Where `make bench` builds what is shipped: that is what counts.
pub(super) fn shipped_programs() -> PathBuf {
    workspace().join("target/release")
}

/// The program as it is shipped if it is built, else as it is here.
pub(super) fn shipped(name: &str) -> Result<PathBuf> {
    let path = shipped_programs().join(name);
    if path.is_file() {
        Ok(path)
    } else {
        program(name)
    }
}

/// `release` or `dev`: which of both [`shipped`] gives.
pub(super) fn build(name: &str) -> &'static str {
    if shipped_programs().join(name).is_file() {
        "release"
    } else {
        "dev"
    }
}

/// Writes the manifest of `network` with both its variants to `folder`.
pub(super) fn released(network: &str, folder: &Path) -> Result<Released> {
    let files = prepared(network)?;
    let kind: Network = network.parse()?;
    let settings = Settings::default();
    let names: Vec<String> =
        serde_json::from_slice(&std::fs::read(asset("labels/imagenet.json")?)?)?;
    let golden = pictures(Role::Selection)?;
    let golden = views::Photo::open(golden.first().context("a photo to choose by")?)?;
    let variant = |name: &str, path: &Path| -> Result<release::Source> {
        Ok(release::Source {
            name: name.parse()?,
            path: path.to_owned(),
            measured: Measured::default(),
            recipe: "for the benchmark".to_owned(),
            source: None,
            tolerance: None,
        })
    };
    let description = release::Description {
        model: network.parse()?,
        version: 1,
        task: Task::Classification {
            labels: Label::from_names(names.iter().map(String::as_str)),
        },
        input: kind.input_spec(&settings),
        output: kind.output_spec(),
    };
    let variants = [variant("int8", &files.int8)?, variant("fp32", &files.fp32)?];
    let manifest =
        release::prepare(description, &variants, &[golden], &engine_options()?)?.manifest;
    let manifest_file = folder.join("manifest.json");
    std::fs::write(&manifest_file, manifest.to_json()?)?;
    Ok(Released {
        manifest_file,
        files,
        input: kind.input_spec(&settings),
    })
}

/// Photos that figures are measured on, as many as a ring has slots.
pub(super) fn photos() -> Result<Vec<RgbImage>> {
    pictures(Role::Measured)?
        .iter()
        .take(SLOTS)
        .map(|path| Ok(image::open(path)?.to_rgb8()))
        .collect()
}

/// The photo as a frame.
pub(super) fn frame(photo: &RgbImage) -> Result<noroshi_engine::Frame<'_>> {
    Ok(noroshi_engine::Frame::rgb(
        photo.width(),
        photo.height(),
        photo.as_raw(),
    )?)
}

/// Writes the inputs that `photos` become to `folder`, for the peer.
pub(super) fn write_inputs(folder: &Path, input: &InputSpec, photos: &[RgbImage]) -> Result<()> {
    let mut preprocessor = Preprocessor::new(input)?;
    for (number, photo) in photos.iter().enumerate() {
        let values = preprocessor.run(&frame(photo)?)?.to_f32();
        write_tensor(&folder.join(format!("{number:04}.f32")), &values)?;
    }
    Ok(())
}

/// Raw little-endian floats.
pub(super) fn write_tensor(path: &Path, values: &[f32]) -> Result<()> {
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    Ok(std::fs::write(path, bytes)?)
}
