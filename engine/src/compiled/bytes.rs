//! A compiled file's bytes for as long as its session lives: copied, or mapped from the file.
//!
//! A mapping takes no time to copy, and what the runtime has made its own copy of takes no memory
//! any more. Its price: who cuts the file short or overwrites it while the model runs ends this
//! process, or changes its answers. Models are replaced by renaming and never overwritten, and a
//! worker is a process of its own.
#![expect(unsafe_code, reason = "a file is mapped into memory")]

use std::fs::File;
use std::ptr::NonNull;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};

/// The bytes, which stay where they are.
pub(crate) enum Bytes {
    /// In memory of our own.
    Copied(Vec<u8>),
    /// Of a file.
    Mapped(Mapping),
}

/// A file mapped for reading.
pub(crate) struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping is only ever read, and belongs to whoever holds this value.
unsafe impl Send for Mapping {}

impl Bytes {
    /// Maps the first `length` bytes of `file`, at least one; it must be as long.
    pub(crate) fn map(file: &File, length: usize) -> std::io::Result<Self> {
        // SAFETY: the address is the kernel's choice, so that nothing of ours is mapped over, and
        // the result is checked below.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                length,
                ProtFlags::READ,
                MapFlags::PRIVATE,
                file,
                0,
            )
        }?;
        let start = NonNull::new(start.cast())
            .ok_or_else(|| std::io::Error::other("the kernel mapped the file to address 0"))?;
        Ok(Self::Mapped(Mapping { start, length }))
    }

    /// Gives mapped pages back to the system; they come again when they are looked at.
    pub(crate) fn let_go(&self) {
        if let Self::Mapped(Mapping { start, length }) = self {
            // SAFETY: exactly the mapping; its pages are those of the file, unchanged, so that
            // whoever reads them afterwards finds the same bytes.
            let done = unsafe { madvise(start.as_ptr().cast(), *length, Advice::LinuxDontNeed) };
            // Advice that is not taken costs memory and nothing else.
            let _ = done;
        }
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Copied(bytes) => bytes,
            // SAFETY: the mapping is readable, of this length, and lives as long as `self`; nobody
            // in this process writes to it.
            Self::Mapped(Mapping { start, length }) => unsafe {
                std::slice::from_raw_parts(start.as_ptr(), *length)
            },
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping that was made, and nobody borrows from it any more.
        let done = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
        debug_assert!(done.is_ok(), "the mapping was there");
    }
}
