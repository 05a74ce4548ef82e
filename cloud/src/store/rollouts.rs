//! Rollouts: facts saved only over the version that was read.

use noroshi_protocol::{Assignment, DeviceId, RolloutId};

use super::{Page, PageRequest, Store, WriteTransaction, signed};
use crate::error::{Error, Result};

/// A rollout as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct RolloutRow {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// The model.
    pub model: String,
    /// The version that it brings.
    pub version: i64,
    /// Its state's word, for filters.
    pub state: String,
    /// Whether it has ended.
    pub finished: bool,
    /// JSON of fleet's rollout.
    pub facts: String,
    /// Counts the saves.
    pub row_version: i64,
    /// The row version whose documents have been issued.
    pub carried: i64,
    /// Unix milliseconds.
    pub created_ms: i64,
    /// Who made it.
    pub created_by: String,
    /// Unix milliseconds.
    pub finished_ms: Option<i64>,
}

/// What a rollout wants of one device.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutTarget {
    /// The device.
    pub device: DeviceId,
    /// The variant chosen for it.
    pub variant: String,
    /// All its pipelines before.
    pub before: Vec<Assignment>,
    /// All its pipelines after.
    pub target: Vec<Assignment>,
}

/// A rollout to be kept.
#[derive(Debug, Clone)]
pub struct NewRollout {
    /// Its row; `row_version` is set here.
    pub row: RolloutRow,
    /// Its devices.
    pub targets: Vec<RolloutTarget>,
    /// Devices left out, with the reasons.
    pub refused: Vec<(String, Vec<String>)>,
}

#[derive(sqlx::FromRow)]
struct TargetRow {
    device: String,
    variant: String,
    before: Vec<u8>,
    target: Vec<u8>,
}

impl TryFrom<TargetRow> for RolloutTarget {
    type Error = Error;

    fn try_from(row: TargetRow) -> Result<Self> {
        let read = |bytes: &[u8]| {
            serde_cbor::from_slice(bytes).map_err(|error| Error::corrupt("assignment", error))
        };
        Ok(Self {
            device: row
                .device
                .parse()
                .map_err(|error| Error::corrupt("device id", error))?,
            variant: row.variant,
            before: read(&row.before)?,
            target: read(&row.target)?,
        })
    }
}

impl Store {
    /// Keeps a new rollout with its targets.
    pub async fn create_rollout(&self, new: &NewRollout) -> Result<()> {
        let row = &new.row;
        let mut transaction = self.begin().await?;
        sqlx::query(
            "INSERT INTO rollout (id, name, model, version, state, finished, facts, created_ms,
                created_by, finished_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )
        .bind(&row.id)
        .bind(&row.name)
        .bind(&row.model)
        .bind(row.version)
        .bind(&row.state)
        .bind(row.finished)
        .bind(&row.facts)
        .bind(row.created_ms)
        .bind(&row.created_by)
        .bind(row.finished_ms)
        .execute(&mut *transaction)
        .await?;
        for target in &new.targets {
            insert_target(&mut transaction, &row.id, target).await?;
        }
        for (device, reasons) in &new.refused {
            let reasons = serde_json::to_string(reasons)
                .map_err(|error| Error::corrupt("list of reasons", error))?;
            sqlx::query(
                "INSERT INTO rollout_refused (rollout, device, reasons) VALUES (?1, ?2, ?3)",
            )
            .bind(&row.id)
            .bind(device)
            .bind(reasons)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// One rollout.
    pub async fn rollout(&self, id: &RolloutId) -> Result<RolloutRow> {
        let row = sqlx::query_as("SELECT * FROM rollout WHERE id = ?1")
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.ok_or_else(|| Error::not_found("rollout", id.as_str()))
    }

    /// Saves what a step made of a rollout, if nobody else has in the meantime.
    pub async fn save_rollout(&self, row: &RolloutRow) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE rollout SET state = ?3, finished = ?4, facts = ?5, finished_ms = ?6,
                row_version = row_version + 1
             WHERE id = ?1 AND row_version = ?2",
        )
        .bind(&row.id)
        .bind(row.row_version)
        .bind(&row.state)
        .bind(row.finished)
        .bind(&row.facts)
        .bind(row.finished_ms)
        .execute(&self.writer)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Notes that the documents of a row version have been issued.
    pub async fn note_carried(&self, id: &str, row_version: i64) -> Result<()> {
        sqlx::query("UPDATE rollout SET carried = max(carried, ?2) WHERE id = ?1")
            .bind(id)
            .bind(row_version)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Every rollout that has something left to do, oldest first: those that have not ended, and
    /// those whose last documents were not issued.
    pub async fn open_rollouts(&self) -> Result<Vec<RolloutRow>> {
        let rows = sqlx::query_as(
            "SELECT * FROM rollout WHERE finished = 0 OR carried < row_version
             ORDER BY created_ms, id",
        )
        .fetch_all(&self.writer)
        .await?;
        Ok(rows)
    }

    /// The rollout that has not ended and has this device, if any.
    pub async fn open_rollout_of(&self, device: &str) -> Result<Option<String>> {
        let row: Option<(String,)> = sqlx::query_as(
            "SELECT rollout.id FROM rollout
             JOIN rollout_target ON rollout_target.rollout = rollout.id
             WHERE (rollout.finished = 0 OR rollout.carried < rollout.row_version)
               AND rollout_target.device = ?1 LIMIT 1",
        )
        .bind(device)
        .fetch_optional(&self.writer)
        .await?;
        Ok(row.map(|(id,)| id))
    }

    /// Rollouts, newest first.
    pub async fn rollouts(
        &self,
        state: Option<&str>,
        request: &PageRequest,
    ) -> Result<Page<RolloutRow>> {
        let (created, id) = request.after_pair()?.unzip();
        let created: Option<i64> = created.and_then(|text| text.parse().ok());
        let rows = sqlx::query_as(
            "SELECT * FROM rollout
             WHERE (?1 IS NULL OR state = ?1)
               AND (?2 IS NULL OR (created_ms, id) < (?2, ?3))
             ORDER BY created_ms DESC, id DESC LIMIT ?4",
        )
        .bind(state)
        .bind(created)
        .bind(id)
        .bind(request.fetch())
        .fetch_all(&self.reader)
        .await?;
        Ok(request.page(rows, |row: &RolloutRow| {
            serde_json::to_string(&(row.created_ms.to_string(), &row.id)).unwrap_or_default()
        }))
    }

    /// How many rollouts have not ended.
    pub async fn count_open_rollouts(&self) -> Result<i64> {
        let (count,) = sqlx::query_as("SELECT count(*) FROM rollout WHERE finished = 0")
            .fetch_one(&self.reader)
            .await?;
        Ok(count)
    }

    /// What a rollout wants of its devices.
    pub async fn rollout_targets(&self, id: &str) -> Result<Vec<RolloutTarget>> {
        let rows: Vec<TargetRow> = sqlx::query_as(
            "SELECT device, variant, before, target FROM rollout_target WHERE rollout = ?1
             ORDER BY device",
        )
        .bind(id)
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter().map(RolloutTarget::try_from).collect()
    }

    /// Devices that a rollout left out, with the reasons.
    pub async fn rollout_refused(&self, id: &str) -> Result<Vec<(String, Vec<String>)>> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT device, reasons FROM rollout_refused WHERE rollout = ?1 ORDER BY device",
        )
        .bind(id)
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|(device, reasons)| {
                let reasons = serde_json::from_str(&reasons)
                    .map_err(|error| Error::corrupt("list of reasons", error))?;
                Ok((device, reasons))
            })
            .collect()
    }
}

async fn insert_target(
    transaction: &mut WriteTransaction,
    rollout: &str,
    target: &RolloutTarget,
) -> Result<()> {
    let corrupt = |error| Error::corrupt("assignment", error);
    sqlx::query(
        "INSERT INTO rollout_target (rollout, device, variant, before, target)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .bind(rollout)
    .bind(target.device.as_str())
    .bind(&target.variant)
    .bind(serde_cbor::to_vec(&target.before).map_err(corrupt)?)
    .bind(serde_cbor::to_vec(&target.target).map_err(corrupt)?)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

impl RolloutRow {
    /// The row marked as ended at `now_ms`, if it is not yet.
    pub fn finish(&mut self, now_ms: u64) {
        if !self.finished {
            self.finished = true;
            self.finished_ms = Some(signed(now_ms));
        }
    }
}
