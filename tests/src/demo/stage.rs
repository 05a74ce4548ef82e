//! What the demo says while it goes on.

use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::fleet::Fleet;
use crate::process::program;

/// One line of what happens now.
pub(super) fn say(what: &str) {
    eprintln!("demo: {what}");
}

/// Says a step when it is done, and how long it took; names it if it failed.
pub(super) fn step<T>(what: &str, act: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let done = act().with_context(|| format!("step failed: {what}"))?;
    say(&format!(
        "{what}: ready ({:.0} s)",
        start.elapsed().as_secs_f64()
    ));
    Ok(done)
}

/// `noroshi watch` with its lines on this terminal.
pub(super) fn watch(fleet: &Fleet) -> Result<Watching> {
    let child = Command::new(program("noroshi")?)
        .env("XDG_CONFIG_HOME", fleet.path().join("home"))
        .arg("watch")
        .stdin(Stdio::null())
        .spawn()?;
    Ok(Watching(child))
}

/// The running `noroshi watch`; dropping it ends it.
pub(super) struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
