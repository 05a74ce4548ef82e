//! Child processes that must not outlive who started them.

use std::io;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// Has the kernel kill this process when `parent`, which started it, dies.
///
/// An error of kind `NotConnected` says that `parent` is gone already: end.
pub fn bind(parent: u32) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have died before that.
    if getppid().map(|pid| pid.as_raw_nonzero().get() as u32) == Some(parent) {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::NotConnected,
        "the process that started this one is gone",
    ))
}
