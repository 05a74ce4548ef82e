//! The peer: onnxruntime in Python, in `scripts/bench_ort.py` and `scripts/ort_quantize.py`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::assets::workspace;

fn python(script: &str) -> Result<Command> {
    let python = workspace().join(".venv/bin/python");
    if !python.exists() {
        bail!("{} is missing: run `make setup`", python.display());
    }
    let mut command = Command::new(python);
    command.arg(workspace().join("scripts").join(script));
    command.env("ORT_DISABLE_TELEMETRY", "1");
    Ok(command)
}

/// A Python process that runs models on request.
pub(super) struct Peer {
    _child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    pub(super) fn start() -> Result<Self> {
        let mut command = tokio::process::Command::from(python("bench_ort.py")?);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn()?;
        let orders = child.stdin.take().context("its input")?;
        let answers = BufReader::new(child.stdout.take().context("its output")?).lines();
        Ok(Self {
            _child: child,
            orders,
            answers,
        })
    }

    /// Loads `model` as `name`, with the prepared inputs in `folder`; onnxruntime's version.
    pub(super) async fn load(&mut self, name: &str, model: &Path, folder: &Path) -> Result<String> {
        let order = format!("load {name} {} {}", quoted(model), quoted(folder));
        let answer = self.ask(&order).await?;
        let version = answer["version"].as_str();
        Ok(version.context("the peer's version")?.to_owned())
    }

    /// Runs `name` on its next `count` inputs; milliseconds of CPU time of each.
    pub(super) async fn run(&mut self, name: &str, count: usize) -> Result<Vec<f64>> {
        let answer = self.ask(&format!("run {name} {count}")).await?;
        Ok(serde_json::from_value(answer["cpu_ms"].clone())?)
    }

    async fn ask(&mut self, order: &str) -> Result<Value> {
        self.orders
            .write_all(format!("{order}\n").as_bytes())
            .await?;
        self.orders.flush().await?;
        let line = self.answers.next_line().await?;
        let answer: Value = serde_json::from_str(&line.context("the peer has ended")?)?;
        match answer["error"].as_str() {
            Some(error) => bail!("the peer: {error}"),
            None => Ok(answer),
        }
    }
}

/// As a shell would read it.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// Quantizes `fp32` with onnxruntime.quantization, per channel, calibrated by `method` on the
/// prepared inputs in `folder`; the file that it made in `into`.
pub(crate) fn quantize(fp32: &Path, folder: &Path, method: &str, into: &Path) -> Result<PathBuf> {
    let output = into.join(format!("{method}.onnx"));
    let mut command = python("ort_quantize.py")?;
    command.arg(fp32).arg(&output).arg("--inputs").arg(folder);
    command.args(["--method", method]);
    let done = command.stderr(Stdio::piped()).output()?;
    if !done.status.success() {
        bail!("ort_quantize: {}", String::from_utf8_lossy(&done.stderr));
    }
    Ok(output)
}
