//! Files and requests that lie: a clear error, and nothing changes.

use anyhow::{Context, Result};
use noroshi_model::{Blob, Digest};
use noroshi_onnx as onnx;
use noroshi_tests::Fleet;
use noroshi_tests::tiny::{MODEL, Version, version};

use crate::{on, scenario};

/// Replaces the model file, and the manifest's word for it.
fn with_file(mut version: Version, bytes: Vec<u8>) -> Version {
    let blob = Blob {
        sha256: Digest::of(&bytes),
        length: bytes.len() as u64,
    };
    version.manifest.variants[0].blob = blob;
    version.blobs.push((blob.sha256, bytes));
    version
}

fn model_file(version: &Version) -> Result<Vec<u8>> {
    let wanted = version.manifest.variants[0].blob.sha256;
    let found = version.blobs.iter().find(|(digest, _)| *digest == wanted);
    Ok(found.context("the model file")?.1.clone())
}

#[test]
fn a_version_that_lies_is_refused() {
    scenario(|| async {
        let mut fleet = Fleet::start().await?;
        on(&mut fleet, async |fleet| {
            let api = fleet.api().await?;
            let good = version(fleet.path(), 1)?;
            let file = model_file(&good)?;

            let truncated = with_file(good.clone(), file[..file.len() / 2].to_vec());
            let mut future = onnx::decode(file.clone())?;
            future.opset_import[0].version = 999;
            let mut future = with_file(good.clone(), onnx::encode(&future)?);
            future.manifest.variants[0].requirements.opset = 999;
            let mut requirements = good.clone();
            requirements.manifest.variants[0].requirements.opset = 7;
            let mut missing = good.clone();
            missing.blobs.clear();
            missing.manifest.variants[0].blob.sha256 = Digest::of(b"never uploaded");
            let mut length = good.clone();
            length.manifest.variants[0].blob.length += 1;
            for (what, bad) in [
                ("a truncated file", truncated),
                ("an operator set of the future", future),
                ("requirements that are not the file's", requirements),
                ("a blob that is not there", missing),
                ("a length that is not the file's", length),
            ] {
                let refused = bad.push(&api).await;
                let error = refused.err().with_context(|| format!("{what} was taken"))?;
                anyhow::ensure!(format!("{error:#}").contains("422"), "{what}: {error:#}");
            }
            let wrong_digest = api
                .put_blob(&Digest::of(b"other").to_string(), file.clone())
                .await;
            anyhow::ensure!(
                wrong_digest.is_err(),
                "a blob under another's name was taken"
            );
            let models = api.list("/models").await?;
            anyhow::ensure!(models.is_empty(), "something was published: {models:?}");
            good.push(&api).await?;
            anyhow::ensure!(api.list("/models").await?[0]["id"] == MODEL);
            Ok(())
        })
        .await
    });
}

#[test]
fn the_example_configurations_are_read() {
    for name in ["agent", "gateway", "cloud"] {
        let config = noroshi_tests::assets::workspace().join(format!("deploy/{name}.toml"));
        let output = std::process::Command::new(
            noroshi_tests::process::program(&format!("noroshi-{name}")).unwrap(),
        )
        .args(["run", "--check", "--config"])
        .arg(&config)
        .output()
        .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "deploy/{name}.toml: {text}");
    }
}

#[test]
fn a_typo_in_a_configuration_is_named() {
    scenario(|| async {
        let folder = tempfile::tempdir()?;
        for (name, key) in [
            ("noroshi-agent", "nmae"),
            ("noroshi-gateway", "clowd"),
            ("noroshi-cloud", "htpp"),
        ] {
            let config = folder.path().join(format!("{name}.toml"));
            std::fs::write(
                &config,
                format!("state_dir = \"/nowhere\"\n{key} = \"x\"\n"),
            )?;
            let output = std::process::Command::new(noroshi_tests::process::program(name)?)
                .args(["run", "--check", "--config"])
                .arg(&config)
                .output()?;
            let text = String::from_utf8_lossy(&output.stderr);
            anyhow::ensure!(!output.status.success(), "{name} took {key}");
            anyhow::ensure!(text.contains(key), "{name} names the key: {text}");
        }
        Ok(())
    });
}
