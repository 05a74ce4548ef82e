//! Commands: do once. Signed, with an id, a generation and a deadline.

use serde::{Deserialize, Serialize};

use crate::{CommandId, DeviceId, FrameId, Labels, Message, OrgId, PipelineId, StateOf, limits};

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

/// The part of a command that every version reads: who does not know its kind can still say so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandHead {
    /// As in [`Command`].
    pub org: OrgId,
    /// As in [`Command`].
    pub device: DeviceId,
    /// As in [`Command`].
    pub enrolment: u32,
    /// As in [`Command`].
    pub id: CommandId,
    /// As in [`Command`].
    pub not_after_ms: u64,
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
    /// Say why a pipeline answered a frame as it did: the reply's text is the JSON of an
    /// [`Explanation`](crate::Explanation).
    Explain(Seen),
    /// Learn what is true of frames: the reply's text is the JSON of
    /// [`Lessons`](crate::Lessons).
    Label(Labels),
    /// Tell what a pipeline's model learned, version by version: a
    /// [`StateList`](crate::StateList).
    States(PipelineId),
    /// Send a version of that: a [`PulledState`](crate::PulledState).
    PullState(StateOf),
    /// Know again what an earlier version knew: a [`StateList`](crate::StateList).
    RollBack(StateOf),
}

/// A frame that a pipeline answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// The frame.
    pub frame: FrameId,
}

impl CommandKind {
    /// The words of all kinds.
    pub const WORDS: [&'static str; 8] = [
        "diag",
        "purge",
        "restart_worker",
        "explain",
        "label",
        "states",
        "pull_state",
        "roll_back",
    ];

    /// The word in `agent.toml`, tables and the API.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Diag => "diag",
            Self::Purge => "purge",
            Self::RestartWorker(_) => "restart_worker",
            Self::Explain(_) => "explain",
            Self::Label(_) => "label",
            Self::States(_) => "states",
            Self::PullState(_) => "pull_state",
            Self::RollBack(_) => "roll_back",
        }
    }

    /// The pipeline that it is about, if it is about one.
    pub const fn pipeline(&self) -> Option<&PipelineId> {
        match self {
            Self::Diag | Self::Purge => None,
            Self::RestartWorker(pipeline)
            | Self::States(pipeline)
            | Self::Explain(Seen { pipeline, .. })
            | Self::Label(Labels { pipeline, .. })
            | Self::PullState(StateOf { pipeline, .. })
            | Self::RollBack(StateOf { pipeline, .. }) => Some(pipeline),
        }
    }

    /// Whether it only asks: asking twice changes nothing, so that nothing needs to be noted.
    pub const fn is_question(&self) -> bool {
        matches!(
            self,
            Self::Diag | Self::Explain(_) | Self::States(_) | Self::PullState(_)
        )
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

    fn fault(&self) -> Option<String> {
        match &self.what {
            CommandKind::Label(labels) => labels.fault(),
            _ => None,
        }
    }
}

impl Message for CommandHead {
    const WORD: &'static str = "command";
    const LIMIT: usize = limits::SMALL;
}

impl Message for Reply {
    const WORD: &'static str = "reply";
    const LIMIT: usize = limits::BATCH;
}
