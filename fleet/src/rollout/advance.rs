//! What follows from the facts and the time: waves open, thresholds stop, rollouts end.

use noroshi_protocol::DeviceId;

use super::fact::{Fact, Standing};
use super::step::Effects;
use super::{Control, Effect, Ending, Rollout};

impl Rollout {
    /// Draws conclusions until none is left.
    pub(super) fn advance(&mut self, now_ms: u64, effects: &mut Effects) {
        if self.control == Control::Running {
            self.miss_deadlines(now_ms, effects);
        }
        if matches!(self.control, Control::Running | Control::Paused { .. }) {
            self.stop_if_too_much_failed(now_ms, effects);
        }
        if self.control == Control::Running {
            self.go_on(now_ms, effects);
        }
        if let Control::Reverting { since_ms, stopped } = self.control.clone() {
            self.end_revert(since_ms, stopped, now_ms, effects);
        }
    }

    fn miss_deadlines(&mut self, now_ms: u64, effects: &mut Effects) {
        let late = |due_ms: Option<u64>| due_ms.is_some_and(|due_ms| due_ms <= now_ms);
        let mut missed: Vec<DeviceId> = Vec::new();
        for (device, fact) in &mut self.facts {
            if late(fact.due_ms()) {
                fact.miss(now_ms);
                missed.push(device.clone());
            }
        }
        if !missed.is_empty() {
            self.failures_changed(&missed, effects);
        }
    }

    fn stop_if_too_much_failed(&mut self, now_ms: u64, effects: &mut Effects) {
        let (failures, most) = (self.failures(), self.spec.most_failures());
        if failures > most {
            let reason = format!("{failures} devices failed, at most {most} may");
            self.revert(Some(reason), now_ms, effects);
        }
    }

    /// Opens the next wave, or ends well, if every device begun has ended long enough ago.
    fn go_on(&mut self, now_ms: u64, effects: &mut Effects) {
        if self.count(Standing::UnderWay) > 0 {
            return;
        }
        if let Some(reason) = self.lacking_success() {
            return self.revert(Some(reason), now_ms, effects);
        }
        let soaked_ms = self
            .last_end_ms()
            .map(|end| end.saturating_add(self.spec.soak_ms));
        if soaked_ms.is_some_and(|soaked_ms| now_ms < soaked_ms) {
            return;
        }
        let waiting = self
            .facts
            .values()
            .filter(|fact| fact.standing() == Standing::Waiting);
        match waiting.map(|fact| fact.wave).min() {
            Some(wave) => self.open(wave, now_ms, effects),
            None => self.end(Ending::Succeeded, effects),
        }
    }

    /// Why too few of the devices begun so far run the target, if so.
    fn lacking_success(&self) -> Option<String> {
        let (good, bad) = (self.count(Standing::Succeeded), self.failures());
        let begun = good + bad;
        let percent = u64::from(self.spec.success_percent);
        (u64::from(good) * 100 < u64::from(begun) * percent)
            .then(|| format!("{good} of {begun} devices succeeded, {percent} % must"))
    }

    fn open(&mut self, wave: usize, now_ms: u64, effects: &mut Effects) {
        let due_ms = now_ms.saturating_add(self.spec.deadline_ms);
        let plan = self.spec.plan(wave, 1);
        for member in &self.spec.members {
            let waits =
                |fact: &&mut Fact| fact.wave == wave && fact.standing() == Standing::Waiting;
            if let Some(fact) = self.facts.get_mut(&member.device).filter(waits) {
                fact.assign(plan.clone(), 1, now_ms, due_ms);
                effects.insert(Effect::Desired(member.device.clone()));
                effects.insert(Effect::SitePlans(member.site.clone()));
            }
        }
    }

    pub(super) fn revert(&mut self, stopped: Option<String>, now_ms: u64, effects: &mut Effects) {
        self.control = Control::Reverting {
            since_ms: now_ms,
            stopped,
        };
        effects.every_site(self);
    }

    /// Ends when no device is left that may run the target, or the deadline has passed: one
    /// that is away goes back when it comes and finds no plan.
    fn end_revert(
        &mut self,
        since_ms: u64,
        stopped: Option<String>,
        now_ms: u64,
        effects: &mut Effects,
    ) {
        let left = self.facts.values().any(super::fact::Fact::is_to_go_back);
        if !left || now_ms >= since_ms.saturating_add(self.spec.deadline_ms) {
            self.end(stopped.map_or(Ending::Reverted, Ending::Stopped), effects);
        }
    }

    pub(super) fn end(&mut self, ending: Ending, effects: &mut Effects) {
        self.control = Control::Ended(ending.clone());
        let begun = self.facts.iter().filter(|(_, fact)| fact.plan().is_some());
        for (device, _) in begun {
            effects.insert(Effect::Desired(device.clone()));
        }
        effects.every_site(self);
        effects.insert(Effect::Ended(ending));
    }
}
