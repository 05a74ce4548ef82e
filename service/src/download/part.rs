//! The part of a file that is there already.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;
use tokio::io::AsyncWriteExt;

use super::{Download, DownloadError, blocking, remove};
use crate::files::{self, FileError, is_storage_full};

/// The most bytes an ETag may have to be kept.
const MAX_ETAG_BYTES: u64 = 512;

/// `<sha256>.part`, its digest so far, and the ETag of the source it came from.
pub(super) struct Part {
    file: tokio::fs::File,
    path: PathBuf,
    etag_path: PathBuf,
    etag: Option<String>,
    context: Context,
    done: u64,
}

impl Part {
    /// Opens what is there, or starts anew; more than the whole is not ours and thrown away.
    pub(super) async fn open(download: &Download) -> Result<Self, DownloadError> {
        let final_path = download.path();
        let (path, etag_path) = (
            suffixed(&final_path, ".part"),
            suffixed(&final_path, ".etag"),
        );
        let length = download.length;
        let opened = blocking({
            let (path, etag_path) = (path.clone(), etag_path.clone());
            move || open(&path, &etag_path, length)
        });
        let (file, context, done, etag) = opened.await?;
        Ok(Self {
            file: tokio::fs::File::from_std(file),
            path,
            etag_path,
            etag,
            context,
            done,
        })
    }

    /// Bytes there.
    pub(super) fn done(&self) -> u64 {
        self.done
    }

    /// The ETag of the source that the bytes came from.
    pub(super) fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// The source sends the file from its beginning, under this ETag.
    pub(super) async fn restart(&mut self, etag: Option<String>) -> Result<(), DownloadError> {
        self.file
            .set_len(0)
            .await
            .map_err(|error| self.io("write", error))?;
        self.context = Context::new(&SHA256);
        self.done = 0;
        self.etag = None;
        // A weak ETag promises nothing about bytes.
        if let Some(etag) = etag.filter(|etag| !etag.starts_with("W/")) {
            files::write_atomic(&self.etag_path, etag.as_bytes())
                .map_err(|error| self.full_or(error))?;
            self.etag = Some(etag);
        }
        Ok(())
    }

    /// Appends a piece.
    pub(super) async fn append(&mut self, piece: &[u8]) -> Result<(), DownloadError> {
        self.file
            .write_all(piece)
            .await
            .map_err(|error| self.io("write", error))?;
        self.context.update(piece);
        self.done += piece.len() as u64;
        Ok(())
    }

    /// Makes what is there durable, so that the next attempt goes on from it.
    pub(super) async fn sync(&mut self) -> Result<(), DownloadError> {
        self.file
            .flush()
            .await
            .map_err(|error| self.io("write", error))?;
        self.file
            .sync_all()
            .await
            .map_err(|error| self.io("sync", error))
    }

    /// Throws away what is there.
    pub(super) fn discard(&self) -> Result<(), DownloadError> {
        remove(&self.path)?;
        remove(&self.etag_path)?;
        Ok(())
    }

    /// The whole file is there: verifies it and gives it its name.
    pub(super) async fn complete(mut self, download: &Download) -> Result<PathBuf, DownloadError> {
        self.sync().await?;
        let digest = files::finish(self.context.clone());
        if digest != download.sha256 {
            self.discard()?;
            return Err(DownloadError::Corrupt {
                got: HEXLOWER.encode(&digest),
            });
        }
        let target = download.path();
        std::fs::rename(&self.path, &target).map_err(|error| self.io("rename", error))?;
        remove(&self.etag_path)?;
        files::sync_folder(&download.folder)?;
        Ok(target)
    }

    fn io(&self, action: &'static str, source: io::Error) -> DownloadError {
        self.full_or(FileError::Io {
            action,
            path: self.path.clone(),
            source,
        })
    }

    fn full_or(&self, error: FileError) -> DownloadError {
        if error.is_storage_full() {
            let folder = self.path.parent().unwrap_or(Path::new("."));
            let free = files::free_space(folder).unwrap_or(0);
            return DownloadError::InsufficientStorage {
                needed: free + 1,
                free,
            };
        }
        error.into()
    }
}

fn open(
    path: &Path,
    etag_path: &Path,
    length: u64,
) -> Result<(File, Context, u64, Option<String>), DownloadError> {
    let failed = |source: io::Error| -> DownloadError {
        if is_storage_full(&source) {
            let free = path
                .parent()
                .and_then(|folder| files::free_space(folder).ok());
            let free = free.unwrap_or(0);
            return DownloadError::InsufficientStorage {
                needed: length,
                free,
            };
        }
        FileError::Io {
            action: "open",
            path: path.to_owned(),
            source,
        }
        .into()
    };
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .append(true)
        .open(path)
        .map_err(failed)?;
    let mut context = Context::new(&SHA256);
    let mut done = file.metadata().map_err(failed)?.len();
    if done > length {
        file.set_len(0).map_err(failed)?;
        done = 0;
    } else {
        done = files::digest_into(&mut file, &mut context).map_err(failed)?;
    }
    let etag = match files::read_bounded(etag_path, MAX_ETAG_BYTES) {
        Ok(etag) if done > 0 => String::from_utf8(etag).ok(),
        _ => None,
    };
    Ok((file, context, done, etag))
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
