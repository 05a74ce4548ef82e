//! A new rollout: which devices get which variant, and which are left out and why.

use noroshi_fleet::rollout::{Event, Member, Rollout, Spec, Threshold};
use noroshi_model::{Manifest, ModelId};
use noroshi_protocol::{Assignment, DeviceId, PipelineId, RolloutId, SiteId};

use crate::cloud::Cloud;
use crate::error::{Error, Result};
use crate::pipelines::model_choice;
use crate::random;
use crate::rollouts::write_rollout;
use crate::selection::{Selection, choose};
use crate::store::{NewRollout, PeerRow, RolloutRow, RolloutTarget, VersionRow, signed};

/// What a rollout should do.
#[derive(Debug, Clone)]
pub struct RolloutRequest {
    /// Its name for people.
    pub name: Option<String>,
    /// The model.
    pub model: ModelId,
    /// The version that it brings.
    pub version: u32,
    /// The devices; with pipelines, only those pipelines change.
    pub selection: Selection,
    /// Rising percentages, the last 100.
    pub waves: Vec<u8>,
    /// More failures than this share and every device goes back.
    pub max_failures: Threshold,
    /// Milliseconds between a wave's end and the next.
    pub soak_ms: u64,
    /// Milliseconds of a device to download, verify and test.
    pub prepare_ms: u64,
    /// Milliseconds of a device's trial.
    pub trial_ms: u64,
    /// Milliseconds after which a device has failed.
    pub deadline_ms: u64,
    /// Devices of a site that switch at the same time.
    pub parallel: u32,
    /// Who asks.
    pub by: String,
}

impl Cloud {
    /// Makes a rollout and starts it.
    pub async fn create_rollout(&self, request: &RolloutRequest) -> Result<RolloutRow> {
        let _one_at_a_time = self.deciding.lock().await;
        request.selection.check()?;
        let version = self.store.version(&request.model, request.version).await?;
        let manifest = version.parsed()?;
        let (mut targets, mut refused, mut members) = (Vec::new(), Vec::new(), Vec::new());
        for device in self.select(&request.selection).await? {
            match self.target(request, &version, &manifest, &device).await? {
                Ok(target) => {
                    members.push(Member {
                        device: target.device.clone(),
                        site: device.site_id()?,
                    });
                    targets.push(target);
                }
                Err(reasons) => refused.push((device.id, reasons)),
            }
        }
        if members.is_empty() {
            return Err(nobody(&refused));
        }
        let id: RolloutId = random::id();
        let row = self.rollout_row(request, &id, members)?;
        self.store
            .create_rollout(&NewRollout {
                row,
                targets,
                refused,
            })
            .await?;
        self.step_rollout(&id, vec![Event::Start]).await
    }

    fn rollout_row(
        &self,
        request: &RolloutRequest,
        id: &RolloutId,
        members: Vec<Member>,
    ) -> Result<RolloutRow> {
        let spec = Spec {
            id: id.clone(),
            members,
            waves: request.waves.clone(),
            max_failures: request.max_failures,
            success_percent: 0,
            soak_ms: request.soak_ms,
            prepare_ms: request.prepare_ms,
            trial_ms: request.trial_ms,
            deadline_ms: request.deadline_ms,
            parallel: request.parallel,
        };
        let rollout = Rollout::new(spec).map_err(|error| Error::invalid(error.to_string()))?;
        let name = request.name.clone();
        Ok(RolloutRow {
            id: id.as_str().to_owned(),
            name: name.unwrap_or_else(|| format!("{} {}", request.model, request.version)),
            model: request.model.as_str().to_owned(),
            version: i64::from(request.version),
            state: rollout.control().word().to_owned(),
            finished: false,
            facts: write_rollout(&rollout)?,
            row_version: 1,
            carried: 0,
            created_ms: signed(self.now_ms()),
            created_by: request.by.clone(),
            finished_ms: None,
        })
    }

    async fn target(
        &self,
        request: &RolloutRequest,
        version: &VersionRow,
        manifest: &Manifest,
        device: &PeerRow,
    ) -> Result<std::result::Result<RolloutTarget, Vec<String>>> {
        if let Some(other) = self.store.open_rollout_of(&device.id).await? {
            return Ok(Err(vec![format!(
                "it is part of rollout {other}, which has not ended"
            )]));
        }
        let before = self.store.assignments_of(&device.id).await?;
        let concerned =
            |one: &Assignment| is_concerned(one, &request.model, &request.selection.pipelines);
        if !before.iter().any(concerned) {
            return Ok(Err(vec![format!(
                "it runs no pipeline with the model {}: apply one that selects it",
                request.model
            )]));
        }
        if before
            .iter()
            .filter(|one| concerned(one))
            .all(|one| runs(one, request.version))
        {
            return Ok(Err(vec![format!(
                "it should run version {} already",
                request.version
            )]));
        }
        let variant = match choose(manifest, device)? {
            Ok(variant) => variant.name.clone(),
            Err(obstacles) => return Ok(Err(obstacles)),
        };
        let mut target = before.clone();
        for one in target.iter_mut().filter(|one| concerned(one)) {
            one.model = model_choice(version, variant.clone())?;
            one.revision = one.revision.saturating_add(1);
        }
        let device: DeviceId = device.device_id()?;
        Ok(Ok(RolloutTarget {
            device,
            variant: variant.as_str().to_owned(),
            before,
            target,
        }))
    }

    /// Pauses, resumes or reverts a rollout.
    pub async fn command_rollout(&self, id: &RolloutId, event: Event) -> Result<RolloutRow> {
        let row = self.store.rollout(id).await?;
        if row.finished {
            let detail = format!("rollout {id} has ended ({}); begin another one", row.state);
            return Err(Error::Conflict {
                code: "rollout_ended",
                detail,
            });
        }
        let row = self.step_rollout(id, vec![event]).await?;
        self.rollouts.notify_one();
        Ok(row)
    }

    /// Which site a device of a rollout is at, for tables.
    pub(crate) fn site_in(rollout: &Rollout, device: &DeviceId) -> Option<SiteId> {
        let mut members = rollout.spec().members.iter();
        members
            .find(|member| member.device == *device)
            .map(|member| member.site.clone())
    }
}

fn is_concerned(one: &Assignment, model: &ModelId, pipelines: &[PipelineId]) -> bool {
    one.model.model == *model && (pipelines.is_empty() || pipelines.contains(&one.pipeline))
}

const fn runs(one: &Assignment, version: u32) -> bool {
    one.model.version == version
}

fn nobody(refused: &[(String, Vec<String>)]) -> Error {
    let reasons: Vec<String> = refused
        .iter()
        .take(5)
        .map(|(device, reasons)| format!("{device}: {}", reasons.join("; ")))
        .collect();
    let detail = if reasons.is_empty() {
        "no device is selected".to_owned()
    } else {
        format!("no selected device can take it: {}", reasons.join(" | "))
    };
    Error::Conflict {
        code: "cannot_run",
        detail,
    }
}
