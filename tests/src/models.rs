//! Real networks as `.onnx` files, made once by `noroshi model export` and `quantize`.
//!
//! They lie in `.cache/models`, in a folder named by the digest of all that they are made of:
//! the weights, the calibration pictures, ONNX Runtime and the toolkit's sources. Whoever needs
//! them first makes them; a folder is there whole or not at all.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use noroshi_service::files;

use crate::assets::{Role, asset, photos, workspace};
use crate::process::program;

/// What decides how the toolkit makes a file.
const SOURCES: [&str; 5] = [
    "compress/src",
    "engine/src",
    "model/src",
    "cli/src/commands/model",
    "Cargo.lock",
];

/// A network's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// As exported, with float weights.
    pub fp32: PathBuf,
    /// Quantized with the calibration photos.
    pub int8: PathBuf,
}

/// What the command line needs to know of a network.
struct Recipe {
    weights: &'static str,
    preset: &'static str,
}

/// The preset of `network`: how pictures become its inputs.
pub fn preset(network: &str) -> Result<&'static str> {
    Ok(recipe(network)?.preset)
}

fn recipe(network: &str) -> Result<Recipe> {
    Ok(match network {
        "mobilenet-v2" => Recipe {
            weights: "weights/mobilenet_v2.pth",
            preset: "imagenet",
        },
        "efficientnet-lite0" => Recipe {
            weights: "weights/efficientnet_lite0.pth",
            preset: "efficientnet-lite",
        },
        other => bail!("no weights for the network {other}"),
    })
}

/// The photos with `role`, in the order of the table.
pub fn pictures(role: Role) -> Result<Vec<PathBuf>> {
    photos(role)?
        .iter()
        .map(crate::assets::Photo::file)
        .collect()
}

/// The files of `network` (`mobilenet-v2`, `efficientnet-lite0`), made now if nobody did before.
pub fn prepared(network: &str) -> Result<Prepared> {
    let key = key(network)?;
    let folder = workspace()
        .join(".cache/models")
        .join(format!("{network}-{}", &key[..16]));
    let files = Prepared {
        fp32: folder.join("fp32.onnx"),
        int8: folder.join("int8.onnx"),
    };
    if !folder.is_dir() {
        make(network, &folder)?;
    }
    Ok(files)
}

fn make(network: &str, folder: &Path) -> Result<()> {
    let recipe = recipe(network)?;
    let parent = folder.parent().context("the folder has a parent")?;
    std::fs::create_dir_all(parent)?;
    let started = tempfile::Builder::new()
        .prefix(".making-")
        .tempdir_in(parent)?;
    let (fp32, int8) = (
        started.path().join("fp32.onnx"),
        started.path().join("int8.onnx"),
    );
    let weights = asset(recipe.weights)?;
    let mut export = toolkit()?;
    export
        .args(["model", "export", "--network", network, "--weights"])
        .arg(weights);
    run(export.arg("--output").arg(&fp32))?;
    let mut quantize = toolkit()?;
    quantize
        .args(["model", "quantize"])
        .arg(&fp32)
        .args(["--preset", recipe.preset]);
    quantize
        .arg("--calibration")
        .args(pictures(Role::Calibration)?);
    run(quantize.arg("--output").arg(&int8))?;
    let whole = started.keep();
    if std::fs::rename(&whole, folder).is_err() {
        std::fs::remove_dir_all(&whole)?;
        // Somebody else was quicker, and made the same.
        if !folder.is_dir() {
            bail!("{} can't be put in place", folder.display());
        }
    }
    Ok(())
}

/// The `noroshi` program, as a user would run it.
pub fn toolkit() -> Result<Command> {
    let mut command = Command::new(program("noroshi")?);
    command.env(
        "NOROSHI_ONNXRUNTIME",
        asset("onnxruntime/libonnxruntime.so")?,
    );
    command.env("ORT_DISABLE_TELEMETRY", "1");
    Ok(command)
}

/// Progress and errors go to this process's standard error, reports nowhere.
fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    if !status.success() {
        bail!("`noroshi model` ended with {status}");
    }
    Ok(())
}

/// A digest over everything that a network's files are made of.
fn key(network: &str) -> Result<String> {
    let mut inputs = vec![asset(recipe(network)?.weights)?];
    inputs.push(asset("onnxruntime/libonnxruntime.so")?);
    inputs.extend(pictures(Role::Calibration)?);
    for source in SOURCES {
        collect(&workspace().join(source), &mut inputs)?;
    }
    let mut all = network.as_bytes().to_vec();
    for input in inputs {
        all.extend(files::digest(&input)?.0);
    }
    Ok(data_encoding::HEXLOWER.encode(&files::sha256(&all)))
}

/// The files in and below `path`, in the order of their names.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("{}", path.display()))?;
    let mut inside: Vec<PathBuf> = entries
        .map(|entry| entry.map(|e| e.path()))
        .collect::<std::io::Result<_>>()?;
    inside.sort();
    inside.iter().try_for_each(|entry| collect(entry, files))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_steady_and_each_networks_own() {
        let first = key("mobilenet-v2").unwrap();
        assert_eq!(first, key("mobilenet-v2").unwrap());
        assert_ne!(first, key("efficientnet-lite0").unwrap());
        assert!(key("resnet").is_err());
    }
}
