//! What is done to the fleet, and when: all of it follows from the seed. Pure.

use std::time::Duration;

/// What can be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Cloud,
    Gateway,
    Agent,
    Worker,
    Source,
}

impl Role {
    pub(super) const ALL: [Self; 5] = [
        Self::Cloud,
        Self::Gateway,
        Self::Agent,
        Self::Worker,
        Self::Source,
    ];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Gateway => "gateway",
            Self::Agent => "agent",
            Self::Worker => "worker",
            Self::Source => "source",
        }
    }

    /// Where it can be told to kill itself: between write, sync and acknowledgement.
    fn failpoints(self) -> &'static [&'static str] {
        match self {
            Self::Cloud => &[
                "ingest.before_commit",
                "ingest.after_commit",
                "delivery.before_ack",
                "delivery.after_ack",
            ],
            Self::Gateway => &[
                "spool.before_write",
                "spool.before_sync",
                "spool.after_sync",
                "delivery.before_ack",
                "delivery.after_ack",
                "bridge.before_settle",
                "spool.before_settle",
            ],
            Self::Agent => &[
                "outbox.after_write",
                "outbox.before_sync",
                "outbox.after_sync",
                "outbox.before_answer",
                "uplink.before_publish",
                "outbox.before_settle",
                "outbox.after_settle",
            ],
            Self::Worker => &["worker.before_answer"],
            Self::Source => &["source.before_announce"],
        }
    }

    /// Visits before a failpoint kills: behind what a start itself does, and for a worker or
    /// source late enough that the next one does not get there before it is disarmed.
    fn visits(self, point: &str) -> std::ops::RangeInclusive<u64> {
        match self {
            Self::Worker | Self::Source => 50..=100,
            // Once an acknowledgement or a batch.
            _ if ["settle", "publish", "ack"]
                .iter()
                .any(|part| point.contains(part)) =>
            {
                2..=8
            }
            Self::Cloud | Self::Gateway => 4..=20,
            Self::Agent => 10..=60,
        }
    }
}

/// What loses its power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Store {
    Outbox,
    Spool,
    Database,
}

impl Store {
    pub(super) const ALL: [Self; 3] = [Self::Outbox, Self::Spool, Self::Database];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Outbox => "outbox",
            Self::Spool => "spool",
            Self::Database => "database",
        }
    }
}

/// One thing that is done; `device` is the number of the device that it is done to, or near.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// `kill -9`.
    Kill { role: Role, device: usize },
    /// `kill -9`, then a start with that failpoint armed, which kills again.
    Failpoint {
        role: Role,
        device: usize,
        /// As the environment variable says it.
        armed: String,
    },
    /// `kill -9` of the store's program, and what was not synced is gone.
    PowerCut {
        store: Store,
        device: usize,
        /// The link above is cut so long before, so that the store holds something.
        silence: Duration,
    },
}

impl Step {
    /// Whether it is done to the role or store that is called `word`.
    pub(super) fn concerns(&self, word: &str) -> bool {
        match self {
            Self::Kill { role, .. } | Self::Failpoint { role, .. } => role.word() == word,
            Self::PowerCut { store, .. } => store.word() == word,
        }
    }
}

/// A step and the pause before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) pause: Duration,
    pub(super) step: Step,
}

/// How many of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Amounts {
    /// Kills of each role, those at failpoints included.
    pub(super) kills: usize,
    /// Kills of each role at failpoints.
    pub(super) failpoints: usize,
    /// Power cuts of each store.
    pub(super) power_cuts: usize,
}

impl Amounts {
    /// What the project promises.
    pub(super) const WHOLE: Self = Self {
        kills: 50,
        failpoints: 12,
        power_cuts: 20,
    };
    /// For a look while developing.
    pub(super) const QUICK: Self = Self {
        kills: 3,
        failpoints: 1,
        power_cuts: 2,
    };
}

/// Random numbers from a seed (splitmix64).
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    pub(super) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.next() % (to - from + 1))
    }
}

/// Everything that will be done to `devices` devices.
pub(super) fn plan(seed: u64, amounts: Amounts, devices: usize) -> Vec<Planned> {
    let mut dice = Dice::new(seed);
    let mut steps = Vec::new();
    for role in Role::ALL {
        for number in 0..amounts.failpoints {
            steps.push(failpoint(&mut dice, role, number, devices));
        }
        // Each failpoint of a daemon costs a kill before, to arm it; each of a child, two of its
        // agent, to arm and to disarm it.
        let others = match role {
            Role::Cloud | Role::Gateway => 2 * amounts.failpoints,
            Role::Agent => 6 * amounts.failpoints,
            Role::Worker | Role::Source => amounts.failpoints,
        };
        for _ in others..amounts.kills {
            let device = dice.below(devices);
            steps.push(Step::Kill { role, device });
        }
    }
    for store in Store::ALL {
        for number in 0..amounts.power_cuts {
            let silence = match number % 2 {
                0 => Duration::ZERO,
                _ => dice.millis(1000, 2500),
            };
            let device = dice.below(devices);
            steps.push(Step::PowerCut {
                store,
                device,
                silence,
            });
        }
    }
    for at in (1..steps.len()).rev() {
        steps.swap(at, dice.below(at + 1));
    }
    steps
        .into_iter()
        .map(|step| Planned {
            pause: dice.millis(100, 1200),
            step,
        })
        .collect()
}

fn failpoint(dice: &mut Dice, role: Role, number: usize, devices: usize) -> Step {
    let points = role.failpoints();
    let point = points[number % points.len()];
    let visits = role.visits(point);
    let visit = visits.start() + dice.next() % (visits.end() - visits.start() + 1);
    Step::Failpoint {
        role,
        device: dice.below(devices),
        armed: format!("{point}=kill@{visit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kills of `role` that a plan comes to.
    fn kills(plan: &[Planned], wanted: Role) -> usize {
        let of = |step: &Step| match step {
            Step::Kill { role, .. } => usize::from(*role == wanted),
            Step::Failpoint { role, .. } => match (role, wanted) {
                (Role::Worker | Role::Source, Role::Agent) => 2,
                (Role::Worker | Role::Source, _) => usize::from(*role == wanted),
                _ => 2 * usize::from(*role == wanted),
            },
            Step::PowerCut { .. } => 0,
        };
        plan.iter().map(|planned| of(&planned.step)).sum()
    }

    #[test]
    fn a_plan_keeps_its_promise() {
        let plan = plan(7, Amounts::WHOLE, 3);
        for role in Role::ALL {
            assert!(kills(&plan, role) >= 50, "{role:?}");
        }
        let cuts = plan
            .iter()
            .filter(|planned| matches!(planned.step, Step::PowerCut { .. }));
        assert_eq!(cuts.count(), 60);
    }

    #[test]
    fn the_seed_decides() {
        assert_eq!(plan(1, Amounts::QUICK, 3), plan(1, Amounts::QUICK, 3));
        assert_ne!(plan(1, Amounts::QUICK, 3), plan(2, Amounts::QUICK, 3));
    }
}
