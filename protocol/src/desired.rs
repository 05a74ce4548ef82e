//! Desired state: what a device should run, and the plans that a gateway carries out.

use noroshi_model::{Blob, Filter, ModelId, VariantName};
use serde::{Deserialize, Serialize};

use crate::cbor::newer_format;
use crate::{
    CertificateSerial, DeviceId, Message, OrgId, PipelineId, PlanId, RolloutId, SiteId, limits,
};

/// What one device should run. Travels in an [`Envelope`](crate::Envelope) of
/// [`Domain::Desired`](crate::Domain).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Desired {
    /// Version of this document's format: 1.
    pub format: u32,
    /// For whom.
    pub org: OrgId,
    /// For whom.
    pub device: DeviceId,
    /// Rises with every issue: max(last + 1, issue time in Unix milliseconds).
    pub sequence: u64,
    /// Unix milliseconds.
    pub issued_ms: u64,
    /// Unix milliseconds. Bars a new assignment after it; never stops what runs.
    pub expires_ms: u64,
    /// What should run now.
    pub pipelines: Vec<Assignment>,
    /// What should run next, when a choice says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
}

/// One pipeline of a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// Which pipeline.
    pub pipeline: PipelineId,
    /// Rises whenever the pipeline's settings or model change.
    pub revision: u32,
    /// The name of a source in the device's `agent.toml`.
    pub source: String,
    /// What runs on its frames.
    pub model: ModelChoice,
    /// What becomes a result, in order.
    #[serde(default)]
    pub filters: Vec<Filter>,
    /// Labels in a result, 1 to 16.
    pub top: u8,
}

/// A released model version and the variant for this device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelChoice {
    /// The model.
    pub model: ModelId,
    /// Its version.
    pub version: u32,
    /// The manifest: must be a verified TUF target of this digest and length.
    pub manifest: Blob,
    /// Which of its files.
    pub variant: VariantName,
}

/// A device's next target. Deadlines count from acceptance of the document (prepare) and of
/// *go* (trial), on the monotonic clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// This plan; a retry is a new one.
    pub id: PlanId,
    /// The rollout it belongs to.
    pub rollout: RolloutId,
    /// What should run after *go*.
    pub pipelines: Vec<Assignment>,
    /// Milliseconds to download, verify and test.
    pub prepare_ms: u64,
    /// Milliseconds of trial after *go*: without a crash or failure by then, it is active.
    pub trial_ms: u64,
}

/// A gateway's desired document: the plans of its site, and whom it lets in no more. Travels in an envelope of
/// [`Domain::SitePlan`](crate::Domain) on `state/desired` of the device `gateway`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteDesired {
    /// Version of this document's format: 1.
    pub format: u32,
    /// For whom.
    pub org: OrgId,
    /// For whom.
    pub site: SiteId,
    /// As in [`Desired`].
    pub sequence: u64,
    /// Unix milliseconds.
    pub issued_ms: u64,
    /// Unix milliseconds; bars new *go*s after it.
    pub expires_ms: u64,
    /// Plans to carry out.
    pub plans: Vec<SitePlan>,
    /// Certificates of the organisation's devices that a gateway lets in no more, by serial. They
    /// leave the list when they expire.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoked: Vec<Revocation>,
}

/// A certificate that was valid and is not any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Revocation {
    /// Which one.
    pub serial: CertificateSerial,
    /// Whose it was, if that device was of this site: what the gateway keeps for it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
}

/// The part of one rollout that one site carries out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SitePlan {
    /// The plan's id; the devices' documents name the same one.
    pub id: PlanId,
    /// The rollout it belongs to.
    pub rollout: RolloutId,
    /// Whose turn it is, in order.
    pub devices: Vec<DeviceId>,
    /// Devices that may be between *go* and their end at the same time.
    pub parallel: u32,
    /// More failures than this and every device of the plan goes back.
    pub max_failures: u32,
    /// What the cloud wants of the whole plan.
    pub state: PlanState,
}

/// What the cloud wants of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlanState {
    /// Send *go* to no more devices.
    Paused,
    /// Carry it out.
    Running,
    /// Send *revert* to every device.
    Reverting,
}

impl Assignment {
    /// A broken rule, if any.
    pub fn fault(&self) -> Option<String> {
        let pipeline = &self.pipeline;
        if !(1..=64).contains(&self.source.len()) {
            return Some(format!(
                "pipeline {pipeline}: a source's name has 1 to 64 bytes"
            ));
        }
        if !(1..=16).contains(&self.top) {
            return Some(format!("pipeline {pipeline}: top must be 1 to 16"));
        }
        if self.filters.len() > 8 {
            return Some(format!("pipeline {pipeline}: at most 8 filters"));
        }
        let fault = self.filters.iter().find_map(Filter::fault)?;
        Some(format!("pipeline {pipeline}: {fault}"))
    }
}

fn pipelines_fault(pipelines: &[Assignment]) -> Option<String> {
    if pipelines.len() > limits::PIPELINES {
        return Some(format!("at most {} pipelines a device", limits::PIPELINES));
    }
    for (at, assignment) in pipelines.iter().enumerate() {
        if pipelines[..at]
            .iter()
            .any(|other| other.pipeline == assignment.pipeline)
        {
            return Some(format!("pipeline {} is there twice", assignment.pipeline));
        }
    }
    pipelines.iter().find_map(Assignment::fault)
}

impl Message for Desired {
    const WORD: &'static str = "desired document";
    const LIMIT: usize = limits::STATE;

    fn fault(&self) -> Option<String> {
        if let Some(fault) = newer_format(self.format) {
            return Some(fault);
        }
        pipelines_fault(&self.pipelines).or_else(|| {
            self.plan
                .as_ref()
                .and_then(|plan| pipelines_fault(&plan.pipelines))
        })
    }
}

impl Message for SiteDesired {
    const WORD: &'static str = "site plan";
    const LIMIT: usize = limits::STATE;

    fn fault(&self) -> Option<String> {
        if let Some(fault) = newer_format(self.format) {
            return Some(fault);
        }
        let crowded = self
            .plans
            .iter()
            .any(|plan| plan.devices.len() > limits::PLAN_DEVICES);
        if crowded {
            return Some(format!("at most {} devices a plan", limits::PLAN_DEVICES));
        }
        let revoked = limits::REVOKED;
        (self.revoked.len() > revoked).then(|| format!("at most {revoked} revoked certificates"))
    }
}
