//! Downloads of large files named by their SHA-256: resumable, bounded, verified before use.
//!
//! A file under way is `<sha256>.part` in the target folder, so a power cut or a cut link costs
//! only what was not yet written. It becomes `<sha256>` when its length and digest are what the
//! signed metadata says, and not before. Whether and when to try again is the caller's: see
//! [`DownloadError`].

mod part;
mod request;

use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;

use crate::files::{self, FileError, Sha256Digest};
use part::Part;

/// A file to be fetched; all of it comes from signed metadata but the URL.
#[derive(Debug, Clone)]
pub struct Download {
    /// Where it is.
    pub url: String,
    /// What it must be.
    pub sha256: Sha256Digest,
    /// How many bytes it must have.
    pub length: u64,
    /// The folder it goes to, under its digest's name.
    pub folder: PathBuf,
    /// Bytes that must stay free on that file system besides the file.
    pub reserve: u64,
    /// How long to wait for the next piece of the body.
    pub patience: Duration,
}

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes on disk, those of earlier attempts included.
    pub done: u64,
    /// Bytes in all.
    pub length: u64,
}

/// What became of a download; the variants are the caller's decisions.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// Try again, after a backoff or after what the server asked for; what is there is kept.
    #[error("the download was interrupted: {reason}")]
    Retry {
        /// Why, with its causes.
        reason: String,
        /// The server's `Retry-After`.
        after: Option<Duration>,
    },
    /// The bytes are not the ones that were signed. Thrown away; another source may help.
    #[error("the bytes are not the signed ones (got {got}); the source is broken or lies")]
    Corrupt {
        /// The digest of what came, in hexadecimal.
        got: String,
    },
    /// The server sends more than was signed. Thrown away; another source may help.
    #[error("the source sends more than the signed {length} bytes")]
    TooLarge {
        /// What was signed.
        length: u64,
    },
    /// The source does not have it (yet).
    #[error("the source does not have the file")]
    NotFound,
    /// The source refuses us.
    #[error("the source refuses with HTTP status {status}")]
    Refused {
        /// The status.
        status: u16,
    },
    /// There is no room; free some, then try again.
    #[error("not enough room: {needed} bytes are needed, {free} are free")]
    InsufficientStorage {
        /// What is missing of the file, and the reserve.
        needed: u64,
        /// What is free.
        free: u64,
    },
    /// The folder cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl DownloadError {
    pub(crate) fn retry(reason: impl Into<String>) -> Self {
        Self::Retry {
            reason: reason.into(),
            after: None,
        }
    }
}

impl Download {
    /// A download with a minute's patience and no reserve.
    pub fn new(
        url: impl Into<String>,
        sha256: Sha256Digest,
        length: u64,
        folder: impl Into<PathBuf>,
    ) -> Self {
        Self {
            url: url.into(),
            sha256,
            length,
            folder: folder.into(),
            reserve: 0,
            patience: Duration::from_secs(60),
        }
    }

    /// Where the file will be.
    pub fn path(&self) -> PathBuf {
        self.folder.join(HEXLOWER.encode(&self.sha256))
    }

    /// Fetches the file, or finds it there already; answers its path.
    ///
    /// Only one download of one digest may run at a time in one folder.
    pub async fn fetch(
        &self,
        client: &reqwest::Client,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<PathBuf, DownloadError> {
        if self.is_there().await? {
            progress(Progress {
                done: self.length,
                length: self.length,
            });
            return Ok(self.path());
        }
        files::create_private_folder(&self.folder)?;
        let mut part = Part::open(self).await?;
        progress(Progress {
            done: part.done(),
            length: self.length,
        });
        if part.done() < self.length || self.length == 0 {
            self.preflight(part.done())?;
            request::fill(self, client, &mut part, &mut progress).await?;
        }
        part.complete(self).await
    }

    /// A file under its final name was verified before it got it; it is verified again since
    /// storage fails, and a bad one makes room for a new one.
    async fn is_there(&self) -> Result<bool, DownloadError> {
        let (path, length, sha256) = (self.path(), self.length, self.sha256);
        let checked = blocking(move || match files::digest(&path) {
            Ok((digest, found)) if digest == sha256 && found == length => Ok(true),
            Ok(_) => remove(&path).map(|()| false),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        });
        Ok(checked.await?)
    }

    fn preflight(&self, done: u64) -> Result<(), DownloadError> {
        let needed = (self.length - done).saturating_add(self.reserve);
        let free = files::free_space(&self.folder)?;
        if free < needed {
            return Err(DownloadError::InsufficientStorage { needed, free });
        }
        Ok(())
    }
}

fn remove(path: &Path) -> Result<(), FileError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(FileError::Io {
            action: "remove",
            path: path.to_owned(),
            source: error,
        }),
        _ => Ok(()),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
