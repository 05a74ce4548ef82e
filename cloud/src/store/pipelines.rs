//! Pipelines as the user applied them.

use noroshi_model::Filter;
use noroshi_protocol::PipelineId;

use super::unissued::mark_unissued;
use super::{Page, PageRequest, Store, WriteTransaction, signed};
use crate::error::{Error, Result};

/// A pipeline's settings.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct PipelineRow {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// The source's name in `agent.toml`.
    pub source: String,
    /// The model.
    pub model: String,
    /// The version that new devices of the pipeline get.
    pub version: i64,
    /// JSON of a list of filters.
    pub filters: String,
    /// Labels in a result.
    pub top: i64,
    /// Rises with every change.
    pub revision: i64,
    /// Unix milliseconds.
    pub created_ms: i64,
    /// Unix milliseconds.
    pub updated_ms: i64,
}

impl PipelineRow {
    /// The filters.
    pub fn filter_list(&self) -> Result<Vec<Filter>> {
        serde_json::from_str(&self.filters).map_err(|error| Error::corrupt("filter list", error))
    }

    /// Whether `other` asks for the same.
    pub fn same_settings(&self, other: &Self) -> bool {
        (
            &self.source,
            &self.model,
            self.version,
            &self.filters,
            self.top,
        ) == (
            &other.source,
            &other.model,
            other.version,
            &other.filters,
            other.top,
        )
    }
}

impl Store {
    /// One pipeline.
    pub async fn pipeline(&self, id: &PipelineId) -> Result<PipelineRow> {
        let row = self.find_pipeline(id).await?;
        row.ok_or_else(|| Error::not_found("pipeline", id.as_str()))
    }

    /// One pipeline, if it is there.
    pub async fn find_pipeline(&self, id: &PipelineId) -> Result<Option<PipelineRow>> {
        let row = sqlx::query_as("SELECT * FROM pipeline WHERE id = ?1")
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        Ok(row)
    }

    /// Pipelines by id.
    pub async fn pipelines(&self, request: &PageRequest) -> Result<Page<PipelineRow>> {
        let rows = sqlx::query_as(
            "SELECT * FROM pipeline WHERE id > coalesce(?1, '') ORDER BY id LIMIT ?2",
        )
        .bind(request.after())
        .bind(request.fetch())
        .fetch_all(&self.reader)
        .await?;
        Ok(request.page(rows, |row: &PipelineRow| row.id.clone()))
    }

    /// Removes a pipeline from every device; the documents of those that had it are marked.
    pub async fn delete_pipeline(&self, id: &PipelineId) -> Result<()> {
        let mut transaction = self.begin().await?;
        let devices: Vec<(String,)> =
            sqlx::query_as("DELETE FROM assignment WHERE pipeline = ?1 RETURNING device")
                .bind(id.as_str())
                .fetch_all(&mut *transaction)
                .await?;
        let done = sqlx::query("DELETE FROM pipeline WHERE id = ?1")
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await?;
        if done.rows_affected() == 0 {
            return Err(Error::not_found("pipeline", id.as_str()));
        }
        for (device,) in &devices {
            mark_unissued(&mut transaction, device).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

pub(super) async fn save_pipeline(
    transaction: &mut WriteTransaction,
    row: &PipelineRow,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO pipeline (id, name, source, model, version, filters, top, revision,
            created_ms, updated_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, source = excluded.source,
            model = excluded.model, version = excluded.version, filters = excluded.filters,
            top = excluded.top, revision = excluded.revision, updated_ms = excluded.updated_ms",
    )
    .bind(&row.id)
    .bind(&row.name)
    .bind(&row.source)
    .bind(&row.model)
    .bind(row.version)
    .bind(&row.filters)
    .bind(row.top)
    .bind(row.revision)
    .bind(row.created_ms)
    .bind(row.updated_ms)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

impl Store {
    /// Raises the version that a pipeline's new devices get, after a rollout to it succeeded.
    pub async fn advance_pipeline(
        &self,
        id: &str,
        version: u32,
        revision: u32,
        now_ms: u64,
    ) -> Result<()> {
        sqlx::query(
            "UPDATE pipeline SET version = ?2, revision = max(revision, ?3), updated_ms = ?4
             WHERE id = ?1",
        )
        .bind(id)
        .bind(i64::from(version))
        .bind(i64::from(revision))
        .bind(signed(now_ms))
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}
