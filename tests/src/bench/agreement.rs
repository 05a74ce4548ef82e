//! How often the quantized model says what the float model says, beside onnxruntime.quantization
//! on the same views with the same calibration pictures.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use noroshi_compress::statistics::Proportion;
use noroshi_compress::{Network, Settings, views};
use noroshi_engine::ModelSource;

use super::peer;
use super::release::write_tensor;
use crate::answers::classes;
use crate::assets::Role;
use crate::claims::{Claim, rounded};
use crate::models::{pictures, prepared};

/// Views of each photo.
const VIEWS: usize = 10;
const METHODS: [&str; 3] = ["minmax", "entropy", "percentile"];
/// Bytes of the int8 file against the float file's.
const SIZE: f64 = 0.30;

/// Measures `network`.
pub(super) fn measure(network: &str) -> Result<Vec<Claim>> {
    let files = prepared(network)?;
    let kind: Network = network.parse()?;
    let input = kind.input_spec(&Settings::default());
    let measured = pictures(Role::Measured)?;
    let inputs = views::inputs(&measured, &input, VIEWS)?;
    let calibration = views::inputs(&pictures(Role::Calibration)?, &input, 1)?;
    let folder = tempfile::tempdir()?;
    let prepared_inputs = folder.path().join("calibration");
    std::fs::create_dir(&prepared_inputs)?;
    for (number, tensor) in calibration.iter().enumerate() {
        write_tensor(
            &prepared_inputs.join(format!("{number:04}.f32")),
            &tensor.to_f32(),
        )?;
    }
    let truth = classes(ModelSource::Path(&files.fp32), &inputs)?;
    let same = |path: &Path| -> Result<u64> {
        let other = classes(ModelSource::Path(path), &inputs)?;
        Ok(truth.iter().zip(&other).filter(|(a, b)| a == b).count() as u64)
    };
    let ours = same(&files.int8)?;
    let mut references = Vec::new();
    for method in METHODS {
        eprintln!("bench: onnxruntime.quantization of {network}, {method}");
        let made = peer::quantize(&files.fp32, &prepared_inputs, method, folder.path())?;
        references.push((method, same(&made)?));
    }
    let of = inputs.len() as u64;
    let claims = vec![
        agreement(network, ours, of, &references)?
            .with("photos", measured.len())
            .with("classes", truth.iter().collect::<BTreeSet<_>>().len())
            .with("calibration_inputs", calibration.len()),
        size(network, &files.fp32, &files.int8)?,
    ];
    Ok(claims)
}

/// Not significantly below the best reference: its agreement is inside our interval or below.
fn agreement(network: &str, ours: u64, of: u64, references: &[(&str, u64)]) -> Result<Claim> {
    let share = |same: u64| rounded(same as f64 / of as f64);
    let described = |same: u64| {
        let Proportion { low, high, .. } = Proportion::new(same, of);
        serde_json::json!({ "agreement": share(same), "low": rounded(low), "high": rounded(high) })
    };
    let best = references.iter().max_by_key(|(_, same)| *same);
    let (method, best) = best.context("a reference")?;
    let high = Proportion::new(ours, of).high;
    let limit = format!(
        "not clearly below the best of onnxruntime.quantization, {} ({method})",
        share(*best)
    );
    let name = format!("{network} int8: agreement with fp32");
    let holds = ours >= *best || high >= share(*best);
    let mut claim = Claim::new(&name, share(ours), &limit, holds)
        .with("ours", described(ours))
        .with("views", of);
    for (method, same) in references {
        claim = claim.with(method, described(*same));
    }
    Ok(claim)
}

fn size(network: &str, fp32: &Path, int8: &Path) -> Result<Claim> {
    let bytes = |path: &Path| -> Result<u64> { Ok(std::fs::metadata(path)?.len()) };
    let (fp32, int8) = (bytes(fp32)?, bytes(int8)?);
    let name = format!("{network} int8: bytes against fp32's");
    Ok(Claim::at_most(&name, int8 as f64 / fp32 as f64, SIZE)
        .with("int8_bytes", int8)
        .with("fp32_bytes", fp32))
}
