//! Files that survive a power cut, and reads that are bounded before they are believed.
//!
//! These functions block; call them from a blocking thread where a daemon must not wait.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

/// A SHA-256 digest.
pub type Sha256Digest = [u8; 32];

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: read, write, sync, rename.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What it answered.
        source: io::Error,
    },
    /// The file is larger than it may be.
    #[error("{} is larger than the {limit} bytes it may have", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes it may have.
        limit: u64,
    },
    /// A secret is there already and is never overwritten.
    #[error("{} exists already; move it away if it should be replaced", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
}

impl FileError {
    /// Whether the file is simply not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether the disk or the quota is full.
    pub fn is_storage_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_storage_full(source))
    }
}

/// Whether an error says that the disk or the quota is full.
pub fn is_storage_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

pub(crate) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Io {
        action,
        path,
        source,
    }
}

/// Replaces `path` with `bytes` so that after a power cut either the old or the new content is
/// there: a temporary file in the same folder, synced, renamed over, folder synced.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_replacing(path, bytes, 0o644)
}

/// Like [`write_atomic`] with mode 0600 from the first moment.
pub fn replace_secret(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_replacing(path, bytes, 0o600)
}

/// Writes a secret with mode 0600, durable, and never over an existing file.
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let temporary = write_temporary(path, bytes, 0o600)?;
    // A hard link fails if the name is taken, and the name appears with its whole content.
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary).map_err(io_error("remove", &temporary))?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(FileError::Exists {
            path: path.to_owned(),
        }),
        other => other.map_err(io_error("write", path)),
    }?;
    sync_folder(folder_of(path))
}

fn write_replacing(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let temporary = write_temporary(path, bytes, mode)?;
    fs::rename(&temporary, path).map_err(|error| {
        // Best effort: the error that matters is the rename's.
        let _ = fs::remove_file(&temporary);
        io_error("rename to", path)(error)
    })?;
    sync_folder(folder_of(path))
}

fn write_temporary(path: &Path, bytes: &[u8], mode: u32) -> Result<PathBuf, FileError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let temporary = folder_of(path).join(format!(".{name}.{}-{count}.tmp", std::process::id()));
    let written = (|| {
        // What a crash of an earlier process with our id left there is nobody's.
        let _ = fs::remove_file(&temporary);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    })();
    written.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        io_error("write", path)(error)
    })?;
    Ok(temporary)
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Makes renames and new names in a folder durable.
pub fn sync_folder(folder: &Path) -> Result<(), FileError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(io_error("sync", folder))
}

/// Creates a folder and its parents if they are not there. The last one gets mode 0700, since
/// what daemons keep is nobody else's.
pub fn create_private_folder(folder: &Path) -> Result<(), FileError> {
    use std::os::unix::fs::DirBuilderExt;
    if folder.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(io_error("create", folder))
}

/// Reads a whole file of at most `limit` bytes; never reads more than that.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(io_error("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(FileError::TooLarge {
            path: path.to_owned(),
            limit,
        });
    }
    Ok(bytes)
}

/// The SHA-256 and the length of a file, read in pieces.
pub fn digest(path: &Path) -> Result<(Sha256Digest, u64), FileError> {
    let mut file = File::open(path).map_err(io_error("read", path))?;
    let mut context = Context::new(&SHA256);
    let length = digest_into(&mut file, &mut context).map_err(io_error("read", path))?;
    Ok((finish(context), length))
}

/// Feeds everything that `reader` has into `context`; answers how many bytes that was.
pub(crate) fn digest_into(reader: &mut impl Read, context: &mut Context) -> io::Result<u64> {
    let mut buffer = vec![0; 64 * 1024];
    let mut length = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(length),
            Ok(count) => {
                context.update(&buffer[..count]);
                length += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

pub(crate) fn finish(context: Context) -> Sha256Digest {
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// The SHA-256 of bytes at hand.
pub fn sha256(bytes: &[u8]) -> Sha256Digest {
    let mut context = Context::new(&SHA256);
    context.update(bytes);
    finish(context)
}

/// Bytes that an unprivileged process may still write on the file system that holds `path`.
pub fn free_space(path: &Path) -> Result<u64, FileError> {
    let space = rustix::fs::statvfs(path)
        .map_err(|error| io_error("ask the free space of", path)(error.into()))?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// The ports a daemon listens on, as `ports.json` tells them; absent ones are not listened on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ports {
    /// Console, API and MQTT over WebSocket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<u16>,
    /// Device-facing HTTPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_https: Option<u16>,
    /// The broker over TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mqtts: Option<u16>,
}

const PORTS_FILE: &str = "ports.json";

/// Writes `ports.json` into a daemon's state folder, once it listens.
pub fn write_ports(state_folder: &Path, ports: Ports) -> Result<(), FileError> {
    let bytes = serde_json::to_vec(&ports).expect("three numbers are always JSON");
    write_atomic(&state_folder.join(PORTS_FILE), &bytes)
}

/// Reads `ports.json` from a daemon's state folder; `None` while it does not listen yet.
pub fn read_ports(state_folder: &Path) -> Result<Option<Ports>, FileError> {
    match read_bounded(&state_folder.join(PORTS_FILE), 4096) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_atomic_write_replaces_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(read_bounded(&path, 3).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_secret_is_private_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pk8");
        write_secret(&path, b"first").unwrap();
        assert!(matches!(
            write_secret(&path, b"second"),
            Err(FileError::Exists { .. })
        ));
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_read_is_bounded() {
        let error = read_bounded(Path::new("/dev/zero"), 10).unwrap_err();
        assert!(matches!(error, FileError::TooLarge { limit: 10, .. }));
        assert!(
            read_bounded(Path::new("/nonexistent"), 10)
                .unwrap_err()
                .is_not_found()
        );
    }

    #[test]
    fn a_digest_is_sha_256() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        fs::write(&path, b"abc").unwrap();
        let (digest, length) = digest(&path).unwrap();
        assert_eq!(length, 3);
        assert_eq!(
            data_encoding::HEXLOWER.encode(&digest),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(sha256(b"abc"), digest);
    }

    #[test]
    fn ports_are_told_once_they_are_known() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_ports(folder.path()).unwrap(), None);
        let ports = Ports {
            mqtts: Some(8883),
            ..Ports::default()
        };
        write_ports(folder.path(), ports).unwrap();
        assert_eq!(read_ports(folder.path()).unwrap(), Some(ports));
        assert_eq!(
            fs::read(folder.path().join("ports.json")).unwrap(),
            br#"{"mqtts":8883}"#
        );
    }

    #[test]
    fn free_space_is_asked_for() {
        assert!(free_space(Path::new("/")).is_ok());
    }
}
