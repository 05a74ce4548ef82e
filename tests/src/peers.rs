//! What others' packages say to the same data: rows run them as Python scripts of
//! `scripts/peers`, beside ours and in the same run.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::assets::workspace;

/// No peer may take longer.
const LIMIT: &str = "3600s";

/// Whose packages a script needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packages {
    /// The project's: NumPy, onnx, ONNX Runtime.
    Project,
    /// Those that only proofs install: scikit-learn, river, emlearn, LightGBM, XGBoost.
    Peers,
}

impl Packages {
    const fn folder(self) -> &'static str {
        match self {
            Self::Project => ".venv",
            Self::Peers => ".venv-peers",
        }
    }

    const fn cure(self) -> &'static str {
        match self {
            Self::Project => "make setup",
            Self::Peers => "make peers",
        }
    }
}

/// Runs `scripts/peers/<script>.py`, which prints one JSON value as its last line. It has one
/// thread, works in a scratch folder, and finds the data sets in the folder that `DATA` names.
pub fn run<S: AsRef<OsStr>>(packages: Packages, script: &str, arguments: &[S]) -> Result<Value> {
    let python = workspace().join(packages.folder()).join("bin/python");
    if !python.exists() {
        bail!("{} is missing: run `{}`", python.display(), packages.cure());
    }
    let scratch = workspace().join("target/proof/peers");
    std::fs::create_dir_all(&scratch)?;
    let output = Command::new("timeout")
        .args([OsStr::new(LIMIT), python.as_os_str()])
        .arg(workspace().join(format!("scripts/peers/{script}.py")))
        .args(arguments)
        .current_dir(scratch)
        .env("DATA", workspace().join(".cache/data"))
        .envs(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"].map(|name| (name, "1")))
        .stderr(Stdio::inherit())
        .output()
        .context("the peer's Python")?;
    if !output.status.success() {
        bail!("the peer {script} ended with {}", output.status);
    }
    let text = String::from_utf8(output.stdout)?;
    let line = text
        .trim_end()
        .lines()
        .last()
        .context("the peer said nothing")?;
    serde_json::from_str(line).with_context(|| format!("the peer {script} said {line}"))
}
