//! Artifacts: files named by their SHA-256, through `object_store`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use noroshi_model::Digest;
use noroshi_service::files;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Location;
use object_store::{MultipartUpload, ObjectStoreExt};

use crate::error::{Error, Result};

/// Pieces in which a file is written.
const PIECE: usize = 1 << 20;

/// The artifact store: local files, synced before they count.
#[derive(Debug, Clone)]
pub struct Artifacts {
    files: Arc<LocalFileSystem>,
}

impl Artifacts {
    /// The store in `folder`.
    pub fn open(folder: &Path) -> Result<Self> {
        files::create_private_folder(folder)?;
        let files = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self {
            files: Arc::new(files),
        })
    }

    fn location(digest: &Digest) -> Location {
        let name = digest.to_string();
        Location::from(format!("{}/{name}", &name[..2]))
    }

    /// Where the file is; it may not be there.
    pub fn path(&self, digest: &Digest) -> Result<PathBuf> {
        Ok(self.files.path_to_filesystem(&Self::location(digest))?)
    }

    /// Keeps a small file.
    pub async fn put(&self, bytes: Vec<u8>) -> Result<Digest> {
        let digest = Digest::of(&bytes);
        self.files
            .put(&Self::location(&digest), bytes.into())
            .await?;
        Ok(digest)
    }

    /// Keeps what `stream` brings if it is exactly the file asked for; answers its length.
    /// Nothing is visible before that.
    pub async fn receive<S, E>(&self, digest: &Digest, limit: u64, mut stream: S) -> Result<u64>
    where
        S: Stream<Item = std::result::Result<Bytes, E>> + Unpin,
        E: std::fmt::Display,
    {
        let mut upload = self.files.put_multipart(&Self::location(digest)).await?;
        match copy(&mut *upload, digest, limit, &mut stream).await {
            Ok(length) => {
                upload.complete().await?;
                Ok(length)
            }
            Err(error) => {
                // The error that matters is the first; what is left is removed at the next start.
                let _ = upload.abort().await;
                Err(error)
            }
        }
    }
}

async fn copy<S, E>(
    upload: &mut dyn MultipartUpload,
    digest: &Digest,
    limit: u64,
    stream: &mut S,
) -> Result<u64>
where
    S: Stream<Item = std::result::Result<Bytes, E>> + Unpin,
    E: std::fmt::Display,
{
    let mut context = Context::new(&SHA256);
    let mut length = 0;
    let mut piece = BytesMut::with_capacity(PIECE);
    while let Some(bytes) = stream.next().await {
        let bytes = bytes.map_err(|error| {
            Error::invalid(format!(
                "the upload broke off: {error}; send the file again"
            ))
        })?;
        length += bytes.len() as u64;
        if length > limit {
            return Err(Error::TooLarge {
                what: "a file",
                limit,
            });
        }
        context.update(&bytes);
        piece.extend_from_slice(&bytes);
        if piece.len() >= PIECE {
            upload.put_part(piece.split().freeze().into()).await?;
        }
    }
    if !piece.is_empty() {
        upload.put_part(piece.freeze().into()).await?;
    }
    if context.finish().as_ref() != digest.as_bytes() {
        let detail = format!(
            "the {length} bytes that came are not the file {}; send the file whose SHA-256 is in \
             the address",
            digest.short()
        );
        return Err(Error::Invalid {
            code: "digest_mismatch",
            detail,
        });
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn pieces(bytes: &[u8]) -> impl Stream<Item = std::result::Result<Bytes, String>> + Unpin {
        let pieces: Vec<_> = bytes
            .chunks(700_000)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        stream::iter(pieces)
    }

    #[tokio::test]
    async fn only_the_named_file_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(folder.path()).unwrap();
        let file: Vec<u8> = (0..3_000_000_u32).map(|n| n as u8).collect();
        let digest = Digest::of(&file);
        let path = artifacts.path(&digest).unwrap();
        let short = artifacts
            .receive(&digest, 1 << 30, pieces(&file[1..]))
            .await
            .unwrap_err();
        assert!(matches!(
            short,
            Error::Invalid {
                code: "digest_mismatch",
                ..
            }
        ));
        let long = artifacts
            .receive(&digest, 1_000_000, pieces(&file))
            .await
            .unwrap_err();
        assert!(matches!(long, Error::TooLarge { .. }));
        assert!(!path.exists());
        let length = artifacts
            .receive(&digest, 1 << 30, pieces(&file))
            .await
            .unwrap();
        assert_eq!(length, 3_000_000);
        assert_eq!(std::fs::read(path).unwrap(), file);
    }
}
