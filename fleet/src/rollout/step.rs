//! What events do to the facts.

use std::collections::BTreeSet;

use noroshi_protocol::{DeviceId, PlanId, SiteId, UpdatePhase};

use super::fact::{Fact, Standing};
use super::spec::ATTEMPTS;
use super::{Control, Effect, Ending, Event, Rollout};

/// Effects, each once.
#[derive(Default)]
pub(super) struct Effects(BTreeSet<Effect>);

impl Effects {
    pub(super) fn insert(&mut self, effect: Effect) {
        self.0.insert(effect);
    }

    pub(super) fn every_site(&mut self, rollout: &Rollout) {
        let sites = rollout.sites().into_iter().cloned();
        self.0.extend(sites.map(Effect::SitePlans));
    }
}

pub(super) fn step(rollout: &mut Rollout, event: Event, now_ms: u64) -> Vec<Effect> {
    let mut effects = Effects::default();
    if rollout.ending().is_none() {
        rollout.take(event, now_ms, &mut effects);
        rollout.advance(now_ms, &mut effects);
    }
    effects.0.into_iter().collect()
}

impl Rollout {
    fn take(&mut self, event: Event, now_ms: u64, effects: &mut Effects) {
        match (event, &self.control) {
            (
                Event::Reported {
                    device,
                    plan,
                    phase,
                },
                _,
            ) => {
                self.take_report(&device, &plan, phase, now_ms, effects);
            }
            (Event::DeviceGone(device), _) => self.lose(&device, now_ms, effects),
            (Event::Start, Control::Waiting) => self.control = Control::Running,
            (Event::Pause, Control::Running) => {
                self.control = Control::Paused { since_ms: now_ms };
                effects.every_site(self);
            }
            (Event::Resume, Control::Paused { since_ms }) => {
                let paused_ms = now_ms.saturating_sub(*since_ms);
                self.facts
                    .values_mut()
                    .filter(|fact| fact.standing() == Standing::UnderWay)
                    .for_each(|fact| fact.put_off_by(paused_ms));
                self.control = Control::Running;
                effects.every_site(self);
            }
            (Event::Revert, Control::Waiting) => self.end(Ending::Reverted, effects),
            (Event::Revert, Control::Running | Control::Paused { .. }) => {
                self.revert(None, now_ms, effects);
            }
            (Event::Retry(device), Control::Running) => self.try_again(&device, now_ms, effects),
            _ => {}
        }
    }

    fn take_report(
        &mut self,
        device: &DeviceId,
        plan: &PlanId,
        phase: UpdatePhase,
        now_ms: u64,
        effects: &mut Effects,
    ) {
        let Some(fact) = self.facts.get_mut(device) else {
            return;
        };
        let before = fact.standing();
        if fact.plan() != Some(plan) || !fact.report(phase, now_ms) {
            return;
        }
        let due_ms = now_ms.saturating_add(self.spec.deadline_ms);
        if fact.phase() == Some(&UpdatePhase::Trial) {
            // Its turn has come: what it waited for it does not lack now.
            fact.put_off(due_ms);
        }
        if before != fact.standing() && fact.standing() == Standing::Failed {
            self.failures_changed([device], effects);
        }
        self.let_wait(device, plan, due_ms);
    }

    /// While a device moves, those of its site that are ready wait for their turn, not in vain.
    fn let_wait(&mut self, mover: &DeviceId, plan: &PlanId, due_ms: u64) {
        let Some(site) = self.site_of(mover).cloned() else {
            return;
        };
        for member in self
            .spec
            .members
            .iter()
            .filter(|member| member.site == site)
        {
            let Some(fact) = self.facts.get_mut(&member.device) else {
                continue;
            };
            let waits = fact.standing() == Standing::UnderWay
                && fact.phase() == Some(&UpdatePhase::Ready)
                && fact.plan() == Some(plan)
                && member.device != *mover;
            if waits {
                fact.put_off(due_ms);
            }
        }
    }

    fn lose(&mut self, device: &DeviceId, now_ms: u64, effects: &mut Effects) {
        let here = |fact: &&mut Fact| fact.standing() != Standing::Gone;
        if let Some(fact) = self.facts.get_mut(device).filter(here) {
            fact.go(now_ms);
            // It may have been a failure.
            self.failures_changed([device], effects);
        }
    }

    fn try_again(&mut self, device: &DeviceId, now_ms: u64, effects: &mut Effects) {
        let due_ms = now_ms.saturating_add(self.spec.deadline_ms);
        let Some(fact) = self.facts.get_mut(device) else {
            return;
        };
        let attempt = fact.attempt() + 1;
        if fact.standing() == Standing::Failed && attempt <= ATTEMPTS {
            fact.assign(self.spec.plan(fact.wave, attempt), attempt, now_ms, due_ms);
            self.failures_changed([device], effects);
        }
    }

    /// Devices have failed, or are no failures any more: that changes their documents, and, as
    /// failures are counted together, the plans of every site.
    pub(super) fn failures_changed<'a>(
        &self,
        devices: impl IntoIterator<Item = &'a DeviceId>,
        effects: &mut Effects,
    ) {
        for device in devices {
            effects.insert(Effect::Desired(device.clone()));
        }
        effects.every_site(self);
    }

    pub(super) fn site_of(&self, device: &DeviceId) -> Option<&SiteId> {
        let mut members = self.spec.members.iter();
        members
            .find(|member| member.device == *device)
            .map(|member| &member.site)
    }
}
