//! Looking into pushed files: in a child process with limits, since a model file is foreign.
//!
//! The cloud itself never reads a model. `noroshi model check` does, under a memory limit that it
//! sets on itself before it opens the file, and a time limit that is kept here.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use crate::error::{Error, Result};

/// The most bytes of an inspector's output that are read.
const MOST_OUTPUT: u64 = 64 << 10;
/// The most characters of its sentence that are shown.
const MOST_SENTENCE: usize = 1000;

/// How pushed files are inspected.
#[derive(Debug, Clone)]
pub struct Inspector {
    /// The `noroshi` program.
    pub program: PathBuf,
    /// The most bytes of memory that it may use.
    pub memory_bytes: u64,
    /// How long it may take.
    pub patience: Duration,
}

impl Inspector {
    /// Whether the file at `blob` is what the manifest at `manifest` says.
    pub async fn check(&self, manifest: &Path, blob: &Path) -> Result<()> {
        let mut child = Command::new(&self.program)
            .args(["model", "check", "--json", "--manifest"])
            .arg(manifest)
            .arg("--blob")
            .arg(blob)
            .arg("--memory-limit")
            .arg(self.memory_bytes.to_string())
            .env_clear()
            .envs(kept_environment())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| self.missing(&error))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let work = async {
            let (out, err) = tokio::join!(read_bounded(stdout), read_bounded(stderr));
            (child.wait().await, out, err)
        };
        let Ok((status, out, err)) = tokio::time::timeout(self.patience, work).await else {
            let seconds = self.patience.as_secs();
            return Err(Error::ModelRefused(format!(
                "looking into the file took longer than {seconds} s; raise inspector_seconds if \
                 the file is right"
            )));
        };
        let status = status.map_err(|error| self.missing(&error))?;
        if status.success() {
            return Ok(());
        }
        Err(Error::ModelRefused(sentence(&out, &err).unwrap_or_else(|| {
            format!(
                "looking into the file ended with {status}: it is broken, or needs more than {} \
                 bytes of memory to be read",
                self.memory_bytes
            )
        })))
    }

    fn missing(&self, error: &std::io::Error) -> Error {
        Error::Unavailable(format!(
            "pushed files can't be inspected: {}: {error}; set `inspector` in cloud.toml to the \
             noroshi program",
            self.program.display()
        ))
    }
}

// Whatever else the daemon was given is none of a foreign file's business.
pub(crate) fn kept_environment() -> impl Iterator<Item = (String, String)> {
    const KEPT: [&str; 5] = [
        "PATH",
        "LANG",
        "TMPDIR",
        "NOROSHI_ONNXRUNTIME",
        "ORT_DYLIB_PATH",
    ];
    KEPT.into_iter()
        .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)))
}

pub(crate) async fn read_bounded(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let mut first = (&mut pipe).take(MOST_OUTPUT);
        // What was read until an error is all there is.
        let _ = first.read_to_end(&mut bytes).await;
        let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    }
    bytes
}

/// The reason for a refusal: the `error` of the JSON on standard output, else the last line on
/// standard error.
pub(crate) fn sentence(out: &[u8], err: &[u8]) -> Option<String> {
    let json: Option<serde_json::Value> = serde_json::from_slice(out).ok();
    let told = json
        .as_ref()
        .and_then(|json| json["error"].as_str())
        .map(str::to_owned);
    let text = told.or_else(|| {
        let text = String::from_utf8_lossy(err);
        let last = text.lines().rev().find(|line| !line.trim().is_empty())?;
        let last = last.trim();
        Some(last.strip_prefix("error: ").unwrap_or(last).to_owned())
    })?;
    Some(text.chars().take(MOST_SENTENCE).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn inspector(folder: &Path, script: &str) -> Inspector {
        let program = folder.join("noroshi");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Inspector {
            program,
            memory_bytes: 1 << 30,
            patience: Duration::from_secs(20),
        }
    }

    #[tokio::test]
    async fn the_childs_sentence_is_the_refusal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        inspector(path, "exit 0").check(path, path).await.unwrap();
        let told = inspector(path, "echo '{\"error\":\"opset 99 is too new\"}'; exit 1");
        let error = told.check(path, path).await.unwrap_err();
        assert!(matches!(&error, Error::ModelRefused(text) if text == "opset 99 is too new"));
        let plain = inspector(path, "echo 'error: truncated' >&2; exit 1");
        assert_eq!(
            plain.check(path, path).await.unwrap_err().to_string(),
            "truncated"
        );
        let silent = inspector(path, "kill -9 $$");
        assert!(
            silent
                .check(path, path)
                .await
                .unwrap_err()
                .to_string()
                .contains("broken")
        );
    }

    #[tokio::test]
    async fn a_child_that_hangs_is_ended_and_one_that_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let mut slow = inspector(path, "exec tail -f /dev/null");
        slow.patience = Duration::from_millis(100);
        assert!(
            slow.check(path, path)
                .await
                .unwrap_err()
                .to_string()
                .contains("longer than")
        );
        slow.program = path.join("nowhere");
        let error = slow.check(path, path).await.unwrap_err();
        assert!(error.to_string().contains("cloud.toml"), "{error}");
    }
}
