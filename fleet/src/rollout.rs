//! A rollout: which devices take a new target when, and how it ends.
//!
//! Facts in ([`Rollout::step`]), what should be true out ([`Rollout::desired`],
//! [`Rollout::site_plans`]). The current wave is derived from the facts, never stored. It ends
//! always: succeeded, stopped or reverted. The caller loads the value at a version, steps it,
//! saves it if the version is unchanged, and carries out the effects.

mod advance;
mod fact;
mod spec;
mod step;
mod summary;
mod why;

use std::collections::{BTreeMap, BTreeSet};

use noroshi_protocol::{DeviceId, PlanId, PlanState, SiteId, SitePlan, UpdatePhase};
use serde::{Deserialize, Serialize};

pub use fact::Standing;
pub use spec::{Member, Spec, SpecError, Threshold};
pub use summary::{DeviceProgress, Summary, WaveSummary};

use fact::Fact;

/// What happens to a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Begin the first wave.
    Start,
    /// A device's signed report about a plan.
    Reported {
        /// The device.
        device: DeviceId,
        /// The plan that the report is about; another one than the device's has no effect.
        plan: PlanId,
        /// Where it is.
        phase: UpdatePhase,
    },
    /// Time passed.
    Tick,
    /// Open no wave, give no *go*.
    Pause,
    /// Go on.
    Resume,
    /// Take every device back.
    Revert,
    /// Try a failed device again, with a new plan.
    Retry(DeviceId),
    /// The device does not exist any more; it counts neither way.
    DeviceGone(DeviceId),
}

/// What is to be done. Level-triggered: a lost effect is made up for by asking
/// [`Rollout::desired`] and [`Rollout::site_plans`] again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// The answer of [`Rollout::desired`] for the device has changed: issue its document.
    Desired(DeviceId),
    /// The plans of the site have changed: issue its gateway's document.
    SitePlans(SiteId),
    /// It has ended.
    Ended(Ending),
}

/// How a rollout ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The last wave went well.
    Succeeded,
    /// Too much failed, and every device went back; why, for people.
    Stopped(String),
    /// Someone wanted it, and every device went back.
    Reverted,
}

/// What a rollout is told to do, by people or by its own threshold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// Not started.
    Waiting,
    /// Going on.
    Running,
    /// No new wave, no new *go*.
    Paused {
        /// Unix milliseconds.
        since_ms: u64,
    },
    /// Every device goes back.
    Reverting {
        /// Unix milliseconds.
        since_ms: u64,
        /// Why, if not because someone wanted it.
        stopped: Option<String>,
    },
    /// Over.
    Ended(Ending),
}

/// What a device's document should say, as far as this rollout goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DesiredOf {
    /// What it says without this rollout.
    Unchanged,
    /// That, and this plan.
    Plan(PlanId),
    /// The target is what should run now; no plan.
    Consolidate,
    /// As [`DesiredOf::Unchanged`]; but the target may run there, so the document must be
    /// issued anew.
    Return,
}

/// A rollout: its specification and the facts about its devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    spec: Spec,
    facts: BTreeMap<DeviceId, Fact>,
    control: Control,
}

impl Rollout {
    /// A rollout that has not started, if the specification is sound.
    pub fn new(spec: Spec) -> Result<Self, SpecError> {
        spec.check()?;
        let facts = spec
            .members
            .iter()
            .enumerate()
            .map(|(at, member)| (member.device.clone(), Fact::new(spec.wave_of(at))))
            .collect();
        Ok(Self {
            spec,
            facts,
            control: Control::Waiting,
        })
    }

    /// What was asked for.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// What it is told to do.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// How it ended.
    pub fn ending(&self) -> Option<&Ending> {
        match &self.control {
            Control::Ended(ending) => Some(ending),
            _ => None,
        }
    }

    /// What happens at `now_ms` (Unix milliseconds), and what is to be done about it.
    pub fn step(&mut self, event: Event, now_ms: u64) -> Vec<Effect> {
        step::step(self, event, now_ms)
    }

    /// What the device's document should say.
    pub fn desired(&self, device: &DeviceId) -> DesiredOf {
        let Some((plan, fact)) = self
            .facts
            .get(device)
            .and_then(|fact| Some((fact.plan()?, fact)))
        else {
            return DesiredOf::Unchanged;
        };
        let standing = fact.standing();
        match &self.control {
            _ if standing == Standing::Gone => DesiredOf::Unchanged,
            _ if standing == Standing::Failed => {
                if fact.is_missed() {
                    DesiredOf::Return
                } else {
                    DesiredOf::Unchanged
                }
            }
            Control::Ended(Ending::Succeeded) => DesiredOf::Consolidate,
            Control::Ended(_) => DesiredOf::Return,
            _ => DesiredOf::Plan(plan.clone()),
        }
    }

    /// The plans for the gateways, by site; those of `direct` are for the cloud itself.
    ///
    /// Failed devices are not in them any more, and their failures are taken from what each
    /// gateway may still bear.
    pub fn site_plans(&self) -> Vec<(SiteId, SitePlan)> {
        let state = match self.control {
            Control::Running => PlanState::Running,
            Control::Paused { .. } => PlanState::Paused,
            Control::Reverting { .. } => PlanState::Reverting,
            Control::Waiting | Control::Ended(_) => return Vec::new(),
        };
        let mut plans: BTreeMap<(&SiteId, &PlanId), Vec<DeviceId>> = BTreeMap::new();
        for member in &self.spec.members {
            let fact = &self.facts[&member.device];
            let Some(plan) = fact.plan() else { continue };
            if matches!(fact.standing(), Standing::UnderWay | Standing::Succeeded) {
                let devices = plans.entry((&member.site, plan)).or_default();
                devices.push(member.device.clone());
            }
        }
        let borne = self.spec.most_failures().saturating_sub(self.failures());
        plans
            .into_iter()
            .map(|((site, id), devices)| {
                let plan = SitePlan {
                    id: id.clone(),
                    rollout: self.spec.id.clone(),
                    devices,
                    parallel: self.spec.parallel,
                    max_failures: borne,
                    state,
                };
                (site.clone(), plan)
            })
            .collect()
    }

    /// Unix milliseconds at which an [`Event::Tick`] has something to do; `None` if nothing
    /// waits for a time.
    pub fn wake_at(&self) -> Option<u64> {
        match self.control {
            Control::Running => {
                let due = self.facts.values().filter_map(Fact::due_ms).min();
                due.or_else(|| Some(self.last_end_ms()?.saturating_add(self.spec.soak_ms)))
            }
            Control::Reverting { since_ms, .. } => {
                Some(since_ms.saturating_add(self.spec.deadline_ms))
            }
            Control::Waiting | Control::Paused { .. } | Control::Ended(_) => None,
        }
    }

    /// Devices with this standing.
    fn count(&self, standing: Standing) -> u32 {
        let with = |fact: &&Fact| fact.standing() == standing;
        self.facts.values().filter(with).count() as u32
    }

    fn failures(&self) -> u32 {
        self.count(Standing::Failed)
    }

    /// The wave that opened last, counted from 0.
    fn current_wave(&self) -> Option<usize> {
        let opened = self.facts.values().filter(|fact| fact.plan().is_some());
        opened.map(|fact| fact.wave).max()
    }

    /// When the last device ended.
    fn last_end_ms(&self) -> Option<u64> {
        let ended = |fact: &&Fact| fact.plan().is_some() && fact.standing() != Standing::UnderWay;
        self.facts
            .values()
            .filter(ended)
            .map(|fact| fact.since_ms)
            .max()
    }

    /// Sites that have had a plan.
    fn sites(&self) -> BTreeSet<&SiteId> {
        let begun = |member: &&Member| self.facts[&member.device].plan().is_some();
        let members = self.spec.members.iter().filter(begun);
        members.map(|member| &member.site).collect()
    }
}
