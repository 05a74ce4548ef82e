//! Frames from a command that agent.toml names.

use std::io::{BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::rc::Rc;

use super::decode::Decoder;
use super::rows::Lines;
use super::{Exec, ExecFormat, Next, Picture, Pictures, mjpeg, raw};
use crate::AgentError;
use crate::ring::PixelFormat;

pub(super) struct ExecPictures {
    format: ExecFormat,
    max_pixels: u32,
    decoder: Decoder,
    child: Child,
    /// Read line by line only for rows.
    output: Lines<BufReader<ChildStdout>>,
    count: u64,
}

impl ExecPictures {
    /// Starts the command and writes `settings` to its standard input.
    pub(super) fn start(exec: &Exec, max_pixels: u32, settings: &str) -> Result<Self, AgentError> {
        let program = exec.argv.first().map_or("", String::as_str);
        let mut child = Command::new(crate::program())
            .arg("exec-guard")
            .arg("--")
            .args(&exec.argv)
            .env_clear()
            .envs(&exec.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(AgentError::io(format!("start {program}")))?;
        let gone = || AgentError::Source("the command has no pipes".into());
        let mut input = child.stdin.take().ok_or_else(gone)?;
        let output = child.stdout.take().ok_or_else(gone)?;
        // A command that does not read its settings is fine; a long text could then block, so
        // that settings are bounded to less than a pipe holds.
        let written = input.write_all(settings.as_bytes());
        tracing::debug!(settings.delivered = written.is_ok(), "command started");
        drop(input);
        Ok(Self {
            format: exec.format,
            max_pixels,
            decoder: Decoder::new(max_pixels),
            child,
            output: Lines::new(BufReader::with_capacity(64 << 10, output)),
            count: 0,
        })
    }

    fn ended(&mut self) -> AgentError {
        let status = self
            .child
            .wait()
            .map_or_else(|e| e.to_string(), |status| status.to_string());
        AgentError::Source(format!("the command ended: {status}"))
    }
}

impl Pictures for ExecPictures {
    fn next(&mut self) -> Result<Next, AgentError> {
        let name = self.count.to_string();
        self.count += 1;
        let frame = match self.format {
            ExecFormat::Rows => {
                let row = self.output.next()?;
                return row.map_or_else(|| Err(self.ended()), Ok);
            }
            ExecFormat::Rgb => raw::read_rgb(self.output.from(), self.max_pixels)?,
            ExecFormat::Ppm => raw::read_ppm(self.output.from(), self.max_pixels)?,
            ExecFormat::Mjpeg => {
                let Some(bytes) = mjpeg::read_jpeg(self.output.from())? else {
                    return Err(self.ended());
                };
                return Ok(match self.decoder.bytes(name.clone(), &bytes) {
                    Ok(picture) => Next::Picture(picture),
                    Err(why) => Next::Unreadable { name, why },
                });
            }
        };
        let Some((width, height, pixels)) = frame else {
            return Err(self.ended());
        };
        Ok(Next::Picture(Picture {
            name,
            width,
            height,
            format: PixelFormat::Rgb8,
            pixels: Rc::new(pixels),
        }))
    }
}

impl Drop for ExecPictures {
    fn drop(&mut self) {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        tracing::debug!(command.ended = killed.is_ok(), "command stopped");
    }
}

/// Becomes `argv`, after binding its life to the source process: what `exec-guard` runs.
pub fn guard(argv: &[String]) -> Result<(), AgentError> {
    let (program, arguments) = argv
        .split_first()
        .ok_or_else(|| AgentError::Config("exec-guard needs a command".into()))?;
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .map_err(AgentError::os("bind to the source's life"))?;
    let refused = Command::new(program).args(arguments).exec();
    Err(AgentError::io(format!("start {program}"))(refused))
}
