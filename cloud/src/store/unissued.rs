//! Whose document does not say yet what the store says.

use super::{Store, WriteTransaction};
use crate::error::Result;

/// A device, or a site as `<site>/gateway`, whose document has to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Unissued {
    /// Whose.
    pub peer: String,
    /// Rises when it is marked again.
    pub mark: i64,
}

impl Store {
    /// All of them.
    pub async fn unissued(&self) -> Result<Vec<Unissued>> {
        let rows = sqlx::query_as("SELECT peer, mark FROM unissued ORDER BY peer")
            .fetch_all(&self.reader)
            .await?;
        Ok(rows)
    }

    /// The document says what it should, unless it was marked again meanwhile.
    pub async fn note_issued(&self, issued: &Unissued) -> Result<()> {
        sqlx::query("DELETE FROM unissued WHERE peer = ?1 AND mark = ?2")
            .bind(&issued.peer)
            .bind(issued.mark)
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

/// Marks the document of `peer`.
pub(super) async fn mark_unissued(transaction: &mut WriteTransaction, peer: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO unissued (peer) VALUES (?1) ON CONFLICT (peer) DO UPDATE SET mark = mark + 1",
    )
    .bind(peer)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Marks the documents of every site with a gateway.
pub(super) async fn mark_every_gateway(transaction: &mut WriteTransaction) -> Result<()> {
    sqlx::query(
        "INSERT INTO unissued (peer)
         SELECT id FROM peer WHERE kind = 'gateway' AND revoked_ms IS NULL
         ON CONFLICT (peer) DO UPDATE SET mark = mark + 1",
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
