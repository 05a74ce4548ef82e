//! What each device should run now.

use noroshi_protocol::{Assignment, PipelineId};

use super::pipelines::{PipelineRow, save_pipeline};
use super::unissued::mark_unissued;
use super::{Store, WriteTransaction};
use crate::error::{Error, Result};

/// One pipeline of one device.
#[derive(Debug, Clone, PartialEq)]
pub struct Assigned {
    /// The device.
    pub device: String,
    /// What it should run.
    pub assignment: Assignment,
}

#[derive(sqlx::FromRow)]
struct Row {
    device: String,
    assignment: Vec<u8>,
}

impl TryFrom<Row> for Assigned {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let assignment = serde_cbor::from_slice(&row.assignment)
            .map_err(|error| Error::corrupt("assignment", error))?;
        Ok(Self {
            device: row.device,
            assignment,
        })
    }
}

fn read(rows: Vec<Row>) -> Result<Vec<Assigned>> {
    rows.into_iter().map(Assigned::try_from).collect()
}

impl Store {
    /// What a device should run, by pipeline.
    pub async fn assignments_of(&self, device: &str) -> Result<Vec<Assignment>> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT device, assignment FROM assignment WHERE device = ?1 ORDER BY pipeline",
        )
        .bind(device)
        .fetch_all(&self.reader)
        .await?;
        Ok(read(rows)?
            .into_iter()
            .map(|assigned| assigned.assignment)
            .collect())
    }

    /// Every device of a pipeline with its assignment.
    pub async fn assigned_to(&self, pipeline: &PipelineId) -> Result<Vec<Assigned>> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT device, assignment FROM assignment WHERE pipeline = ?1 ORDER BY device",
        )
        .bind(pipeline.as_str())
        .fetch_all(&self.reader)
        .await?;
        read(rows)
    }

    /// Saves a pipeline and what its devices should run, in one transaction: a device that is
    /// not in `assigned` does not run it any more. The documents of all of them are marked.
    pub async fn apply_pipeline(
        &self,
        pipeline: &PipelineRow,
        assigned: &[Assigned],
    ) -> Result<()> {
        let mut transaction = self.begin().await?;
        save_pipeline(&mut transaction, pipeline).await?;
        let before: Vec<(String,)> =
            sqlx::query_as("DELETE FROM assignment WHERE pipeline = ?1 RETURNING device")
                .bind(&pipeline.id)
                .fetch_all(&mut *transaction)
                .await?;
        for one in assigned {
            insert(&mut transaction, one).await?;
        }
        let mut devices: Vec<&str> = before.iter().map(|(device,)| device.as_str()).collect();
        devices.extend(assigned.iter().map(|one| one.device.as_str()));
        devices.sort_unstable();
        devices.dedup();
        for device in devices {
            mark_unissued(&mut transaction, device).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Replaces what a device should run, all pipelines at once.
    pub async fn assign(&self, device: &str, assignments: &[Assignment]) -> Result<()> {
        let mut transaction = self.begin().await?;
        sqlx::query("DELETE FROM assignment WHERE device = ?1")
            .bind(device)
            .execute(&mut *transaction)
            .await?;
        for assignment in assignments {
            let one = Assigned {
                device: device.to_owned(),
                assignment: assignment.clone(),
            };
            insert(&mut transaction, &one).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

async fn insert(transaction: &mut WriteTransaction, one: &Assigned) -> Result<()> {
    let assignment = &one.assignment;
    let bytes =
        serde_cbor::to_vec(assignment).map_err(|error| Error::corrupt("assignment", error))?;
    sqlx::query(
        "INSERT INTO assignment (device, pipeline, model, version, variant, assignment)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(&one.device)
    .bind(assignment.pipeline.as_str())
    .bind(assignment.model.model.as_str())
    .bind(i64::from(assignment.model.version))
    .bind(assignment.model.variant.as_str())
    .bind(bytes)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
