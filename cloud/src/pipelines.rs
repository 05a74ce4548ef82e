//! Applying a pipeline: which devices run what on which source.

use noroshi_model::{Blob, Filter, Manifest, ModelId};
use noroshi_protocol::{Assignment, ModelChoice, PipelineId, limits};

use crate::cloud::Cloud;
use crate::error::{Error, Result};
use crate::selection::{Selection, choose};
use crate::store::{Assigned, PeerRow, PipelineRow, VersionRow, signed};

/// What a pipeline should be.
#[derive(Debug, Clone)]
pub struct Application {
    /// Its id.
    pub pipeline: PipelineId,
    /// Its name for people; its id if none is given.
    pub name: Option<String>,
    /// The source's name in `agent.toml`.
    pub source: String,
    /// The model.
    pub model: ModelId,
    /// The version; the newest if none is given.
    pub version: Option<u32>,
    /// What becomes a result, in order.
    pub filters: Vec<Filter>,
    /// Labels in a result.
    pub top: u8,
    /// The devices that run it; every other one stops running it.
    pub devices: Selection,
}

/// What became of it.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The pipeline.
    pub row: PipelineRow,
    /// Devices that run it, with the variant.
    pub assigned: Vec<Assigned>,
    /// Devices that can't, with the reasons; nothing was sent to them.
    pub refused: Vec<(String, Vec<String>)>,
}

impl Cloud {
    /// Applies a pipeline, or only answers what would become of it.
    pub async fn apply(&self, wanted: &Application, dry_run: bool) -> Result<Applied> {
        let _one_at_a_time = self.deciding.lock().await;
        let version = self.version_for(wanted).await?;
        let manifest = version.parsed()?;
        let row = self.pipeline_row(wanted, &version).await?;
        let devices = if wanted.devices == Selection::default() {
            // No devices: the pipeline stays, and nobody runs it.
            Vec::new()
        } else {
            self.select(&wanted.devices).await?
        };
        let mut applied = Applied {
            row,
            assigned: Vec::new(),
            refused: Vec::new(),
        };
        for device in &devices {
            self.place(wanted, &version, &manifest, device, &mut applied)
                .await?;
        }
        if dry_run {
            return Ok(applied);
        }
        self.check_no_rollout(&wanted.pipeline, &devices).await?;
        // Without the time nothing could be issued: better said now than found out later.
        self.signing_time()?;
        self.store
            .apply_pipeline(&applied.row, &applied.assigned)
            .await?;
        self.unissued.notify_one();
        Ok(applied)
    }

    async fn version_for(&self, wanted: &Application) -> Result<VersionRow> {
        match wanted.version {
            Some(version) => self.store.version(&wanted.model, version).await,
            None => {
                let latest = self.store.latest_version(&wanted.model).await?;
                latest.ok_or_else(|| Error::not_found("model", wanted.model.as_str()))
            }
        }
    }

    async fn pipeline_row(
        &self,
        wanted: &Application,
        version: &VersionRow,
    ) -> Result<PipelineRow> {
        let before = self.store.find_pipeline(&wanted.pipeline).await?;
        let now_ms = signed(self.now_ms());
        let filters = serde_json::to_string(&wanted.filters)
            .map_err(|error| Error::corrupt("filter list", error))?;
        let name = wanted
            .name
            .clone()
            .or_else(|| before.as_ref().map(|row| row.name.clone()));
        let mut row = PipelineRow {
            id: wanted.pipeline.as_str().to_owned(),
            name: name.unwrap_or_else(|| wanted.pipeline.as_str().to_owned()),
            source: wanted.source.clone(),
            model: version.model.clone(),
            version: version.version,
            filters,
            top: i64::from(wanted.top),
            revision: 1,
            created_ms: now_ms,
            updated_ms: now_ms,
        };
        if let Some(before) = before {
            row.created_ms = before.created_ms;
            row.revision = before.revision + i64::from(!row.same_settings(&before));
        }
        Ok(row)
    }

    async fn place(
        &self,
        wanted: &Application,
        version: &VersionRow,
        manifest: &Manifest,
        device: &PeerRow,
        applied: &mut Applied,
    ) -> Result<()> {
        let mut reasons = Vec::new();
        if let Some(report) = device.report()?
            && !report.sources.contains(&wanted.source)
        {
            reasons.push(format!(
                "it has no source {:?} in its agent.toml (it has: {})",
                wanted.source,
                report.sources.join(", ")
            ));
        }
        let others = self.store.assignments_of(&device.id).await?;
        let others = others
            .iter()
            .filter(|one| one.pipeline != wanted.pipeline)
            .count();
        if others >= limits::PIPELINES {
            reasons.push(format!(
                "it has {} pipelines, as many as it may",
                limits::PIPELINES
            ));
        }
        match choose(manifest, device)? {
            Ok(variant) if reasons.is_empty() => {
                let model = model_choice(version, variant.name.clone())?;
                let assignment = assignment(&applied.row, model)?;
                applied.assigned.push(Assigned {
                    device: device.id.clone(),
                    assignment,
                });
                return Ok(());
            }
            Ok(_) => {}
            Err(obstacles) => reasons.extend(obstacles),
        }
        applied.refused.push((device.id.clone(), reasons));
        Ok(())
    }

    /// Devices of a rollout that has not ended are left alone.
    async fn check_no_rollout(&self, pipeline: &PipelineId, devices: &[PeerRow]) -> Result<()> {
        let before = self.store.assigned_to(pipeline).await?;
        let ids = devices
            .iter()
            .map(|row| &row.id)
            .chain(before.iter().map(|one| &one.device));
        for device in ids {
            if let Some(rollout) = self.store.open_rollout_of(device).await? {
                let detail = format!(
                    "device {device} is part of rollout {rollout}, which has not ended; wait for \
                     it, or revert it first"
                );
                return Err(Error::Conflict {
                    code: "in_rollout",
                    detail,
                });
            }
        }
        Ok(())
    }

    /// Removes a pipeline from every device.
    pub async fn remove_pipeline(&self, pipeline: &PipelineId) -> Result<()> {
        let _one_at_a_time = self.deciding.lock().await;
        self.check_no_rollout(pipeline, &[]).await?;
        self.signing_time()?;
        self.store.delete_pipeline(pipeline).await?;
        self.unissued.notify_one();
        Ok(())
    }
}

/// A version and variant as assignments name them.
pub(crate) fn model_choice(
    version: &VersionRow,
    variant: noroshi_model::VariantName,
) -> Result<ModelChoice> {
    Ok(ModelChoice {
        model: version
            .model
            .parse()
            .map_err(|error| Error::corrupt("model id", error))?,
        version: u32::try_from(version.version)
            .map_err(|error| Error::corrupt("version", error))?,
        manifest: Blob {
            sha256: version.digest()?,
            length: version.manifest.len() as u64,
        },
        variant,
    })
}

fn assignment(row: &PipelineRow, model: ModelChoice) -> Result<Assignment> {
    let assignment = Assignment {
        pipeline: row
            .id
            .parse()
            .map_err(|error| Error::corrupt("pipeline id", error))?,
        revision: u32::try_from(row.revision).unwrap_or(u32::MAX),
        source: row.source.clone(),
        model,
        filters: row.filter_list()?,
        top: u8::try_from(row.top).unwrap_or(u8::MAX),
    };
    // The same rule as on the device, asked before anything is sent.
    match assignment.fault() {
        None => Ok(assignment),
        Some(fault) => Err(Error::invalid(fault)),
    }
}
