//! The mapping itself: the only place that touches raw memory.
#![expect(
    unsafe_code,
    reason = "memory shared between processes is reached through a pointer from mmap"
)]

use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::AgentError;

/// Shared memory as atomic words. Another process may write it at any time, so that every access
/// is atomic and nothing read is believed.
pub(super) struct Mapping {
    start: NonNull<AtomicU64>,
    words: usize,
}

/// What a mapping may be used for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    ReadAndWrite,
}

// SAFETY: the mapping is owned by this value alone, lives until it is dropped and is reached
// through atomics only, which any thread may use.
unsafe impl Send for Mapping {}
// SAFETY: as above; shared references give out atomics only.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `words` eight-byte words of `fd`. The caller has made sure that the file is
    /// that long and sealed against shrinking, else a read could end in SIGBUS.
    pub(super) fn new(
        fd: BorrowedFd<'_>,
        words: usize,
        access: Access,
    ) -> Result<Self, AgentError> {
        let protection = match access {
            Access::Read => ProtFlags::READ,
            Access::ReadAndWrite => ProtFlags::READ | ProtFlags::WRITE,
        };
        // SAFETY: a null hint lets the kernel choose fresh addresses, so no live memory is
        // replaced; the length is not zero because a geometry has at least two slots.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                words * 8,
                protection,
                MapFlags::SHARED,
                fd,
                0,
            )
        }
        .map_err(AgentError::os("map a frame ring"))?;
        let start = NonNull::new(start.cast())
            .ok_or_else(|| AgentError::Ring("mapped at address zero".into()))?;
        Ok(Self { start, words })
    }

    /// The memory. Words of a read-only mapping must only be loaded.
    pub(super) fn words(&self) -> &[AtomicU64] {
        // SAFETY: `start` is page-aligned, valid for `words` words until drop, and the type has
        // interior mutability, so that writes by others are allowed.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.words) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly the range that `new` mapped; no reference outlives `self`.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.words * 8) };
        debug_assert!(unmapped.is_ok());
    }
}
