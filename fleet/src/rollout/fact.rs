//! What is known of one device of a rollout.

use noroshi_protocol::{PlanId, UpdatePhase};
use serde::{Deserialize, Serialize};

/// Where a device stands in a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Its wave has not opened.
    Waiting,
    /// It has a plan that has not ended.
    UnderWay,
    /// It runs the target.
    Succeeded,
    /// It failed, went back, or missed its deadline.
    Failed,
    /// It does not exist any more.
    Gone,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fact {
    /// Counted from 0; follows from the specification.
    pub(super) wave: usize,
    assigned: Option<Assigned>,
    /// What it reported last about the plan.
    phase: Option<UpdatePhase>,
    /// Unix milliseconds of the last change.
    pub(super) since_ms: u64,
    verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Assigned {
    plan: PlanId,
    attempt: u32,
    due_ms: u64,
}

/// What was decided about a device, whatever it reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Open,
    /// Its deadline passed. Sticky: a late report changes nothing.
    Missed,
    Gone,
}

impl Fact {
    pub(super) fn new(wave: usize) -> Self {
        Self {
            wave,
            assigned: None,
            phase: None,
            since_ms: 0,
            verdict: Verdict::Open,
        }
    }

    pub(super) fn plan(&self) -> Option<&PlanId> {
        self.assigned.as_ref().map(|assigned| &assigned.plan)
    }

    pub(super) fn attempt(&self) -> u32 {
        self.assigned
            .as_ref()
            .map_or(0, |assigned| assigned.attempt)
    }

    pub(super) fn phase(&self) -> Option<&UpdatePhase> {
        self.phase.as_ref()
    }

    pub(super) fn is_missed(&self) -> bool {
        self.verdict == Verdict::Missed
    }

    pub(super) fn standing(&self) -> Standing {
        match (self.verdict, &self.assigned, &self.phase) {
            (Verdict::Gone, _, _) => Standing::Gone,
            (Verdict::Missed, _, _) => Standing::Failed,
            (Verdict::Open, None, _) => Standing::Waiting,
            (Verdict::Open, Some(_), Some(UpdatePhase::Active)) => Standing::Succeeded,
            (Verdict::Open, Some(_), Some(phase)) if phase.is_terminal() => Standing::Failed,
            (Verdict::Open, Some(_), _) => Standing::UnderWay,
        }
    }

    /// Whether the target may run there, or could before its report was sent.
    pub(super) fn is_to_go_back(&self) -> bool {
        match self.standing() {
            Standing::Succeeded => true,
            // Never heard of: without its plan it begins nothing.
            Standing::UnderWay => self.phase.is_some(),
            Standing::Waiting | Standing::Failed | Standing::Gone => false,
        }
    }

    /// When the device has failed, if it is under way.
    pub(super) fn due_ms(&self) -> Option<u64> {
        let assigned = self.assigned.as_ref()?;
        (self.standing() == Standing::UnderWay).then_some(assigned.due_ms)
    }

    pub(super) fn assign(&mut self, plan: PlanId, attempt: u32, now_ms: u64, due_ms: u64) {
        self.assigned = Some(Assigned {
            plan,
            attempt,
            due_ms,
        });
        self.phase = None;
        self.verdict = Verdict::Open;
        self.since_ms = now_ms;
    }

    /// Takes a report; whether it says anything new. Phases only go forward, and the end is
    /// the end; only success can still be taken back.
    pub(super) fn report(&mut self, phase: UpdatePhase, now_ms: u64) -> bool {
        let forward = self
            .phase
            .as_ref()
            .is_none_or(|known| rank(&phase) > rank(known));
        if !forward || self.verdict == Verdict::Gone {
            return false;
        }
        self.phase = Some(phase);
        if self.verdict == Verdict::Open {
            self.since_ms = now_ms;
        }
        true
    }

    pub(super) fn put_off(&mut self, due_ms: u64) {
        if let Some(assigned) = &mut self.assigned {
            assigned.due_ms = assigned.due_ms.max(due_ms);
        }
    }

    pub(super) fn put_off_by(&mut self, paused_ms: u64) {
        if let Some(assigned) = &mut self.assigned {
            assigned.due_ms = assigned.due_ms.saturating_add(paused_ms);
        }
    }

    pub(super) fn miss(&mut self, now_ms: u64) {
        self.verdict = Verdict::Missed;
        self.since_ms = now_ms;
    }

    pub(super) fn go(&mut self, now_ms: u64) {
        self.verdict = Verdict::Gone;
        self.since_ms = now_ms;
    }
}

const fn rank(phase: &UpdatePhase) -> u8 {
    match phase {
        UpdatePhase::Accepted => 0,
        UpdatePhase::Downloading => 1,
        UpdatePhase::Verifying => 2,
        UpdatePhase::Staged => 3,
        UpdatePhase::Testing => 4,
        UpdatePhase::Ready => 5,
        UpdatePhase::Trial => 6,
        UpdatePhase::Active => 7,
        UpdatePhase::Failed(_) | UpdatePhase::Reverted(_) => 8,
    }
}
