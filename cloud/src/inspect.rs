//! Looking into pushed files: in a child process with limits, since a model file is foreign.
//!
//! The cloud itself never reads a model. `noroshi model check` does, under a memory limit that it
//! sets on itself before it opens the file, and a time limit that is kept here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::child;
use crate::error::{Error, Result};

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
        let mut command = child::command(&self.program);
        command
            .args(["model", "check", "--json", "--manifest"])
            .arg(manifest)
            .arg("--blob")
            .arg(blob)
            .arg("--memory-limit")
            .arg(self.memory_bytes.to_string());
        let ended = child::run(&mut command, self.patience).await;
        let Some(ended) = ended.map_err(|error| self.missing(&error))? else {
            let seconds = self.patience.as_secs();
            return Err(Error::ModelRefused(format!(
                "looking into the file took longer than {seconds} s; raise inspector_seconds if \
                 the file is right"
            )));
        };
        let status = ended.status;
        if status.success() {
            return Ok(());
        }
        Err(Error::ModelRefused(ended.sentence().unwrap_or_else(|| {
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
