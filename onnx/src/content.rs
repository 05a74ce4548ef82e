//! The bytes of a file: small files are copied, large ones are mapped into memory.
//!
//! A mapping takes no memory for what nobody looks at, so that two gigabytes of weights can be
//! inspected in megabytes. Its price: if another program cuts the file short while it is mapped,
//! the kernel ends this process with SIGBUS when the missing part is looked at. So only files
//! beyond [`COPIED`] bytes are mapped, models are replaced by renaming ([`crate::write`] does) and
//! never overwritten, and files of strangers are inspected in a process of their own.
#![expect(unsafe_code, reason = "a file is mapped into memory")]

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr::NonNull;

use prost::bytes::Bytes;
use rustix::fs::OFlags;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::{Error, Result};

/// Files up to this many bytes are copied.
pub(crate) const COPIED: u64 = 16 << 20;

/// Opens a plain file for reading, with its length. A pipe or device is an error, and does not
/// block.
pub(crate) fn open_plain(path: &Path) -> Result<(File, u64)> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(Error::file(path))?;
    let metadata = file.metadata().map_err(Error::file(path))?;
    if !metadata.is_file() {
        let refused = std::io::Error::other("this is no plain file; give a file");
        return Err(Error::file(path)(refused));
    }
    Ok((file, metadata.len()))
}

/// The bytes of a file of at most `limit` bytes, shared by all clones.
pub(crate) fn content(path: &Path, limit: u64) -> Result<Bytes> {
    let (file, length) = open_plain(path)?;
    if length > limit {
        return Err(too_large(length, limit));
    }
    if length > COPIED {
        return map(&file, length as usize)
            .map(Bytes::from_owner)
            .map_err(|error| Error::file(path)(error.into()));
    }
    read_whole(file, length, limit, path).map(Bytes::from)
}

/// Reads a whole file of at most `limit` bytes.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let (file, length) = open_plain(path)?;
    if length > limit {
        return Err(too_large(length, limit));
    }
    read_whole(file, length, limit, path)
}

fn read_whole(mut file: File, length: u64, limit: u64, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length as usize);
    let read = (&mut file)
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(Error::file(path))?;
    if read as u64 > limit {
        return Err(too_large(read as u64, limit));
    }
    Ok(bytes)
}

pub(crate) fn too_large(actual: u64, limit: u64) -> Error {
    Error::TooLarge {
        what: "the model's size in bytes".into(),
        actual,
        limit,
    }
}

/// A file in the address space, for reading only.
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the pages are only ever read, and the pointer is used by nobody else.
unsafe impl Send for Mapping {}
// SAFETY: as above: shared reading needs no order.
unsafe impl Sync for Mapping {}

fn map(file: &File, length: usize) -> rustix::io::Result<Mapping> {
    // SAFETY: the kernel chooses the place, so nothing of ours is mapped over. `length` is not
    // zero and is that of the file; later changes are the subject of the module's text.
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
    let start = NonNull::new(start.cast()).ok_or(rustix::io::Errno::NOMEM)?;
    Ok(Mapping { start, length })
}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `map` got `length` readable bytes at `start`, and they stay until `drop`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is the one that `map` got, and no borrow outlives the owner.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
        debug_assert!(unmapped.is_ok(), "a range of our own: {unmapped:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_files_read_alike() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bytes");
        for length in [0, 1, COPIED, COPIED + 1] {
            let file = File::create(&path).unwrap();
            file.set_len(length).unwrap();
            if length > 0 {
                use std::os::unix::fs::FileExt;
                file.write_all_at(&[7], length - 1).unwrap();
            }
            let bytes = content(&path, COPIED + 1).unwrap();
            assert_eq!(bytes.len() as u64, length);
            assert_eq!(bytes.last().copied(), (length > 0).then_some(7));
            drop(file);
            // The mapping outlives the name.
            std::fs::remove_file(&path).unwrap();
            assert_eq!(
                bytes.slice(..bytes.len().min(1)).len() as u64,
                length.min(1)
            );
        }
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        for path in [pipe.as_path(), Path::new("/dev/zero"), folder.path()] {
            let error = content(path, 10).unwrap_err().to_string();
            assert!(error.contains("no plain file"), "{error}");
        }
        let path = folder.path().join("bytes");
        std::fs::write(&path, [0; 11]).unwrap();
        assert!(matches!(
            content(&path, 10),
            Err(Error::TooLarge { actual: 11, .. })
        ));
    }
}
