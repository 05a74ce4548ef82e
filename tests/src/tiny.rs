//! A tiny network of random weights: big enough to be a real model, quick enough for tests.

use std::path::Path;

use anyhow::{Context, Result};
use noroshi_compress::compile::compile;
use noroshi_compress::{Network, Settings, Weights, build, release, views};
use noroshi_engine::GoldenSet;
use noroshi_engine::compiled::Level;
use noroshi_model::{Blob, Digest, Label, Manifest, Measured, Task};

use crate::api::Api;
use crate::assets::{Role, engine_options, photos};

/// The tests' model.
pub const MODEL: &str = "tiny";
const CLASSES: usize = 10;

/// A version that is ready to be pushed.
#[derive(Debug, Clone)]
pub struct Version {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Its files.
    pub blobs: Vec<(Digest, Vec<u8>)>,
}

fn settings() -> Settings {
    Settings {
        width: 0.25,
        resolution: 64,
        classes: CLASSES,
    }
}

/// Version `version` of the tests' model; each has weights of its own.
pub fn version(folder: &Path, version: u32) -> Result<Version> {
    made(folder, version, false)
}

/// The same, with a variant before it that is compiled for this machine.
pub fn compiled_version(folder: &Path, version: u32) -> Result<Version> {
    made(folder, version, true)
}

fn made(folder: &Path, version: u32, compiled: bool) -> Result<Version> {
    let network = Network::MobileNetV2;
    let model = build(network, &settings(), Weights::Random(u64::from(version)))?;
    let path = folder.join(format!("tiny-{version}.onnx"));
    noroshi_onnx::write(&path, &model)?;
    let labels: Vec<String> = (0..CLASSES).map(|class| format!("class {class}")).collect();
    let options = engine_options()?;
    let photo = photos(Role::Selection)?
        .into_iter()
        .next()
        .context("a photo")?;
    let golden = [views::Photo::open(&photo.file()?)?];
    let description = release::Description {
        model: MODEL.parse()?,
        version,
        task: Task::Classification {
            labels: Label::from_names(labels.iter().map(String::as_str)),
        },
        input: network.input_spec(&settings()),
        output: network.output_spec(),
    };
    let mut files = vec![("fp32", path)];
    if compiled {
        let path = folder.join(format!("tiny-{version}.nrc"));
        let made = compile(&files[0].1, Level::All, &options)?;
        std::fs::write(&path, made.bytes)?;
        files.insert(0, ("compiled", path));
    }
    let sources = files
        .into_iter()
        .map(|(name, path)| {
            Ok(release::Source {
                name: name.parse()?,
                path,
                measured: Measured::default(),
                recipe: "random weights".to_owned(),
                source: None,
                tolerance: None,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let prepared = release::prepare(description, &sources, &golden, &options)?;
    let read = |content: &release::Content| match content {
        release::Content::File(path) => std::fs::read(path),
        release::Content::Bytes(bytes) => Ok(bytes.clone()),
    };
    let blobs = prepared
        .blobs
        .iter()
        .map(|(blob, content)| Ok((blob.sha256, read(content)?)));
    Ok(Version {
        manifest: prepared.manifest,
        blobs: blobs.collect::<Result<_>>()?,
    })
}

impl Version {
    /// The same version with golden answers that no device can give.
    pub fn with_wrong_answers(mut self) -> Result<Self> {
        let golden = self.manifest.variants[0].golden.blob.sha256;
        let at = self.blobs.iter().position(|(digest, _)| *digest == golden);
        let (_, bytes) = &self.blobs[at.context("the golden blob")?];
        let mut set = GoldenSet::from_cbor(bytes)?;
        for case in &mut set.cases {
            case.output.iter_mut().for_each(|number| *number += 1000.0);
        }
        let bytes = set.to_cbor()?;
        let blob = Blob {
            sha256: Digest::of(&bytes),
            length: bytes.len() as u64,
        };
        for variant in &mut self.manifest.variants {
            variant.golden.blob = blob;
        }
        self.blobs.push((blob.sha256, bytes));
        Ok(self)
    }

    /// Uploads the files and publishes the version.
    pub async fn push(&self, api: &Api) -> Result<()> {
        for (digest, bytes) in &self.blobs {
            api.put_blob(&digest.to_string(), bytes.clone()).await?;
        }
        let path = format!("/models/{MODEL}/versions");
        api.post_bytes(&path, self.manifest.to_json()?)
            .await
            .map(|_| ())
    }
}
