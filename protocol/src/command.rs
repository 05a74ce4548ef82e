//! Commands: do once. Signed, with an id, a generation and a deadline.

use serde::{Deserialize, Serialize};

use crate::{CommandId, DeviceId, Message, OrgId, PipelineId, limits};

/// What `command/<id>` carries, in an envelope of [`Domain::Command`](crate::Domain).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// For whom.
    pub org: OrgId,
    /// For whom.
    pub device: DeviceId,
    /// The device's enrolment: a device enrolled anew does not obey older commands.
    pub enrolment: u32,
    /// Kept before execution: at most one effect.
    pub id: CommandId,
    /// Unix milliseconds after which it is not obeyed.
    pub not_after_ms: u64,
    /// What to do.
    pub what: CommandKind,
}

/// What a device can be told to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandKind {
    /// Send a diagnosis. Obeyed without a synced clock too.
    Diag,
    /// Delete models that nothing needs. Obeyed without a synced clock too.
    Purge,
    /// Restart the worker of a pipeline.
    RestartWorker(PipelineId),
}

impl CommandKind {
    /// The word in `agent.toml`, tables and the API.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Diag => "diag",
            Self::Purge => "purge",
            Self::RestartWorker(_) => "restart_worker",
        }
    }

    /// Whether a device obeys it while its clock is not synced.
    pub const fn works_without_clock(&self) -> bool {
        matches!(self, Self::Diag | Self::Purge)
    }
}

/// What `reply/<id>` carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The command's id.
    pub id: CommandId,
    /// How it ended.
    pub outcome: Outcome,
    /// For people, or the diagnosis as text.
    pub text: String,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Done.
    Done,
    /// Tried, and failed.
    Failed,
    /// Not tried: forbidden, expired or for someone else.
    Refused,
}

impl Message for Command {
    const WORD: &'static str = "command";
    const LIMIT: usize = limits::SMALL;
}

impl Message for Reply {
    const WORD: &'static str = "reply";
    const LIMIT: usize = limits::BATCH;
}
