//! One change of what a device runs, from acceptance to its end.

use noroshi_protocol::{Assignment, Plan, PlanId, UpdatePhase, UpdateReport, Which};
use serde::{Deserialize, Serialize};

use super::event::Step;
use super::{IMMEDIATE_PREPARE_MS, IMMEDIATE_TRIAL_MS};

/// What an immediate change's plan id begins with.
const IMMEDIATE: &str = "desired";

/// One change of what a device runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Tells it from earlier ones.
    pub(super) number: u64,
    pub(super) plan: PlanId,
    /// Taken without a plan: no choice is awaited, and it may be tried again later.
    pub(super) immediate: bool,
    pub(super) target: Vec<Assignment>,
    /// What a revert after the trial returns to: active when *go* was accepted.
    pub(super) previous: Option<Vec<Assignment>>,
    pub(super) phase: UpdatePhase,
    /// The greatest choice seen.
    pub(super) choice: Which,
    /// What is left of the phase's time: to prepare, to wait for *go*, of the trial.
    pub(super) left_ms: u64,
    pub(super) trial_ms: u64,
    /// Restarts in the trial.
    pub(super) restarts: u32,
    /// Until the step, or a failed immediate change, is tried again.
    pub(super) retry_ms: Option<u64>,
    /// How often the step has failed in passing.
    pub(super) attempts: u32,
    /// How often the immediate change was tried before.
    pub(super) tries: u32,
    pub(super) fetched: u64,
    pub(super) total: u64,
}

impl Job {
    pub(super) fn planned(number: u64, plan: &Plan, choice: Which) -> Self {
        Self {
            number,
            plan: plan.id.clone(),
            immediate: false,
            target: plan.pipelines.clone(),
            choice,
            left_ms: plan.prepare_ms,
            trial_ms: plan.trial_ms,
            ..Self::immediate(number, 0, 0, Vec::new())
        }
    }

    /// An immediate change to what the document with `sequence` says, for the `tries`th time
    /// again.
    pub(super) fn immediate(
        number: u64,
        sequence: u64,
        tries: u32,
        target: Vec<Assignment>,
    ) -> Self {
        let plan = if tries == 0 {
            format!("{IMMEDIATE}-{sequence}")
        } else {
            format!("{IMMEDIATE}-{sequence}-{tries}")
        };
        Self {
            number,
            plan: plan.parse().expect("at most 39 letters, digits and dashes"),
            immediate: true,
            target,
            previous: None,
            phase: UpdatePhase::Accepted,
            choice: Which::Go,
            left_ms: IMMEDIATE_PREPARE_MS,
            trial_ms: IMMEDIATE_TRIAL_MS,
            restarts: 0,
            retry_ms: None,
            attempts: 0,
            tries,
            fetched: 0,
            total: 0,
        }
    }

    /// The number that effects and answers name.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The plan; `desired-<sequence>` for an immediate change.
    pub fn plan(&self) -> &PlanId {
        &self.plan
    }

    /// Whether it was taken without a plan.
    pub fn is_immediate(&self) -> bool {
        self.immediate
    }

    /// What should run after it.
    pub fn target(&self) -> &[Assignment] {
        &self.target
    }

    /// Where it is.
    pub fn phase(&self) -> &UpdatePhase {
        &self.phase
    }

    /// Whether something still follows.
    pub fn is_open(&self) -> bool {
        !self.phase.is_terminal()
    }

    /// The step that is being done.
    pub fn step(&self) -> Option<Step> {
        match self.phase {
            UpdatePhase::Accepted | UpdatePhase::Downloading => Some(Step::Fetch),
            UpdatePhase::Verifying => Some(Step::Verify),
            UpdatePhase::Staged => Some(Step::Stage),
            UpdatePhase::Testing => Some(Step::TestGolden),
            UpdatePhase::Ready
            | UpdatePhase::Trial
            | UpdatePhase::Active
            | UpdatePhase::Failed(_)
            | UpdatePhase::Reverted(_) => None,
        }
    }

    pub(super) fn report(&self) -> UpdateReport {
        UpdateReport {
            plan: self.plan.clone(),
            choice: self.choice,
            phase: self.phase.clone(),
            fetched: self.fetched,
            total: self.total,
        }
    }

    pub(super) fn wake_in_ms(&self) -> Option<u64> {
        let left = self.is_open().then_some(self.left_ms);
        match (left, self.retry_ms) {
            (Some(left), Some(retry)) => Some(left.min(retry)),
            (left, retry) => left.or(retry),
        }
    }
}
