//! What the agent checks before a ring goes to a worker.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags, SealFlags, fcntl_get_seals, fstat, open};

use super::Geometry;
use crate::AgentError;

/// The seals that every ring must carry.
pub(super) fn required() -> SealFlags {
    SealFlags::SHRINK | SealFlags::GROW | SealFlags::FUTURE_WRITE | SealFlags::SEAL
}

/// Refuses a descriptor that is not a sealed memfd of exactly the ring's size.
pub fn check_seals(fd: impl AsFd, geometry: &Geometry) -> Result<(), AgentError> {
    geometry.check()?;
    let seals = fcntl_get_seals(fd.as_fd())
        .map_err(|_| AgentError::Ring("the descriptor is not sealable memory".into()))?;
    if !seals.contains(required()) {
        return Err(AgentError::Ring(
            "not sealed against shrinking, growing and later writable maps".into(),
        ));
    }
    let size = fstat(fd.as_fd())
        .map_err(AgentError::os("stat a frame ring"))?
        .st_size;
    if u64::try_from(size).ok() != Some(geometry.total_bytes() as u64) {
        return Err(AgentError::Ring(format!(
            "it has {size} bytes, its geometry says {}",
            geometry.total_bytes()
        )));
    }
    Ok(())
}

/// The same memory through a new descriptor that can only be read.
pub fn reopen_read_only(fd: impl AsFd) -> Result<OwnedFd, AgentError> {
    let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(AgentError::os("open a frame ring for reading"))
}
