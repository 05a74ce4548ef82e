//! The machine's moves.

use noroshi_protocol::{Choice, Desired, UpdatePhase, Which};

use super::event::{Effect, Event, Failure, Retry, Step, bounded};
use super::job::Job;
use super::{PERSIST_MOST_MS, PERSIST_MS, READY_MS, RESTART_MS, TRIAL_RESTARTS, Update};

/// First wait before a step is begun again, in milliseconds; doubles each time.
const RETRY_MS: u64 = 2_000;
/// Longest such wait.
const RETRY_MOST_MS: u64 = 60_000;
/// First wait before a failed immediate change is tried again; doubles each time.
const AGAIN_MS: u64 = 60_000;
/// Longest such wait: one hour.
const AGAIN_MOST_MS: u64 = 3_600_000;

pub(super) fn step(update: &mut Update, event: Event, now_ms: u64) -> Vec<Effect> {
    let mut effects = Vec::new();
    update.spend(&event, now_ms);
    update.miss_deadline(&mut effects);
    update.take(event, &mut effects);
    update.retry(&mut effects);
    update.end_trial(&mut effects);
    update.begin_next(&mut effects);
    if !effects.is_empty() || update.is_unsaved_for_long() {
        update.unsaved_ms = 0;
        effects.insert(0, Effect::Persist);
    }
    effects
}

fn doubled(first_ms: u64, tries: u32, most_ms: u64) -> u64 {
    first_ms.saturating_mul(1 << tries.min(16)).min(most_ms)
}

impl Update {
    /// Whether a crash would lose too much of the time spent: a sixteenth of what is left.
    fn is_unsaved_for_long(&self) -> bool {
        let left_ms = self.job.as_ref().map_or(0, |job| job.left_ms);
        self.unsaved_ms >= (left_ms / 16).clamp(PERSIST_MS, PERSIST_MOST_MS)
    }

    /// Takes the time since the last event from what is left.
    fn spend(&mut self, event: &Event, now_ms: u64) {
        let before = self.seen_ms.replace(now_ms);
        let Some(job) = &mut self.job else { return };
        // After a restart the clock has begun anew: only what was persisted is known.
        let restarted = *event == Event::Restarted;
        let spent = match before {
            Some(before) if !restarted => now_ms.saturating_sub(before),
            _ => 0,
        };
        if let Some(retry) = &mut job.retry_ms {
            *retry = retry.saturating_sub(spent);
        }
        if job.is_open() {
            // A trial is stood by running, not by restarting.
            let charged = restarted && job.phase != UpdatePhase::Trial;
            let fee = if charged { RESTART_MS } else { 0 };
            job.left_ms = job.left_ms.saturating_sub(spent + fee);
            self.unsaved_ms = self.unsaved_ms.saturating_add(spent);
        }
    }

    fn miss_deadline(&mut self, effects: &mut Vec<Effect>) {
        let Some(job) = &self.job else { return };
        let reason = match &job.phase {
            _ if job.left_ms > 0 || !job.is_open() => return,
            UpdatePhase::Trial => return,
            UpdatePhase::Ready => "deadline: no choice came while it was ready".to_owned(),
            phase => format!("deadline: not prepared in time, still {}", phase.word()),
        };
        self.fail(reason, Retry::Later, effects);
    }

    fn take(&mut self, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::Desired(desired) => self.take_desired(*desired, effects),
            Event::Choice(choice) => self.take_choice(choice, effects),
            Event::Progress {
                job,
                fetched,
                total,
            } => self.progress(job, fetched, total, effects),
            Event::Done { job, step } => self.done(job, step, effects),
            Event::Failed { job, step, failure } => self.step_failed(job, step, failure, effects),
            Event::Crashed { job, reason } => {
                let concerned =
                    |running: &&Job| running.number == job && running.phase == UpdatePhase::Trial;
                if self.job.as_ref().as_ref().is_some_and(concerned) {
                    self.go_back(&format!("crashed in the trial: {reason}"), effects);
                }
            }
            Event::Tick => {}
            Event::Restarted => self.resume(effects),
        }
    }

    fn take_desired(&mut self, desired: Desired, effects: &mut Vec<Effect>) {
        if self.desired.is_some() && desired.sequence <= self.sequence() {
            return;
        }
        let same = self.job.as_ref().is_some_and(|job| {
            if job.immediate {
                job.target == desired.pipelines
            } else {
                let target = (&job.plan, &job.target);
                desired
                    .plan
                    .as_ref()
                    .map(|plan| (&plan.id, &plan.pipelines))
                    == Some(target)
            }
        });
        if !same {
            self.abandon("superseded by a newer desired document", effects);
        }
        self.desired = Some(desired);
        // The report names the newest document.
        effects.push(Effect::Report);
    }

    /// Ends an open job, with what ran before running.
    fn abandon(&mut self, reason: &str, effects: &mut Vec<Effect>) {
        match self.job.as_ref().map(|job| &job.phase) {
            Some(UpdatePhase::Trial) => self.go_back(reason, effects),
            Some(phase) if !phase.is_terminal() => {
                self.fail(reason.to_owned(), Retry::Never, effects);
            }
            _ => {}
        }
    }

    fn take_choice(&mut self, choice: Choice, effects: &mut Vec<Effect>) {
        let ours = self.planned() == Some(&choice.plan);
        let job = self
            .job
            .as_mut()
            .filter(|job| ours && job.plan == choice.plan);
        let Some(job) = job else {
            let known = self.heard_for(&choice.plan);
            let which = choice.which.max(known);
            self.heard = Some(Choice { which, ..choice });
            return;
        };
        if choice.which <= job.choice {
            return;
        }
        job.choice = choice.which;
        effects.push(Effect::Report);
        self.obey_choice(effects);
    }

    /// Does what the greatest choice seen asks for, as far as the phase allows.
    fn obey_choice(&mut self, effects: &mut Vec<Effect>) {
        let Some(job) = &self.job else { return };
        match (job.choice, &job.phase) {
            (Which::Go, UpdatePhase::Ready) => self.start_trial(effects),
            (Which::Revert, UpdatePhase::Trial | UpdatePhase::Active) => {
                self.go_back("the choice was to revert", effects);
            }
            (Which::Revert, phase) if !phase.is_terminal() => {
                let reason = "the choice was to revert before it began".to_owned();
                self.fail(reason, Retry::Never, effects);
            }
            _ => {}
        }
    }

    fn start_trial(&mut self, effects: &mut Vec<Effect>) {
        let Some(job) = &mut self.job else { return };
        job.phase = UpdatePhase::Trial;
        job.left_ms = job.trial_ms;
        job.restarts = 0;
        effects.extend([Effect::StartTrial { job: job.number }, Effect::Report]);
    }

    /// From the trial, or from success, to what was active when *go* was accepted.
    fn go_back(&mut self, reason: &str, effects: &mut Vec<Effect>) {
        let Some(job) = &mut self.job else { return };
        job.phase = UpdatePhase::Reverted(bounded(reason.to_owned()));
        if let Some(previous) = job.previous.take() {
            self.active = previous;
        }
        effects.extend([Effect::Return, Effect::DropStaged, Effect::Report]);
    }

    fn end_trial(&mut self, effects: &mut Vec<Effect>) {
        let Some(job) = &mut self.job else { return };
        if job.phase != UpdatePhase::Trial || job.left_ms > 0 {
            return;
        }
        job.phase = UpdatePhase::Active;
        job.previous = Some(std::mem::replace(&mut self.active, job.target.clone()));
        effects.extend([Effect::MakeActive, Effect::DropStaged, Effect::Report]);
    }

    fn fail(&mut self, reason: String, retry: Retry, effects: &mut Vec<Effect>) {
        let Some(job) = &mut self.job else { return };
        job.phase = UpdatePhase::Failed(bounded(reason));
        let again = job.immediate && retry != Retry::Never;
        job.retry_ms = again.then(|| doubled(AGAIN_MS, job.tries, AGAIN_MOST_MS));
        effects.extend([Effect::DropStaged, Effect::Report]);
    }

    fn progress(&mut self, number: u64, fetched: u64, total: u64, effects: &mut Vec<Effect>) {
        let Some(job) = self.job.as_mut().filter(|job| job.number == number) else {
            return;
        };
        if job.step() != Some(Step::Fetch) {
            return;
        }
        let tenth = |fetched: u64| fetched.saturating_mul(10) / total.max(1);
        let report = job.phase == UpdatePhase::Accepted
            || job.total != total
            || tenth(fetched) != tenth(job.fetched);
        job.phase = UpdatePhase::Downloading;
        (job.fetched, job.total) = (fetched, total);
        if report {
            effects.push(Effect::Report);
        }
    }

    fn done(&mut self, number: u64, step: Step, effects: &mut Vec<Effect>) {
        let Some(job) = self.job.as_mut().filter(|job| job.number == number) else {
            return;
        };
        if job.step() != Some(step) {
            return;
        }
        (job.retry_ms, job.attempts) = (None, 0);
        job.phase = match step {
            Step::Fetch => UpdatePhase::Verifying,
            Step::Verify => UpdatePhase::Staged,
            Step::Stage => UpdatePhase::Testing,
            Step::TestGolden => UpdatePhase::Ready,
        };
        effects.push(Effect::Report);
        if let Some(step) = job.step() {
            effects.push(Effect::Begin { job: number, step });
        } else {
            job.left_ms = READY_MS;
            self.obey_choice(effects);
        }
    }

    fn step_failed(
        &mut self,
        number: u64,
        step: Step,
        failure: Failure,
        effects: &mut Vec<Effect>,
    ) {
        let Some(job) = self.job.as_mut().filter(|job| job.number == number) else {
            return;
        };
        if job.step() != Some(step) {
            return;
        }
        if failure.retry == Retry::Soon {
            // The step waits; a failed attempt is not a change worth a write.
            job.retry_ms = Some(doubled(RETRY_MS, job.attempts, RETRY_MOST_MS));
            job.attempts = job.attempts.saturating_add(1);
        } else {
            self.fail(failure.reason, failure.retry, effects);
        }
    }

    /// Begins a step again, or a failed immediate change, when its wait is over.
    fn retry(&mut self, effects: &mut Vec<Effect>) {
        let Some(job) = self.job.as_mut().filter(|job| job.retry_ms == Some(0)) else {
            return;
        };
        job.retry_ms = None;
        if let Some(step) = job.step() {
            let job = job.number;
            effects.push(Effect::Begin { job, step });
        } else if matches!(job.phase, UpdatePhase::Failed(_)) {
            let (tries, target) = (job.tries.saturating_add(1), job.target.clone());
            self.begin(effects, |number, sequence| {
                Job::immediate(number, sequence, tries, target)
            });
        }
    }

    /// After a start: go on where the persisted value is. Everything here may be a repetition.
    fn resume(&mut self, effects: &mut Vec<Effect>) {
        let Some(job) = &mut self.job else { return };
        // Also so that the restart's price is persisted.
        effects.push(Effect::Report);
        match &job.phase {
            UpdatePhase::Trial if job.restarts >= TRIAL_RESTARTS => {
                self.go_back("restarted too often in the trial", effects);
            }
            UpdatePhase::Trial => {
                job.restarts += 1;
                effects.push(Effect::StartTrial { job: job.number });
            }
            UpdatePhase::Active => effects.extend([Effect::MakeActive, Effect::DropStaged]),
            UpdatePhase::Reverted(_) => effects.extend([Effect::Return, Effect::DropStaged]),
            UpdatePhase::Failed(_) => effects.push(Effect::DropStaged),
            _ => {
                if let Some(step) = job.step() {
                    let job = job.number;
                    effects.push(Effect::Begin { job, step });
                }
            }
        }
    }

    /// Begins the next job, if what the document says is neither so nor under way nor failed.
    fn begin_next(&mut self, effects: &mut Vec<Effect>) {
        let Some(desired) = &self.desired else { return };
        let job = self.job.as_ref();
        if job.is_some_and(Job::is_open) {
            return;
        }
        let plan = desired.plan.clone();
        if job.is_some_and(|job| Some(&job.plan) == plan.as_ref().map(|plan| &plan.id)) {
            return;
        }
        let target = &desired.pipelines;
        let tried = job.is_some_and(|job| job.immediate && job.target == *target);
        if *target != self.active && !tried {
            let target = target.clone();
            self.begin(effects, |number, sequence| {
                Job::immediate(number, sequence, 0, target)
            });
        } else if let Some(plan) = plan {
            let choice = self.heard_for(&plan.id);
            self.begin(effects, |number, _| Job::planned(number, &plan, choice));
            self.obey_choice(effects);
        }
    }

    fn begin(&mut self, effects: &mut Vec<Effect>, make: impl FnOnce(u64, u64) -> Job) {
        self.jobs += 1;
        let (job, step) = (self.jobs, Step::Fetch);
        self.job = Some(make(job, self.sequence()));
        effects.extend([Effect::Report, Effect::Begin { job, step }]);
    }
}
