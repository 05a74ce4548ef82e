//! Which artifacts are here; their bytes are in the artifact store.

use noroshi_model::Digest;

use super::{Store, signed, unsigned};
use crate::error::Result;

impl Store {
    /// The length of an artifact in bytes, if it is here.
    pub async fn blob_length(&self, digest: &Digest) -> Result<Option<u64>> {
        let row: Option<(i64,)> = sqlx::query_as("SELECT length FROM blob WHERE sha256 = ?1")
            .bind(digest.to_string())
            .fetch_optional(&self.reader)
            .await?;
        Ok(row.map(|(length,)| unsigned(length)))
    }

    /// Notes that an artifact is here, after its bytes are durable.
    pub async fn note_blob(&self, digest: &Digest, length: u64, now_ms: u64) -> Result<()> {
        sqlx::query(
            "INSERT INTO blob (sha256, length, created_ms) VALUES (?1, ?2, ?3)
                     ON CONFLICT (sha256) DO NOTHING",
        )
        .bind(digest.to_string())
        .bind(signed(length))
        .bind(signed(now_ms))
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}
