//! What a rollout is asked to do.

use std::collections::{BTreeMap, BTreeSet};

use noroshi_protocol::{DeviceId, PlanId, RolloutId, SiteId, limits};
use serde::{Deserialize, Serialize};

/// Longest id of a rollout: plan ids are made from it.
const ID: usize = 28;
/// Most waves.
const WAVES: usize = 20;
/// Most attempts of one device.
pub(super) const ATTEMPTS: u32 = 99;

/// What a rollout is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The rollout; at most 28 characters.
    pub id: RolloutId,
    /// Its devices, in the order of their turn.
    pub members: Vec<Member>,
    /// The share of devices, in percent, that each wave brings it to: rising, the last is 100.
    pub waves: Vec<u8>,
    /// More failures than this and every device goes back.
    pub max_failures: Threshold,
    /// Percent of the devices begun so far that must run the target before the next wave
    /// opens, and for success; with less, every device goes back.
    pub success_percent: u8,
    /// Milliseconds between the end of a wave and the next one, or success.
    pub soak_ms: u64,
    /// Milliseconds that a device has to download, verify and test.
    pub prepare_ms: u64,
    /// Milliseconds of a device's trial.
    pub trial_ms: u64,
    /// Milliseconds after which a device that has not ended has failed. Counts from its plan,
    /// anew while others of its site have their turn and it is ready, and anew when its trial
    /// begins; stands still in a pause. At least prepare and trial together.
    pub deadline_ms: u64,
    /// Devices of a site between *go* and their end at the same time; at least 1.
    pub parallel: u32,
}

/// One device of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The device.
    pub device: DeviceId,
    /// Where it is; `direct` without a gateway.
    pub site: SiteId,
}

/// How many failures a rollout bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// So many devices.
    Count(u32),
    /// So many of a hundred devices, rounded down.
    Percent(u8),
}

/// A specification that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rollout can't be: {0}")]
pub struct SpecError(String);

impl Spec {
    /// Whether the specification is sound.
    pub fn check(&self) -> Result<(), SpecError> {
        match self.fault() {
            None => Ok(()),
            Some(fault) => Err(SpecError(fault)),
        }
    }

    /// A broken rule, if any.
    pub fn fault(&self) -> Option<String> {
        if self.id.as_str().len() > ID {
            return Some(format!("its id has at most {ID} characters"));
        }
        self.members_fault().or_else(|| self.numbers_fault())
    }

    fn members_fault(&self) -> Option<String> {
        if self.members.is_empty() {
            return Some("it has no devices: select at least one".into());
        }
        let mut seen = BTreeSet::new();
        let mut sites: BTreeMap<&SiteId, usize> = BTreeMap::new();
        for Member { device, site } in &self.members {
            if *device == DeviceId::gateway() {
                return Some("a gateway runs no models: leave it out".into());
            }
            if !seen.insert(device) {
                return Some(format!("device {device} is there twice"));
            }
            *sites.entry(site).or_default() += 1;
        }
        let most = limits::PLAN_DEVICES;
        let crowded = sites.into_iter().find(|(_, devices)| *devices > most);
        crowded.map(|(site, _)| format!("site {site} has more than {most} devices in it: split it"))
    }

    fn numbers_fault(&self) -> Option<String> {
        let rising = self.waves.windows(2).all(|pair| pair[0] < pair[1]);
        let first = self.waves.first().is_some_and(|first| *first > 0);
        if !rising || !first || self.waves.last() != Some(&100) || self.waves.len() > WAVES {
            return Some(format!(
                "waves are 1 to {WAVES} rising percentages, the last of them 100"
            ));
        }
        if self.success_percent > 100 || matches!(self.max_failures, Threshold::Percent(101..)) {
            return Some("percentages are 0 to 100".into());
        }
        if self.parallel == 0 {
            return Some("parallel must be at least 1".into());
        }
        if self.prepare_ms == 0 || self.deadline_ms < self.prepare_ms.saturating_add(self.trial_ms)
        {
            return Some("the deadline must leave time to prepare (more than 0) and try".into());
        }
        None
    }

    /// Devices that a wave brings it to: rounded up, so that the first wave has one.
    fn reach(&self, percent: u8) -> usize {
        (self.members.len() * usize::from(percent)).div_ceil(100)
    }

    /// The wave, counted from 0, of the member with this place.
    pub(super) fn wave_of(&self, at: usize) -> usize {
        let waves = self.waves.iter();
        waves
            .take_while(|percent| self.reach(**percent) <= at)
            .count()
    }

    /// Failures that are borne.
    pub(super) fn most_failures(&self) -> u32 {
        match self.max_failures {
            Threshold::Count(count) => count,
            Threshold::Percent(percent) => (self.members.len() * usize::from(percent) / 100) as u32,
        }
    }

    /// The plan of a device: the same for all of its wave, another one for each attempt.
    pub(super) fn plan(&self, wave: usize, attempt: u32) -> PlanId {
        format!("{}-w{}-a{attempt}", self.id, wave + 1)
            .parse()
            .expect("the id, at most 20 waves and 99 attempts make at most 40 characters")
    }
}
