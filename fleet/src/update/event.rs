//! What happens to an update, and what is to be done about it.

use noroshi_protocol::{Choice, Desired};
use serde::{Deserialize, Serialize};

/// Longest reason of a failure, in bytes.
const REASON: usize = 300;

/// Work that prepares a target. Each step may be begun again, and then continues or repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Make sure of the space, then bring manifests and blobs into the staging folder.
    Fetch,
    /// Check digests, lengths, signatures and requirements.
    Verify,
    /// Put the files into their slots.
    Stage,
    /// Run the golden inputs in a worker of its own.
    TestGolden,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 4] = [Self::Fetch, Self::Verify, Self::Stage, Self::TestGolden];
}

/// What happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A document that [`accept`](crate::assignment::accept) let in. An older one than the
    /// newest taken has no effect.
    Desired(Box<Desired>),
    /// Bytes of a fetch.
    Progress {
        /// The job.
        job: u64,
        /// Bytes there.
        fetched: u64,
        /// Bytes of all files.
        total: u64,
    },
    /// A step is done.
    Done {
        /// The job that it was begun for.
        job: u64,
        /// The step.
        step: Step,
    },
    /// A step could not be done.
    Failed {
        /// The job that it was begun for.
        job: u64,
        /// The step.
        step: Step,
        /// Why.
        failure: Failure,
    },
    /// A choice arrived.
    Choice(Choice),
    /// A worker of the target crashed, hung or could not start during the job's trial.
    Crashed {
        /// The job.
        job: u64,
        /// What happened to it.
        reason: String,
    },
    /// Time passed.
    Tick,
    /// The agent has started and loaded the value.
    Restarted,
}

/// Why a step could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For people; begins with a word that programs know, if there is one.
    pub reason: String,
    /// What to do about it.
    pub retry: Retry,
}

/// Whether trying again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Soon, within the same job.
    Soon,
    /// Not within this job; an immediate change is tried again later.
    Later,
    /// Never with this target.
    Never,
}

impl Failure {
    /// The link or the peer failed: the step is begun again until the deadline.
    pub fn passing(reason: impl Into<String>) -> Self {
        Self::new(reason, Retry::Soon)
    }

    /// The target is bad: wrong digest, missing requirement, wrong golden outputs.
    pub fn lasting(reason: impl Into<String>) -> Self {
        Self::new(reason, Retry::Never)
    }

    /// The disk, or the quota, is too full.
    pub fn insufficient_storage(needed: u64, free: u64) -> Self {
        let reason = format!("insufficient_storage: {needed} bytes needed, {free} free");
        Self::new(reason, Retry::Later)
    }

    fn new(reason: impl Into<String>, retry: Retry) -> Self {
        Self {
            reason: bounded(reason.into()),
            retry,
        }
    }
}

/// The reason cut to what a report carries.
pub(super) fn bounded(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(REASON));
    reason
}

/// What is to be done. All of them may be done again after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Put the [`Update`](crate::update::Update) on disk, synced, before anything that follows.
    Persist,
    /// Begin the step for the job's target, or go on with it; answer with
    /// [`Event::Done`] or [`Event::Failed`] and its number.
    Begin {
        /// The job.
        job: u64,
        /// What to do.
        step: Step,
    },
    /// Let the target run: `running()` is the target now. Crashes are to be told.
    StartTrial {
        /// The job.
        job: u64,
    },
    /// The target has stood its trial and stays.
    MakeActive,
    /// Let run again what ran before: `running()` is that now.
    Return,
    /// Stop all work of earlier jobs, and delete the files that `needed()` does not name.
    DropStaged,
    /// Publish a reported document.
    Report,
}
