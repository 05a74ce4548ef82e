//! Child processes that end with their owner, with their logs in a file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

/// Where the workspace's programs are: beside this one.
pub fn program(name: &str) -> Result<PathBuf> {
    let mut folder = std::env::current_exe().context("this program's own path")?;
    folder.pop();
    // Test programs live in `deps`, one below.
    if folder.ends_with("deps") {
        folder.pop();
    }
    let path = folder.join(name);
    if !path.is_file() {
        bail!("{} is not built: run `make build`", path.display());
    }
    Ok(path)
}

impl Process {
    /// Starts `command`, with its output appended to `log`.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("{name} could not be started"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM; waits at most `limit` for it to end by itself.
    pub async fn stop(&mut self, limit: std::time::Duration) -> Result<ExitStatus> {
        signal(self.id(), rustix::process::Signal::TERM)?;
        let name = self.name.clone();
        crate::eventually::eventually_within(&format!("{name} stops"), limit, || {
            let ended = self.child.try_wait();
            async move { ended.ok().flatten().ok_or("still running") }
        })
        .await
    }

    /// The end of its log, for errors.
    pub fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(40).collect();
        let lines: Vec<&str> = lines.into_iter().rev().collect();
        format!(
            "--- {} ({}) ---\n{}",
            self.name,
            self.log.display(),
            lines.join("\n")
        )
    }
}

/// Sends `signal` to the process `id`.
pub fn signal(id: u32, signal: rustix::process::Signal) -> Result<()> {
    let pid = rustix::process::Pid::from_raw(id.cast_signed()).context("a process id")?;
    rustix::process::kill_process(pid, signal).context("the process is gone")
}

impl Drop for Process {
    fn drop(&mut self) {
        // Its id may be another's by now.
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // An agent passes SIGTERM on to its workers; what does not end is killed.
        let _ = signal(self.id(), rustix::process::Signal::TERM);
        for _ in 0..60 {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            #[expect(clippy::disallowed_methods, reason = "a destructor can't await")]
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
