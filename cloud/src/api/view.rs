//! Devices as the API shows them.

use noroshi_protocol::{Desired, Message, PipelineState, Reported, UpdateReport};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::store::{DesiredRow, PeerRow, unsigned};

/// A device in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Device {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) site: String,
    /// `online`, `stopped`, `lost`, `unknown` (its gateway is away) or `never`.
    pub(crate) status: String,
    /// Since when; 0 for `never`.
    pub(crate) status_since_ms: u64,
    /// Why nobody can say.
    pub(crate) unknown_because: Option<String>,
    /// When anything was last heard of it; 0 before.
    pub(crate) last_seen_ms: u64,
    pub(crate) enrolled_ms: u64,
    pub(crate) revoked: bool,
    /// Version of its agent.
    pub(crate) version: String,
    /// Its CPU's name.
    pub(crate) chip: String,
    /// What it says it runs.
    pub(crate) pipelines: Vec<DevicePipeline>,
    /// How its newest update goes.
    pub(crate) update: Option<DeviceUpdate>,
}

/// A pipeline on a device, as the device reports it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DevicePipeline {
    pub(crate) pipeline: String,
    pub(crate) revision: u32,
    pub(crate) model: String,
    pub(crate) version: u32,
    pub(crate) variant: String,
    /// `running`, `starting` or `failed`.
    pub(crate) state: &'static str,
    /// Why it failed.
    pub(crate) reason: Option<String>,
    /// Frames answered since its worker started.
    pub(crate) frames: u64,
    /// Frames that were never inferred.
    pub(crate) skipped: u64,
    pub(crate) crashes: u32,
    pub(crate) cpu_us_p50: u32,
    pub(crate) cpu_us_p95: u32,
    /// Resident bytes of its worker.
    pub(crate) memory: u64,
    /// Whether it can say why it answers as it does.
    pub(crate) explains: bool,
    /// What its model learned on the device; null if it does not learn there.
    pub(crate) learned: Option<LearnedOn>,
}

/// What a model learned on a device.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LearnedOn {
    /// The version of its state; 0 of the model as it was released.
    pub(crate) state: u64,
    /// Samples learned since the release.
    pub(crate) samples: u32,
    /// Alarms of its drift detector since then.
    pub(crate) alarms: u32,
}

/// An update on a device.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceUpdate {
    pub(crate) plan: String,
    /// `accepted`, `downloading`, `verifying`, `staged`, `testing`, `ready`, `trial`, `active`,
    /// `failed` or `reverted`.
    pub(crate) phase: &'static str,
    pub(crate) reason: Option<String>,
    pub(crate) fetched: u64,
    pub(crate) total: u64,
}

/// A device with everything that is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceDetail {
    #[serde(flatten)]
    pub(crate) device: Device,
    /// What it can run.
    #[schema(value_type = Option<Object>)]
    pub(crate) capabilities: Option<Value>,
    /// Names of its sources in `agent.toml`.
    pub(crate) sources: Vec<String>,
    /// Its newest report as JSON.
    #[schema(value_type = Option<Object>)]
    pub(crate) reported: Option<Value>,
    pub(crate) reported_ms: Option<u64>,
    /// What it should run.
    pub(crate) desired: Option<DesiredView>,
    /// One sentence: what stands between it and what it should run, and the cure.
    pub(crate) why: String,
}

/// A device's newest desired document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Desired)]
pub(crate) struct DesiredView {
    pub(crate) sequence: u64,
    pub(crate) issued_ms: u64,
    pub(crate) expires_ms: u64,
    /// Whether the device has taken it.
    pub(crate) acked: bool,
    #[schema(value_type = Vec<Object>)]
    pub(crate) pipelines: Value,
    #[schema(value_type = Option<Object>)]
    pub(crate) plan: Option<Value>,
}

/// The device in a row.
pub(crate) fn device(row: &PeerRow) -> Result<Device> {
    let report = row.report()?;
    Ok(Device {
        id: row.id.clone(),
        name: row.name.clone(),
        site: row.site.clone(),
        status: row.status.clone(),
        status_since_ms: unsigned(row.status_since_ms),
        unknown_because: (row.status == "unknown")
            .then(|| format!("the gateway of its site {} is away", row.site)),
        last_seen_ms: unsigned(row.seen_ms),
        enrolled_ms: unsigned(row.enrolled_ms),
        revoked: row.revoked_ms.is_some(),
        version: row.agent_version.clone(),
        chip: row.chip.clone(),
        pipelines: report.as_ref().map(pipelines).unwrap_or_default(),
        update: report.and_then(|report| report.update).map(update),
    })
}

fn pipelines(report: &Reported) -> Vec<DevicePipeline> {
    let one = |one: &noroshi_protocol::PipelineReport| {
        let (state, reason) = match &one.state {
            PipelineState::Running => ("running", None),
            PipelineState::Starting => ("starting", None),
            PipelineState::Failed(reason) => ("failed", Some(reason.clone())),
        };
        DevicePipeline {
            pipeline: one.pipeline.as_str().to_owned(),
            revision: one.revision,
            model: one.model.as_str().to_owned(),
            version: one.version,
            variant: one.variant.as_str().to_owned(),
            state,
            reason,
            frames: one.figures.frames,
            skipped: one.figures.skipped,
            crashes: one.figures.crashes,
            cpu_us_p50: one.figures.cpu_us_p50,
            cpu_us_p95: one.figures.cpu_us_p95,
            memory: one.figures.memory,
            explains: one.explains,
            learned: one.learned.map(|learned| LearnedOn {
                state: learned.state,
                samples: learned.samples,
                alarms: learned.alarms,
            }),
        }
    };
    report.pipelines.iter().map(one).collect()
}

fn update(update: UpdateReport) -> DeviceUpdate {
    DeviceUpdate {
        plan: update.plan.as_str().to_owned(),
        phase: update.phase.word(),
        reason: update.phase.reason().map(str::to_owned),
        fetched: update.fetched,
        total: update.total,
    }
}

/// The device in a row, with its document and the sentence.
pub(crate) fn detail(
    row: &PeerRow,
    desired: Option<&DesiredRow>,
    why: String,
) -> Result<DeviceDetail> {
    let report = row.report()?;
    let taken = report.as_ref().map_or(0, |report| report.desired);
    Ok(DeviceDetail {
        device: device(row)?,
        capabilities: row.capabilities()?.map(json).transpose()?,
        sources: report
            .as_ref()
            .map(|report| report.sources.clone())
            .unwrap_or_default(),
        reported_ms: report.as_ref().map(|_| unsigned(row.reported_ms)),
        reported: report.map(json).transpose()?,
        desired: desired.map(|row| desired_view(row, taken)).transpose()?,
        why,
    })
}

fn desired_view(row: &DesiredRow, taken: u64) -> Result<DesiredView> {
    let desired = Desired::from_cbor(&row.payload)
        .map_err(|error| Error::corrupt("desired document", error))?;
    Ok(DesiredView {
        sequence: desired.sequence,
        issued_ms: desired.issued_ms,
        expires_ms: desired.expires_ms,
        acked: taken >= desired.sequence,
        pipelines: json(desired.pipelines)?,
        plan: desired.plan.map(json).transpose()?,
    })
}

/// A value of the wire as JSON.
pub(crate) fn json(value: impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|error| Error::Internal(error.to_string()))
}
