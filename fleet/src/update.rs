//! How a device changes what it runs: one machine for planned and immediate changes.
//!
//! The whole [`Update`] is one value that the caller keeps on disk. Of what ran before and
//! the target exactly one is designated to run, at every moment: [`Update::running`]. Effects
//! begin with [`Effect::Persist`], so a step is on disk before it acts; every effect may be
//! carried out again after a crash. Every wait has a budget that goes on over restarts, so
//! every job ends.

mod event;
mod job;
mod step;

use noroshi_protocol::{Assignment, Choice, Desired, PlanId, UpdatePhase, UpdateReport, Which};
use serde::{Deserialize, Serialize};

pub use event::{Effect, Event, Failure, Step};
pub use job::Job;

/// Milliseconds to prepare an immediate change.
pub const IMMEDIATE_PREPARE_MS: u64 = 2 * 60 * 60 * 1000;
/// Milliseconds of trial of an immediate change.
pub const IMMEDIATE_TRIAL_MS: u64 = 10 * 1000;
/// Milliseconds that a ready device waits for *go*: 14 days.
pub const READY_MS: u64 = 14 * 24 * 60 * 60 * 1000;
/// Milliseconds that a restart takes from the budget at least, so that a device that restarts
/// for ever ends too.
pub const RESTART_MS: u64 = 10 * 1000;
/// Restarts within a trial that are forgiven; at one more the target goes back.
pub const TRIAL_RESTARTS: u32 = 3;
/// Milliseconds of waiting that a crash may lose at least; nothing more often is persisted
/// for the time alone.
pub const PERSIST_MS: u64 = 30 * 1000;
/// Milliseconds of waiting that a crash may lose at most.
pub const PERSIST_MOST_MS: u64 = 60 * 60 * 1000;

/// What a device runs, what it should run, and how it gets there.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Update {
    /// What ran last without doubt.
    active: Vec<Assignment>,
    /// The newest document taken.
    desired: Option<Desired>,
    /// The change under way, or the last one.
    job: Option<Job>,
    /// Counts jobs, so that an answer to an older one is known.
    jobs: u64,
    /// The newest choice for a plan that is not (yet) ours; it is retained and comes again
    /// after a restart.
    #[serde(skip)]
    heard: Option<Choice>,
    /// Monotonic milliseconds of the last event of this start.
    #[serde(skip)]
    seen_ms: Option<u64>,
    /// Milliseconds spent since the value was last persisted.
    #[serde(skip)]
    unsaved_ms: u64,
}

impl Update {
    /// A device that runs nothing and has been told nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// What happens at `now_ms` (monotonic; begins anew at a restart), and what is to be done
    /// about it, in that order. If there is anything, the first is [`Effect::Persist`].
    ///
    /// The first event after loading a persisted value must be [`Event::Restarted`].
    pub fn step(&mut self, event: Event, now_ms: u64) -> Vec<Effect> {
        step::step(self, event, now_ms)
    }

    /// What is designated to run: the target during a trial and after it, else what ran
    /// before. The caller's workers follow it.
    pub fn running(&self) -> &[Assignment] {
        match &self.job {
            Some(job) if job.phase == UpdatePhase::Trial => &job.target,
            _ => &self.active,
        }
    }

    /// Everything whose files must stay on disk: what runs, what a revert returns to, and the
    /// target until it has failed.
    pub fn needed(&self) -> Vec<&Assignment> {
        let mut needed: Vec<&Assignment> = self.active.iter().collect();
        if let Some(job) = &self.job {
            if job.is_open() {
                needed.extend(&job.target);
            }
            needed.extend(job.previous.iter().flatten());
        }
        needed
    }

    /// The newest document taken.
    pub fn desired(&self) -> Option<&Desired> {
        self.desired.as_ref()
    }

    /// Its sequence; 0 before the first.
    pub fn sequence(&self) -> u64 {
        self.desired.as_ref().map_or(0, |desired| desired.sequence)
    }

    /// The change under way, or the last one.
    pub fn job(&self) -> Option<&Job> {
        self.job.as_ref()
    }

    /// How it goes, for the reported document.
    pub fn report(&self) -> Option<UpdateReport> {
        self.job.as_ref().map(Job::report)
    }

    /// Milliseconds until a [`Event::Tick`] has something to do; `None` if nothing waits.
    pub fn wake_in_ms(&self) -> Option<u64> {
        self.job.as_ref().and_then(Job::wake_in_ms)
    }

    /// The plan that the newest document holds, if the job is about it or it is still to come.
    fn planned(&self) -> Option<&PlanId> {
        self.desired
            .as_ref()
            .and_then(|desired| desired.plan.as_ref())
            .map(|plan| &plan.id)
    }

    fn heard_for(&self, plan: &PlanId) -> Which {
        match &self.heard {
            Some(choice) if choice.plan == *plan => choice.which,
            _ => Which::Wait,
        }
    }
}
