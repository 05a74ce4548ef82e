//! Published model versions.

use noroshi_model::{Digest, Manifest, ModelId};

use super::{Page, PageRequest, Store, signed};
use crate::error::{Error, Result};

/// A published version.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct VersionRow {
    /// The model.
    pub model: String,
    /// The version.
    pub version: i64,
    /// The manifest's bytes, exactly as signed.
    pub manifest: Vec<u8>,
    /// Their SHA-256.
    pub sha256: String,
    /// When it was published, Unix milliseconds.
    pub published_ms: i64,
    /// Who published it.
    pub published_by: String,
}

/// A model with a summary of its versions.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ModelRow {
    /// Its id.
    pub id: String,
    /// The newest version.
    pub latest: i64,
    /// How many there are.
    pub versions: i64,
    /// When the first was published, Unix milliseconds.
    pub created_ms: i64,
    /// The newest version's manifest.
    pub manifest: Vec<u8>,
    /// Devices that should run it.
    pub devices: i64,
}

impl VersionRow {
    /// The manifest.
    pub fn parsed(&self) -> Result<Manifest> {
        Manifest::from_json(&self.manifest).map_err(|error| Error::corrupt("manifest", error))
    }

    /// The manifest's digest.
    pub fn digest(&self) -> Result<Digest> {
        self.sha256
            .parse()
            .map_err(|error| Error::corrupt("digest", error))
    }
}

impl Store {
    /// One version.
    pub async fn version(&self, model: &ModelId, version: u32) -> Result<VersionRow> {
        let row = sqlx::query_as("SELECT * FROM model_version WHERE model = ?1 AND version = ?2")
            .bind(model.as_str())
            .bind(i64::from(version))
            .fetch_optional(&self.reader)
            .await?;
        row.ok_or_else(|| Error::not_found("model version", format!("{model} {version}")))
    }

    /// The newest version of a model, if it has any.
    pub async fn latest_version(&self, model: &ModelId) -> Result<Option<VersionRow>> {
        let row = sqlx::query_as(
            "SELECT * FROM model_version WHERE model = ?1 ORDER BY version DESC LIMIT 1",
        )
        .bind(model.as_str())
        .fetch_optional(&self.reader)
        .await?;
        Ok(row)
    }

    /// Every version of every model: what the release repository lists.
    pub async fn every_version(&self) -> Result<Vec<VersionRow>> {
        let rows = sqlx::query_as("SELECT * FROM model_version ORDER BY model, version")
            .fetch_all(&self.writer)
            .await?;
        Ok(rows)
    }

    /// Versions of a model, newest first.
    pub async fn versions(
        &self,
        model: &ModelId,
        request: &PageRequest,
    ) -> Result<Page<VersionRow>> {
        let rows = sqlx::query_as(
            "SELECT * FROM model_version WHERE model = ?1 AND version < ?2
             ORDER BY version DESC LIMIT ?3",
        )
        .bind(model.as_str())
        .bind(request.before_row()?)
        .bind(request.fetch())
        .fetch_all(&self.reader)
        .await?;
        Ok(request.page(rows, |row: &VersionRow| row.version.to_string()))
    }

    /// Models by id.
    pub async fn models(&self, request: &PageRequest) -> Result<Page<ModelRow>> {
        let rows = self.model_rows(None, request).await?;
        Ok(request.page(rows, |row| row.id.clone()))
    }

    /// One model.
    pub async fn model(&self, id: &ModelId) -> Result<ModelRow> {
        let request = PageRequest::new(Some(1), None)?;
        let row = self.model_rows(Some(id.as_str()), &request).await?.pop();
        row.ok_or_else(|| Error::not_found("model", id.as_str()))
    }

    /// How many models there are.
    pub async fn count_models(&self) -> Result<i64> {
        let (count,) = sqlx::query_as("SELECT count(DISTINCT model) FROM model_version")
            .fetch_one(&self.reader)
            .await?;
        Ok(count)
    }

    async fn model_rows(&self, id: Option<&str>, request: &PageRequest) -> Result<Vec<ModelRow>> {
        let rows = sqlx::query_as(
            "SELECT newest.model AS id, newest.version AS latest, newest.manifest,
                (SELECT count(*) FROM model_version WHERE model = newest.model) AS versions,
                (SELECT min(published_ms) FROM model_version WHERE model = newest.model)
                    AS created_ms,
                (SELECT count(DISTINCT device) FROM assignment
                    WHERE assignment.model = newest.model) AS devices
             FROM model_version AS newest
             WHERE (?1 IS NULL OR newest.model = ?1) AND newest.model > coalesce(?2, '')
               AND newest.version =
                   (SELECT max(version) FROM model_version WHERE model = newest.model)
             ORDER BY newest.model LIMIT ?3",
        )
        .bind(id)
        .bind(request.after())
        .bind(request.fetch())
        .fetch_all(&self.reader)
        .await?;
        Ok(rows)
    }

    /// Notes a published version, after its metadata is signed. The caller has serialized this.
    pub async fn publish_version(
        &self,
        manifest: &Manifest,
        bytes: &[u8],
        by: &str,
        now_ms: u64,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO model_version (model, version, manifest, sha256, published_ms,
                published_by)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .bind(manifest.model.as_str())
        .bind(i64::from(manifest.version))
        .bind(bytes)
        .bind(Digest::of(bytes).to_string())
        .bind(signed(now_ms))
        .bind(by)
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}
