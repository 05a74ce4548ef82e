//! Why a device is where it is: one sentence with what blocks it and what cures that.

use noroshi_protocol::{DeviceId, SiteId, UpdatePhase};

use super::fact::{Fact, Standing};
use super::{Control, Ending, Rollout};

impl Rollout {
    /// Why the device does not run the target (or that it does): what blocks it, and the cure.
    pub fn why(&self, device: &DeviceId) -> String {
        let id = &self.spec.id;
        let Some(fact) = self.facts.get(device) else {
            return format!(
                "{device} is not part of rollout {id}: begin another rollout that selects it."
            );
        };
        match fact.standing() {
            Standing::Gone => format!("{device} does not exist any more: nothing is to be done."),
            Standing::Waiting => self.why_waiting(device, fact),
            Standing::Failed => self.why_failed(device, fact),
            Standing::Succeeded => self.why_succeeded(device),
            Standing::UnderWay => self.why_under_way(device, fact),
        }
    }

    fn why_waiting(&self, device: &DeviceId, fact: &Fact) -> String {
        let (id, wave) = (&self.spec.id, fact.wave + 1);
        match &self.control {
            Control::Waiting => format!("Rollout {id} has not started: start it."),
            Control::Paused { .. } => format!(
                "{device} is in wave {wave}, which does not open while rollout {id} is paused: \
                 resume it."
            ),
            Control::Running => {
                let left = self.count(Standing::UnderWay);
                if left == 0 {
                    let before = self.current_wave().map_or(0, |wave| wave + 1);
                    format!(
                        "{device} is in wave {wave}, which opens when wave {before} has run \
                         well for {}: wait.",
                        duration(self.spec.soak_ms)
                    )
                } else {
                    let have = if left == 1 {
                        "device has"
                    } else {
                        "devices have"
                    };
                    format!(
                        "{device} is in wave {wave}, and {left} {have} not ended before it: \
                         wait, or see why."
                    )
                }
            }
            Control::Reverting { .. } | Control::Ended(_) => format!(
                "Rollout {id} {} before wave {wave} opened{}: begin another rollout.",
                if self.ending().is_some() {
                    "ended"
                } else {
                    "is going back"
                },
                self.because(),
            ),
        }
    }

    fn why_failed(&self, device: &DeviceId, fact: &Fact) -> String {
        let cure = if self.ending().is_some() {
            "mend that and begin another rollout with it"
        } else {
            "mend that and retry it"
        };
        if fact.is_missed() {
            let last = match fact.phase() {
                None => "was not heard of".to_owned(),
                Some(phase) => format!("was last {}", phase.word()),
            };
            return format!(
                "{device} {last} when its deadline of {} passed, and stays on what it ran \
                 before: see whether it and its gateway are connected, then {cure}.",
                duration(self.spec.deadline_ms)
            );
        }
        let phase = fact.phase();
        let reason = phase
            .and_then(UpdatePhase::reason)
            .unwrap_or("no reason given");
        let word = if matches!(phase, Some(UpdatePhase::Reverted(_))) {
            "took the target back"
        } else {
            "could not take the target"
        };
        if matches!(self.control, Control::Ended(Ending::Reverted)) {
            return format!(
                "{device} runs what it ran before, as rollout {} was reverted ({reason}): begin \
                 another rollout.",
                self.spec.id
            );
        }
        format!("{device} {word} ({reason}) and runs what it ran before: {cure}.")
    }

    fn why_succeeded(&self, device: &DeviceId) -> String {
        match &self.control {
            Control::Reverting { .. } => format!(
                "{device} runs the target and is told to go back{}: wait for its report.",
                self.because()
            ),
            Control::Ended(Ending::Succeeded) => {
                format!("{device} runs the target: nothing is to be done.")
            }
            Control::Ended(_) => format!(
                "{device} ran the target when last heard of and goes back as soon as it is \
                 connected{}: see whether it and its gateway are.",
                self.because()
            ),
            _ => format!(
                "{device} runs the target; rollout {} goes on: wait.",
                self.spec.id
            ),
        }
    }

    fn why_under_way(&self, device: &DeviceId, fact: &Fact) -> String {
        match &self.control {
            Control::Reverting { .. } => {
                return format!(
                    "{device} is told to go back{}: wait for its report.",
                    self.because()
                );
            }
            Control::Ended(_) => {
                return format!(
                    "Rollout {} ended before {device} did{}: begin another rollout.",
                    self.spec.id,
                    self.because()
                );
            }
            _ => {}
        }
        match fact.phase() {
            None => format!(
                "{device} has not answered since it got its plan: see whether it and its \
                 gateway are connected."
            ),
            Some(UpdatePhase::Ready) => self.why_ready(device),
            Some(UpdatePhase::Trial) => format!(
                "{device} runs the target on trial for {}: wait.",
                duration(self.spec.trial_ms)
            ),
            Some(phase) => format!(
                "{device} prepares the target ({}) and has {} for it: wait.",
                phase.word(),
                duration(self.spec.prepare_ms)
            ),
        }
    }

    fn why_ready(&self, device: &DeviceId) -> String {
        if matches!(self.control, Control::Paused { .. }) {
            let id = &self.spec.id;
            return format!("{device} is ready, and rollout {id} is paused: resume it.");
        }
        let site = self.site_of(device);
        let chooser = match site {
            Some(site) if *site != SiteId::direct() => format!("the gateway of site {site}"),
            _ => "the cloud".to_owned(),
        };
        format!(
            "{device} is ready and waits for {chooser} to give it its turn, {} at a time: wait, \
             or see whether the gateway is connected.",
            self.spec.parallel
        )
    }

    fn because(&self) -> String {
        match &self.control {
            Control::Reverting {
                stopped: Some(reason),
                ..
            }
            | Control::Ended(Ending::Stopped(reason)) => format!(" ({reason})"),
            _ => String::new(),
        }
    }
}

/// Milliseconds for people, in the largest unit that they fill.
fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{} s", ms / 1_000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} days", ms / 86_400_000),
    }
}
