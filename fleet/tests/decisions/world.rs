//! Ids and documents of a small world.

use noroshi_model::{Blob, Digest};
use noroshi_protocol::{Assignment, Desired, DeviceId, ModelChoice, OrgId, Plan, SiteId, Topic};

pub(crate) fn org() -> OrgId {
    "acme".parse().unwrap()
}

pub(crate) fn device(id: &str) -> DeviceId {
    id.parse().unwrap()
}

pub(crate) fn site(id: &str) -> SiteId {
    id.parse().unwrap()
}

pub(crate) fn topic(text: &str) -> Topic {
    text.parse().unwrap()
}

/// One pipeline that runs this version of a model; nothing for version 0.
pub(crate) fn pipelines(version: u32) -> Vec<Assignment> {
    let assignment = Assignment {
        pipeline: "door".parse().unwrap(),
        revision: version,
        source: "camera".into(),
        model: ModelChoice {
            model: "people".parse().unwrap(),
            version,
            manifest: Blob {
                sha256: Digest::of(&version.to_be_bytes()),
                length: 1000,
            },
            variant: "int8".parse().unwrap(),
        },
        filters: Vec::new(),
        top: 1,
    };
    std::iter::repeat_n(assignment, usize::from(version > 0)).collect()
}

/// The version that pipelines made by [`pipelines`] run.
pub(crate) fn version(pipelines: &[Assignment]) -> u32 {
    pipelines
        .first()
        .map_or(0, |assignment| assignment.model.version)
}

pub(crate) fn plan(id: &str, target: u32) -> Plan {
    Plan {
        id: id.parse().unwrap(),
        rollout: "r".parse().unwrap(),
        pipelines: pipelines(target),
        prepare_ms: 600_000,
        trial_ms: 60_000,
    }
}

/// A document for device `d1`.
pub(crate) fn desired(sequence: u64, base: u32, plan: Option<Plan>) -> Desired {
    Desired {
        format: 1,
        org: org(),
        device: device("d1"),
        sequence,
        issued_ms: sequence,
        expires_ms: sequence + 1_000_000,
        pipelines: pipelines(base),
        plan,
    }
}
