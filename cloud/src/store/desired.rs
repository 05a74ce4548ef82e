//! Signed documents for devices and gateways: kept before they are sent.

use super::{Store, signed, unsigned};
use crate::error::Result;

/// A desired document (for a device) or a site plan (for a gateway).
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct DesiredRow {
    /// The device, or `<site>/gateway`.
    pub peer: String,
    /// The document's sequence.
    pub sequence: i64,
    /// Unix milliseconds.
    pub issued_ms: i64,
    /// Unix milliseconds.
    pub expires_ms: i64,
    /// CBOR of protocol's `Desired` or `SiteDesired`.
    pub payload: Vec<u8>,
    /// CBOR of the envelope around it: what is sent.
    pub envelope: Vec<u8>,
}

impl Store {
    /// The newest document of a peer.
    pub async fn desired(&self, peer: &str) -> Result<Option<DesiredRow>> {
        let row = sqlx::query_as("SELECT * FROM desired WHERE peer = ?1")
            .bind(peer)
            .fetch_optional(&self.reader)
            .await?;
        Ok(row)
    }

    /// Every document, to be published at the start.
    pub async fn every_desired(&self) -> Result<Vec<DesiredRow>> {
        let rows = sqlx::query_as("SELECT * FROM desired ORDER BY peer")
            .fetch_all(&self.reader)
            .await?;
        Ok(rows)
    }

    /// Peers whose document expires before `until_ms`.
    pub async fn expiring_desired(&self, until_ms: u64) -> Result<Vec<String>> {
        let rows: Vec<(String,)> =
            sqlx::query_as("SELECT peer FROM desired WHERE expires_ms < ?1 ORDER BY peer")
                .bind(signed(until_ms))
                .fetch_all(&self.reader)
                .await?;
        Ok(rows.into_iter().map(|(peer,)| peer).collect())
    }

    /// The sequence of a peer's newest document; 0 before the first.
    pub async fn desired_sequence(&self, peer: &str) -> Result<u64> {
        let row: Option<(i64,)> = sqlx::query_as("SELECT sequence FROM desired WHERE peer = ?1")
            .bind(peer)
            .fetch_optional(&self.writer)
            .await?;
        Ok(row.map_or(0, |(sequence,)| unsigned(sequence)))
    }

    /// Forgets the document of a peer that was revoked.
    pub async fn forget_desired(&self, peer: &str) -> Result<()> {
        sqlx::query("DELETE FROM desired WHERE peer = ?1")
            .bind(peer)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Keeps a document unless one of the same or a higher sequence is there.
    pub async fn keep_desired(&self, row: &DesiredRow) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO desired (peer, sequence, issued_ms, expires_ms, payload, envelope)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (peer) DO UPDATE SET sequence = excluded.sequence,
                issued_ms = excluded.issued_ms, expires_ms = excluded.expires_ms,
                payload = excluded.payload, envelope = excluded.envelope
                WHERE excluded.sequence > desired.sequence",
        )
        .bind(&row.peer)
        .bind(row.sequence)
        .bind(row.issued_ms)
        .bind(row.expires_ms)
        .bind(&row.payload)
        .bind(&row.envelope)
        .execute(&self.writer)
        .await?;
        Ok(done.rows_affected() > 0)
    }
}
