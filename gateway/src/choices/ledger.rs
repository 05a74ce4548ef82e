//! What a site's choices are made of: plans, reports, and what was given. Pure.

use std::collections::BTreeMap;

use noroshi_fleet::assignment::Clock;
use noroshi_fleet::chooser::{self, Choices, Reports};
use noroshi_protocol::{DeviceId, PlanId, SiteDesired, SitePlan, UpdatePhase, Which};
use serde::{Deserialize, Serialize};

/// Devices of which reports are remembered.
const DEVICES: usize = 4_096;

/// What is written down.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Ledger {
    #[serde(default)]
    pub(super) desired: Option<SiteDesired>,
    /// By plan, by device.
    given: BTreeMap<PlanId, BTreeMap<DeviceId, Which>>,
    /// The plan whose choice each device's topic retains.
    pub(super) published: BTreeMap<DeviceId, (PlanId, Which)>,
    reports: BTreeMap<PlanId, BTreeMap<DeviceId, (PhaseNote, Which)>>,
    /// The plan that each device reported about last; the site's document may not name it yet.
    #[serde(default)]
    newest: BTreeMap<DeviceId, PlanId>,
}

/// A phase as far as choosing needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct PhaseNote(pub(super) UpdatePhase);

pub(super) type Change = (DeviceId, Option<(PlanId, Which)>);

impl Ledger {
    /// Decides anew; answers whose retained choice changes.
    pub(super) fn decide(&mut self, clock: Clock) -> Vec<Change> {
        let Some(desired) = &self.desired else {
            return Vec::new();
        };
        let plans = chooser::in_force(desired, clock);
        let mut wanted: BTreeMap<DeviceId, (PlanId, Which)> = BTreeMap::new();
        for plan in &plans {
            let reports: Reports = self
                .reports
                .get(&plan.id)
                .map(|reports| {
                    reports
                        .iter()
                        .map(|(device, (phase, which))| (device.clone(), (phase.0.clone(), *which)))
                        .collect()
                })
                .unwrap_or_default();
            let given: Choices = self.given.get(&plan.id).cloned().unwrap_or_default();
            let choices = chooser::choices(plan, &reports, &given);
            for (device, which) in &choices {
                // Documents are in the order of issue: a device's later plan counts.
                wanted.insert(device.clone(), (plan.id.clone(), *which));
            }
            self.given.insert(plan.id.clone(), choices);
        }
        self.forget_all_but(&plans);
        let gone = self
            .published
            .keys()
            .filter(|device| !wanted.contains_key(*device));
        let mut changes: Vec<Change> = gone.map(|device| (device.clone(), None)).collect();
        for (device, choice) in &wanted {
            if self.published.get(device) != Some(choice) {
                changes.push((device.clone(), Some(choice.clone())));
            }
        }
        self.published = wanted;
        changes
    }

    /// Notes what a device says about a plan, named by the site's document already or not;
    /// whether that is news.
    pub(super) fn note(
        &mut self,
        device: &DeviceId,
        plan: &PlanId,
        note: (PhaseNote, Which),
    ) -> bool {
        if self.newest.len() >= DEVICES && !self.newest.contains_key(device) {
            return false;
        }
        self.newest.insert(device.clone(), plan.clone());
        let reports = self.reports.entry(plan.clone()).or_default();
        if reports.get(device) == Some(&note) {
            return false;
        }
        reports.insert(device.clone(), note);
        true
    }

    pub(super) fn forget(&mut self, device: &DeviceId) -> bool {
        let known = self.newest.remove(device).is_some();
        for reports in self.reports.values_mut() {
            reports.remove(device);
        }
        self.reports.retain(|_, reports| !reports.is_empty());
        known
    }

    /// Forgets plans that have ended. What a device reports about a plan that the document does
    /// not name yet waits for it: the device's own document may have come first.
    fn forget_all_but(&mut self, plans: &[SitePlan]) {
        let known = |id: &PlanId| plans.iter().any(|plan| plan.id == *id);
        let (reports, newest) = (&mut self.reports, &self.newest);
        self.given.retain(|id, _| {
            if !known(id) {
                reports.remove(id);
            }
            known(id)
        });
        for (id, of_plan) in reports.iter_mut() {
            of_plan.retain(|device, _| known(id) || newest.get(device) == Some(id));
        }
        reports.retain(|_, of_plan| !of_plan.is_empty());
    }
}

#[cfg(test)]
pub(super) mod tests {
    use noroshi_protocol::PlanState;

    use super::*;

    pub(in crate::choices) fn desired(sequence: u64, plans: &[(&str, PlanState)]) -> SiteDesired {
        let plan = |(id, state): &(&str, PlanState)| SitePlan {
            id: id.parse().unwrap(),
            rollout: "r".parse().unwrap(),
            devices: vec!["a".parse().unwrap(), "b".parse().unwrap()],
            parallel: 1,
            max_failures: 0,
            state: *state,
        };
        SiteDesired {
            format: 1,
            org: "o".parse().unwrap(),
            site: "s".parse().unwrap(),
            sequence,
            issued_ms: 0,
            expires_ms: 1_000,
            plans: plans.iter().map(plan).collect(),
            revoked: Vec::new(),
        }
    }

    fn report(ledger: &mut Ledger, device: &str, phase: UpdatePhase, which: Which) {
        ledger
            .reports
            .entry("p".parse().unwrap())
            .or_default()
            .insert(device.parse().unwrap(), (PhaseNote(phase), which));
    }

    fn words(changes: Vec<Change>) -> Vec<String> {
        changes
            .into_iter()
            .map(|(device, choice)| match choice {
                Some((plan, which)) => format!("{device} {plan} {which:?}"),
                None => format!("{device} cleared"),
            })
            .collect()
    }

    #[test]
    fn a_plan_is_carried_out_one_after_the_other_and_cleared_at_its_end() {
        let mut ledger = Ledger {
            desired: Some(desired(1, &[("p", PlanState::Running)])),
            ..Ledger::default()
        };
        let now = Clock::Synced(5);
        assert_eq!(words(ledger.decide(now)), ["a p Wait", "b p Wait"]);
        report(&mut ledger, "a", UpdatePhase::Ready, Which::Wait);
        report(&mut ledger, "b", UpdatePhase::Ready, Which::Wait);
        assert_eq!(words(ledger.decide(now)), ["a p Go"]);
        assert!(ledger.decide(now).is_empty());
        // A restart reads the same file and goes on.
        let file = serde_cbor::to_vec(&ledger).unwrap();
        let mut ledger: Ledger = serde_cbor::from_slice(&file).unwrap();
        report(&mut ledger, "a", UpdatePhase::Active, Which::Go);
        assert_eq!(words(ledger.decide(now)), ["b p Go"]);
        report(
            &mut ledger,
            "b",
            UpdatePhase::Failed("no".into()),
            Which::Go,
        );
        assert_eq!(words(ledger.decide(now)), ["a p Revert", "b p Revert"]);
        ledger.desired = Some(desired(2, &[]));
        assert_eq!(words(ledger.decide(now)), ["a cleared", "b cleared"]);
        assert_eq!(ledger.given.len() + ledger.reports.len(), 0);
    }

    #[test]
    fn a_report_that_comes_before_the_sites_plan_waits_for_it() {
        let mut ledger = Ledger {
            desired: Some(desired(1, &[])),
            ..Ledger::default()
        };
        let now = Clock::Synced(5);
        let (a, p, q) = (
            "a".parse().unwrap(),
            "p".parse().unwrap(),
            "q".parse().unwrap(),
        );
        let ready = || (PhaseNote(UpdatePhase::Ready), Which::Wait);
        assert!(ledger.note(&a, &p, ready()));
        assert!(ledger.decide(now).is_empty());
        // It changed its mind before the document came: one report a device waits, not more.
        assert!(ledger.note(&a, &q, ready()));
        assert!(ledger.decide(now).is_empty());
        assert_eq!(ledger.reports.keys().collect::<Vec<_>>(), [&q]);
        assert!(!ledger.note(&a, &q, ready()), "no news");
        let file = serde_cbor::to_vec(&ledger).unwrap();
        let mut ledger: Ledger = serde_cbor::from_slice(&file).unwrap();
        ledger.desired = Some(desired(2, &[("q", PlanState::Running)]));
        assert_eq!(words(ledger.decide(now)), ["a q Go", "b q Wait"]);
        assert!(ledger.forget(&a));
        assert_eq!(ledger.reports.len() + ledger.newest.len(), 0);
    }

    #[test]
    fn past_its_expiry_no_go_is_given() {
        let mut ledger = Ledger {
            desired: Some(desired(1, &[("p", PlanState::Running)])),
            ..Ledger::default()
        };
        report(&mut ledger, "a", UpdatePhase::Ready, Which::Wait);
        assert_eq!(
            words(ledger.decide(Clock::Synced(2_000))),
            ["a p Wait", "b p Wait"]
        );
        assert_eq!(words(ledger.decide(Clock::Synced(900))), ["a p Go"]);
    }
}
