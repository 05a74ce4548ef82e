//! A rollout in numbers, for console and command.

use std::collections::BTreeMap;

use noroshi_protocol::{DeviceId, PlanId, UpdatePhase};
use serde::{Deserialize, Serialize};

use super::fact::{Fact, Standing};
use super::{Control, Ending, Rollout};

/// A rollout in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// `waiting`, `running`, `paused`, `reverting`, `succeeded`, `stopped` or `reverted`.
    pub state: String,
    /// Why it stopped or is stopping.
    pub reason: Option<String>,
    /// Devices.
    pub devices: u32,
    /// Devices whose wave has opened.
    pub begun: u32,
    /// Devices that run the target.
    pub succeeded: u32,
    /// Devices that failed, went back or missed their deadline.
    pub failed: u32,
    /// Failures that are borne.
    pub max_failures: u32,
    /// The wave that opened last, counted from 1; 0 before the first.
    pub wave: u32,
    /// Devices by where they are: `waiting`, `assigned` (not heard of), a phase's word,
    /// `missed` or `gone`.
    pub phases: BTreeMap<String, u32>,
    /// The waves.
    pub waves: Vec<WaveSummary>,
}

/// A wave in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WaveSummary {
    /// Counted from 1.
    pub wave: u32,
    /// The share of devices that it brings the rollout to.
    pub percent: u8,
    /// Whether it has opened.
    pub opened: bool,
    /// Its devices.
    pub devices: u32,
    /// Those under way.
    pub under_way: u32,
    /// Those that run the target.
    pub succeeded: u32,
    /// Those that failed, went back or missed their deadline.
    pub failed: u32,
}

impl Control {
    /// The word in tables, filters and the API.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Paused { .. } => "paused",
            Self::Reverting { .. } => "reverting",
            Self::Ended(ending) => ending.word(),
        }
    }

    fn reason(&self) -> Option<&String> {
        match self {
            Self::Reverting { stopped, .. } => stopped.as_ref(),
            Self::Ended(Ending::Stopped(reason)) => Some(reason),
            _ => None,
        }
    }
}

impl Ending {
    /// The word in tables and the API.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Stopped(_) => "stopped",
            Self::Reverted => "reverted",
        }
    }
}

impl Fact {
    /// Where the device is, as one word.
    pub(super) fn word(&self) -> &'static str {
        match self.standing() {
            Standing::Waiting => "waiting",
            Standing::Gone => "gone",
            Standing::Failed if self.is_missed() => "missed",
            _ => self.phase().map_or("assigned", UpdatePhase::word),
        }
    }
}

impl Rollout {
    /// The rollout in numbers.
    pub fn summary(&self) -> Summary {
        let mut phases: BTreeMap<String, u32> = BTreeMap::new();
        for fact in self.facts.values() {
            *phases.entry(fact.word().to_owned()).or_default() += 1;
        }
        let begun = self.facts.values().filter(|fact| fact.plan().is_some());
        Summary {
            state: self.control.word().to_owned(),
            reason: self.control.reason().cloned(),
            devices: self.facts.len() as u32,
            begun: begun.count() as u32,
            succeeded: self.count(Standing::Succeeded),
            failed: self.failures(),
            max_failures: self.spec.most_failures(),
            wave: self.current_wave().map_or(0, |wave| wave as u32 + 1),
            phases,
            waves: self.waves(),
        }
    }

    fn waves(&self) -> Vec<WaveSummary> {
        let mut waves: Vec<WaveSummary> = (1..)
            .zip(&self.spec.waves)
            .map(|(wave, percent)| WaveSummary {
                wave,
                percent: *percent,
                ..WaveSummary::default()
            })
            .collect();
        for fact in self.facts.values() {
            let wave = &mut waves[fact.wave];
            wave.devices += 1;
            wave.opened |= fact.plan().is_some();
            match fact.standing() {
                Standing::UnderWay => wave.under_way += 1,
                Standing::Succeeded => wave.succeeded += 1,
                Standing::Failed => wave.failed += 1,
                Standing::Waiting | Standing::Gone => {}
            }
        }
        waves
    }
}

/// One device of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceProgress {
    /// Its wave, counted from 1.
    pub wave: u32,
    /// Where it stands.
    pub standing: Standing,
    /// The same in a word: `waiting`, `assigned`, a phase's word, `missed` or `gone`.
    pub word: &'static str,
    /// What it reported last about its plan.
    pub phase: Option<UpdatePhase>,
    /// Its plan.
    pub plan: Option<PlanId>,
}

impl Rollout {
    /// How far `device` is; none if it is no member.
    pub fn device(&self, device: &DeviceId) -> Option<DeviceProgress> {
        self.facts.get(device).map(|fact| DeviceProgress {
            wave: fact.wave as u32 + 1,
            standing: fact.standing(),
            word: fact.word(),
            phase: fact.phase().cloned(),
            plan: fact.plan().cloned(),
        })
    }
}
