//! Commands to devices, with their replies.

use noroshi_protocol::{CommandId, Outcome, Reply};

use super::{Page, PageRequest, Store};
use crate::error::{Error, Result};

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct CommandRow {
    /// Its id.
    pub id: String,
    /// The device.
    pub device: String,
    /// The word of its kind, such as `diag`.
    pub kind: String,
    /// The pipeline that it is about, if it is about one.
    pub pipeline: Option<String>,
    /// Unix milliseconds.
    pub created_ms: i64,
    /// Unix milliseconds after which the device does not obey it.
    pub not_after_ms: i64,
    /// CBOR of the signed envelope.
    pub envelope: Vec<u8>,
    /// `done`, `failed` or `refused`, once the device has replied.
    pub outcome: Option<String>,
    /// The reply's text.
    pub reply: String,
}

const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Failed => "failed",
        Outcome::Refused => "refused",
    }
}

impl Store {
    /// Keeps a command before it is sent.
    pub async fn create_command(&self, row: &CommandRow) -> Result<()> {
        sqlx::query(
            "INSERT INTO command (id, device, kind, pipeline, created_ms, not_after_ms, envelope)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .bind(&row.id)
        .bind(&row.device)
        .bind(&row.kind)
        .bind(&row.pipeline)
        .bind(row.created_ms)
        .bind(row.not_after_ms)
        .bind(&row.envelope)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Keeps a reply of `device`; the first one stays.
    pub async fn note_reply(&self, device: &str, reply: &Reply) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE command SET outcome = ?3, reply = ?4
             WHERE id = ?1 AND device = ?2 AND outcome IS NULL",
        )
        .bind(reply.id.as_str())
        .bind(device)
        .bind(word(reply.outcome))
        .bind(&reply.text)
        .execute(&self.writer)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// One command of a device.
    pub async fn command(&self, device: &str, id: &CommandId) -> Result<CommandRow> {
        let row = sqlx::query_as("SELECT * FROM command WHERE id = ?1 AND device = ?2")
            .bind(id.as_str())
            .bind(device)
            .fetch_optional(&self.reader)
            .await?;
        row.ok_or_else(|| Error::not_found("command", id.as_str()))
    }

    /// A device's commands, newest first.
    pub async fn commands(&self, device: &str, request: &PageRequest) -> Result<Page<CommandRow>> {
        let (created, id) = request.after_pair()?.unzip();
        let created: Option<i64> = created.and_then(|text| text.parse().ok());
        let rows = sqlx::query_as(
            "SELECT * FROM command
             WHERE device = ?1 AND (?2 IS NULL OR (created_ms, id) < (?2, ?3))
             ORDER BY created_ms DESC, id DESC LIMIT ?4",
        )
        .bind(device)
        .bind(created)
        .bind(id)
        .bind(request.fetch())
        .fetch_all(&self.reader)
        .await?;
        Ok(request.page(rows, |row: &CommandRow| {
            serde_json::to_string(&(row.created_ms.to_string(), &row.id)).unwrap_or_default()
        }))
    }
}
