//! Orders to compress models.

use super::{Page, PageRequest, Store, signed};
use crate::error::{Error, Result};

/// An order and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct CompressionRow {
    /// Its id.
    pub id: String,
    /// The model that gets the version.
    pub model: String,
    /// The order as it was accepted, JSON.
    pub request: String,
    /// `queued`, `running`, `succeeded` or `failed`.
    pub state: String,
    /// How often a worker was started for it.
    pub attempts: i64,
    /// When it was ordered, Unix milliseconds.
    pub created_ms: i64,
    /// Who ordered it.
    pub created_by: String,
    /// When the newest worker was started.
    pub started_ms: Option<i64>,
    /// When it ended.
    pub finished_ms: Option<i64>,
    /// The version that came of it.
    pub version: Option<i64>,
    /// What it cost, JSON.
    pub report: Option<String>,
    /// Why it failed.
    pub reason: Option<String>,
}

/// A new order.
#[derive(Debug, Clone)]
pub struct NewCompression {
    /// Its id.
    pub id: String,
    /// The model.
    pub model: String,
    /// The order, JSON.
    pub request: String,
    /// Who ordered it.
    pub created_by: String,
}

/// How an order ended.
#[derive(Debug, Clone)]
pub enum Ended {
    /// With a version and what it cost, JSON.
    Succeeded {
        /// The version.
        version: u32,
        /// The report.
        report: String,
    },
    /// With a reason.
    Failed(String),
}

impl Store {
    /// Keeps a new order, unless `most` are waiting already.
    pub async fn order_compression(
        &self,
        new: &NewCompression,
        most: i64,
        now_ms: u64,
    ) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO compression (id, model, request, state, created_ms, created_by)
             SELECT ?1, ?2, ?3, 'queued', ?4, ?5
             WHERE (SELECT count(*) FROM compression WHERE state IN ('queued', 'running')) < ?6",
        )
        .bind(&new.id)
        .bind(&new.model)
        .bind(&new.request)
        .bind(signed(now_ms))
        .bind(&new.created_by)
        .bind(most)
        .execute(&self.writer)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// One order.
    pub async fn compression(&self, id: &str) -> Result<CompressionRow> {
        let row = sqlx::query_as("SELECT * FROM compression WHERE id = ?1")
            .bind(id)
            .fetch_optional(&self.reader)
            .await?;
        row.ok_or_else(|| Error::not_found("compression", id))
    }

    /// Orders, newest first; only those of `model` if one is named.
    pub async fn compressions(
        &self,
        model: Option<&str>,
        request: &PageRequest,
    ) -> Result<Page<CompressionRow>> {
        let (created, id) = request.after_pair()?.unzip();
        let created: Option<i64> = created.and_then(|text| text.parse().ok());
        let rows = sqlx::query_as(
            "SELECT * FROM compression
             WHERE (?1 IS NULL OR model = ?1)
               AND (?2 IS NULL OR (created_ms, id) < (?2, ?3))
             ORDER BY created_ms DESC, id DESC LIMIT ?4",
        )
        .bind(model)
        .bind(created)
        .bind(id)
        .bind(request.fetch())
        .fetch_all(&self.reader)
        .await?;
        Ok(request.page(rows, |row: &CompressionRow| {
            serde_json::to_string(&(row.created_ms.to_string(), &row.id)).unwrap_or_default()
        }))
    }

    /// The oldest order that waits, marked as running: a crash from here on is seen at the next
    /// start.
    pub async fn begin_compression(&self, now_ms: u64) -> Result<Option<CompressionRow>> {
        let row = sqlx::query_as(
            "UPDATE compression SET state = 'running', attempts = attempts + 1, started_ms = ?1
             WHERE id = (SELECT id FROM compression WHERE state = 'queued'
                         ORDER BY created_ms, id LIMIT 1)
             RETURNING *",
        )
        .bind(signed(now_ms))
        .fetch_optional(&self.writer)
        .await?;
        Ok(row)
    }

    /// Notes how an order ended.
    pub async fn end_compression(&self, id: &str, ended: &Ended, now_ms: u64) -> Result<()> {
        let (state, version, report, reason) = match ended {
            Ended::Succeeded { version, report } => {
                ("succeeded", Some(i64::from(*version)), Some(report), None)
            }
            Ended::Failed(reason) => ("failed", None, None, Some(reason)),
        };
        sqlx::query(
            "UPDATE compression SET state = ?2, version = ?3, report = ?4, reason = ?5,
                finished_ms = ?6
             WHERE id = ?1 AND state = 'running'",
        )
        .bind(id)
        .bind(state)
        .bind(version)
        .bind(report)
        .bind(reason)
        .bind(signed(now_ms))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Puts an order that was stopped on purpose back into the queue; the attempt does not count.
    pub async fn put_compression_back(&self, id: &str) -> Result<()> {
        sqlx::query(
            "UPDATE compression SET state = 'queued', attempts = attempts - 1
             WHERE id = ?1 AND state = 'running'",
        )
        .bind(id)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// After a start: orders that were running wait again, or fail if workers were started for
    /// them `most_attempts` times. How many there were of each.
    pub async fn recover_compressions(
        &self,
        most_attempts: i64,
        reason: &str,
        now_ms: u64,
    ) -> Result<(u64, u64)> {
        let mut transaction = self.begin().await?;
        let failed = sqlx::query(
            "UPDATE compression SET state = 'failed', reason = ?2, finished_ms = ?3
             WHERE state = 'running' AND attempts >= ?1",
        )
        .bind(most_attempts)
        .bind(reason)
        .bind(signed(now_ms))
        .execute(&mut *transaction)
        .await?;
        let again = sqlx::query("UPDATE compression SET state = 'queued' WHERE state = 'running'")
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok((again.rows_affected(), failed.rows_affected()))
    }
}
