//! Reported state: what a device runs and how an update goes, signed by the device.

use noroshi_model::{Capabilities, Digest, ModelId, VariantName};
use serde::{Deserialize, Serialize};

use crate::cbor::newer_format;
use crate::{
    BootId, ClockSource, DeviceId, Message, OrgId, PipelineId, PlanId, SiteId, StoreId, Which,
    limits,
};

/// A device's account of itself. Travels in an envelope of
/// [`Domain::Reported`](crate::Domain), retained, sent again whenever it changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reported {
    /// Version of this document's format: 1.
    pub format: u32,
    /// By whom.
    pub org: OrgId,
    /// By whom.
    pub device: DeviceId,
    /// The agent's start counter; (start, sequence) is the order of reports.
    pub start: u64,
    /// Which start it is.
    pub boot: BootId,
    /// Rises with every report of the start.
    pub sequence: u64,
    /// Unix milliseconds, as far as the device knows.
    pub wall_ms: u64,
    /// How far it knows.
    pub clock: ClockSource,
    /// What it can run.
    pub capabilities: Capabilities,
    /// Names of its sources in `agent.toml`.
    pub sources: Vec<String>,
    /// The sequence of the newest desired document taken; 0 before the first.
    pub desired: u64,
    /// The newest document that was not taken, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedDesired>,
    /// What runs.
    pub pipelines: Vec<PipelineReport>,
    /// How the plan goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<UpdateReport>,
    /// What waits to be sent.
    pub outbox: OutboxReport,
}

/// A desired document that the device did not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedDesired {
    /// Its sequence; 0 if it could not be read.
    pub sequence: u64,
    /// Why, for people.
    pub reason: String,
}

/// One pipeline on the device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PipelineReport {
    /// Which.
    pub pipeline: PipelineId,
    /// Its revision.
    pub revision: u32,
    /// The model that runs or should.
    pub model: ModelId,
    /// Its version.
    pub version: u32,
    /// Its variant.
    pub variant: VariantName,
    /// Digest of the manifest.
    pub manifest: Digest,
    /// How it is.
    pub state: PipelineState,
    /// Measured since the worker started.
    pub figures: Figures,
    /// Whether the model can say why it answers as it does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub explains: bool,
    /// What the model learned here, if it learns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned: Option<LearnedReport>,
}

/// What a model learned on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LearnedReport {
    /// The version of its state; 0 of the model as it was released.
    pub state: u64,
    /// Samples learned since the release.
    pub samples: u32,
    /// Alarms of its drift detector since then.
    pub alarms: u32,
}

/// How a pipeline is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PipelineState {
    /// Its worker answers.
    Running,
    /// Its worker is starting.
    Starting,
    /// It can't run; for people.
    Failed(String),
}

/// Measured figures, every one that a gate uses.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Frames answered.
    pub frames: u64,
    /// Frames that came while the worker was busy, and were never inferred.
    pub skipped: u64,
    /// Times that a worker died or hung.
    pub crashes: u32,
    /// Median CPU time of an inference in microseconds, over the last 256.
    pub cpu_us_p50: u32,
    /// 95th percentile, likewise.
    pub cpu_us_p95: u32,
    /// Resident bytes of the worker.
    pub memory: u64,
}

/// Where an update is. Terminal phases are sticky.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdatePhase {
    /// The plan is known.
    Accepted,
    /// Files are on their way.
    Downloading,
    /// Files are checked.
    Verifying,
    /// Files are there.
    Staged,
    /// The golden inputs run.
    Testing,
    /// Everything is ready; *go* is awaited.
    Ready,
    /// The new model runs and is watched.
    Trial,
    /// The new model runs.
    Active,
    /// The plan could not be carried out; what ran before runs.
    Failed(String),
    /// The new model ran and was taken back.
    Reverted(String),
}

impl UpdatePhase {
    /// Whether nothing follows.
    pub const fn is_terminal(&self) -> bool {
        matches!(self, Self::Active | Self::Failed(_) | Self::Reverted(_))
    }

    /// The word in tables.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Downloading => "downloading",
            Self::Verifying => "verifying",
            Self::Staged => "staged",
            Self::Testing => "testing",
            Self::Ready => "ready",
            Self::Trial => "trial",
            Self::Active => "active",
            Self::Failed(_) => "failed",
            Self::Reverted(_) => "reverted",
        }
    }

    /// Why it ended badly.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Failed(reason) | Self::Reverted(reason) => Some(reason),
            _ => None,
        }
    }
}

/// How the plan goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateReport {
    /// The plan.
    pub plan: PlanId,
    /// The greatest choice seen for it.
    pub choice: Which,
    /// Where it is.
    pub phase: UpdatePhase,
    /// Bytes fetched so far.
    pub fetched: u64,
    /// Bytes to fetch.
    pub total: u64,
}

/// What waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OutboxReport {
    /// Records not yet acknowledged.
    pub held: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Records dropped since the store was made.
    pub dropped: u64,
    /// The next holder's store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreId>,
}

impl Reported {
    /// Where the report stands among the device's reports.
    pub const fn order(&self) -> (u64, u64) {
        (self.start, self.sequence)
    }

    /// The topic prefix's site is not inside: a device may move.
    pub fn topic(&self, site: SiteId) -> crate::Topic {
        crate::Topic {
            org: self.org.clone(),
            site,
            device: self.device.clone(),
            channel: crate::Channel::Reported,
        }
    }
}

impl Message for Reported {
    const WORD: &'static str = "reported document";
    const LIMIT: usize = limits::STATE;

    fn fault(&self) -> Option<String> {
        if let Some(fault) = newer_format(self.format) {
            return Some(fault);
        }
        (self.pipelines.len() > limits::PIPELINES || self.sources.len() > 64)
            .then(|| "too many pipelines or sources".into())
    }
}
