//! What this device can run. Engines are loaded to ask them, so a child process does it: an idle
//! agent stays small.

use std::process::Stdio;
use std::time::Duration;

use noroshi_engine::{LibraryOptions, detect, runtimes};
use noroshi_model::{Capabilities, Digest};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use crate::AgentError;

const PATIENCE: Duration = Duration::from_secs(60);

/// What the child found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Found {
    /// For the cloud.
    pub capabilities: Capabilities,
    /// Engines that are not there, with the cure, for people.
    pub missing: Vec<String>,
}

/// Looks, in this process: what `noroshi-agent capabilities` runs.
pub fn look(library: Option<PathBuf>, sha256: Option<Digest>) -> Found {
    let found = runtimes(&LibraryOptions {
        path: library,
        sha256,
    });
    Found {
        capabilities: detect(env!("CARGO_PKG_VERSION"), found.found),
        missing: found.missing.iter().map(ToString::to_string).collect(),
    }
}

/// Looks, in a child process.
pub async fn find(options: &LibraryOptions) -> Result<Found, AgentError> {
    let mut command = tokio::process::Command::new(crate::program());
    command.arg("capabilities");
    if let Some(path) = &options.path {
        command.arg("--library").arg(path);
    }
    if let Some(sha256) = &options.sha256 {
        command.arg("--sha256").arg(sha256.to_string());
    }
    let output = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, output)
        .await
        .map_err(|_| AgentError::Worker("the engines did not answer in time".into()))?
        .map_err(AgentError::io("look for engines"))?;
    if !output.status.success() {
        return Err(AgentError::Worker(format!(
            "looking for engines ended with {}",
            output.status
        )));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|e| AgentError::Worker(format!("what was found can't be read: {e}")))
}

/// What is known without asking any engine.
pub fn without_engines() -> Capabilities {
    detect(env!("CARGO_PKG_VERSION"), Vec::new())
}
