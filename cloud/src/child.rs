//! Child processes that read what is foreign: what they get, how long they may take, and what is
//! heard of them.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// The most bytes of a child's output that are read.
const MOST_OUTPUT: u64 = 64 << 10;
/// The most characters of its sentence that are shown.
const MOST_SENTENCE: usize = 1000;

/// How a child ended, and what it said.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Ended {
    /// The reason for a refusal: the `error` of the JSON on standard output, else the last line on
    /// standard error.
    pub(crate) fn sentence(&self) -> Option<String> {
        let json: Option<serde_json::Value> = serde_json::from_slice(&self.out).ok();
        let told = json
            .as_ref()
            .and_then(|json| json["error"].as_str())
            .map(str::to_owned);
        let text = told.or_else(|| {
            let text = String::from_utf8_lossy(&self.err);
            let last = text.lines().rev().find(|line| !line.trim().is_empty())?;
            let last = last.trim();
            Some(last.strip_prefix("error: ").unwrap_or(last).to_owned())
        })?;
        Some(text.chars().take(MOST_SENTENCE).collect())
    }
}

/// A child of `program` with no input and little of this process's environment.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(kept_environment())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs it to its end; `None` if that took longer than `patience`, and it is killed.
pub(crate) async fn run(
    command: &mut Command,
    patience: Duration,
) -> std::io::Result<Option<Ended>> {
    let mut child = command.spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let work = async {
        let (out, err) = tokio::join!(read_bounded(stdout), read_bounded(stderr));
        let status = child.wait().await?;
        Ok(Ended { status, out, err })
    };
    tokio::time::timeout(patience, work).await.ok().transpose()
}

// Whatever else the daemon was given is none of a foreign file's business.
fn kept_environment() -> impl Iterator<Item = (String, String)> {
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

async fn read_bounded(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let mut first = (&mut pipe).take(MOST_OUTPUT);
        // What was read until an error is all there is.
        let _ = first.read_to_end(&mut bytes).await;
        let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    }
    bytes
}
