//! A whole fleet in one process: rollout, choosers and devices together, with bad models, lost
//! links and power cuts. It always ends, and then everyone runs what they should.

use std::collections::BTreeMap;

use noroshi_fleet::assignment::{Accepted, Clock, Facts, accept};
use noroshi_fleet::chooser::{Choices, Reports, choices};
use noroshi_fleet::rollout::{Control, DesiredOf, Ending, Event as RolloutEvent, Rollout, Spec};
use noroshi_fleet::update::{Effect, Event, Failure, Step, Update};
use noroshi_protocol::{
    Choice, Desired, DeviceId, PlanId, SiteId, SitePlan, UpdatePhase, UpdateReport, Which,
};
use proptest::prelude::*;

use crate::rollout::spec;
use crate::world::{desired, org, plan, version};

const ROUND_MS: u64 = 30_000;

/// How a device takes version 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    Good,
    BadGolden,
    Crashes,
    NeverFetched,
    /// Loses power now and then.
    Flaky,
    /// Never connected.
    Away,
}

struct Device {
    id: DeviceId,
    site: SiteId,
    nature: Nature,
    update: Update,
    disk: Vec<u8>,
    booted_ms: u64,
    work: Option<(u64, Step)>,
}

impl Device {
    fn tell(&mut self, event: Event, now_ms: u64) {
        let effects = self.update.step(event, now_ms - self.booted_ms);
        for effect in effects {
            match effect {
                Effect::Persist => self.disk = serde_cbor::to_vec(&self.update).unwrap(),
                Effect::Begin { job, step } => self.work = Some((job, step)),
                Effect::DropStaged => self.work = None,
                Effect::StartTrial { .. }
                | Effect::MakeActive
                | Effect::Return
                | Effect::Report => {}
            }
        }
    }

    fn lose_power(&mut self, now_ms: u64) {
        self.update = serde_cbor::from_slice(&self.disk).unwrap();
        (self.work, self.booted_ms) = (None, now_ms);
        self.tell(Event::Restarted, now_ms);
    }

    /// Does what it is about, and lets time pass.
    fn work(&mut self, now_ms: u64) {
        let Some(job) = self.update.job() else { return };
        let (number, new) = (job.number(), version(job.target()) == 2);
        let trial = *job.phase() == UpdatePhase::Trial;
        if let Some((job, step)) = self.work.take() {
            let bad = step == Step::TestGolden && new && self.nature == Nature::BadGolden;
            let stuck = step == Step::Fetch && new && self.nature == Nature::NeverFetched;
            let event = if bad {
                Event::Failed {
                    job,
                    step,
                    failure: Failure::lasting("golden"),
                }
            } else if stuck {
                Event::Failed {
                    job,
                    step,
                    failure: Failure::passing("cut"),
                }
            } else {
                Event::Done { job, step }
            };
            self.tell(event, now_ms);
        } else if trial && new && self.nature == Nature::Crashes {
            self.tell(
                Event::Crashed {
                    job: number,
                    reason: "signal 11".into(),
                },
                now_ms,
            );
        }
        self.tell(Event::Tick, now_ms);
    }

    fn take(&mut self, document: &Desired, now_ms: u64) {
        let (org, last) = (org(), self.update.desired());
        let facts = Facts {
            org: &org,
            device: &self.id,
            last,
            last_sequence: self.update.sequence(),
            clock: Clock::Synced(now_ms),
        };
        if accept(document, &facts) == Ok(Accepted::New) {
            self.tell(Event::Desired(Box::new(document.clone())), now_ms);
        }
    }
}

struct World {
    rollout: Rollout,
    devices: Vec<Device>,
    documents: BTreeMap<DeviceId, Desired>,
    bases: BTreeMap<DeviceId, u32>,
    /// What each gateway knows, also while the cloud is away.
    plans: BTreeMap<SiteId, Vec<SitePlan>>,
    given: BTreeMap<PlanId, Choices>,
    now_ms: u64,
    chance: u64,
    quiet: bool,
}

impl World {
    fn new(spec: Spec, natures: &[Nature], chance: u64) -> Self {
        let update = Update::new();
        let devices = spec
            .members
            .iter()
            .zip(natures.iter().cycle())
            .map(|(member, nature)| Device {
                id: member.device.clone(),
                site: member.site.clone(),
                nature: *nature,
                disk: serde_cbor::to_vec(&update).unwrap(),
                update: update.clone(),
                booted_ms: 0,
                work: None,
            })
            .collect();
        let bases = spec
            .members
            .iter()
            .map(|member| (member.device.clone(), 1))
            .collect();
        Self {
            rollout: Rollout::new(spec).unwrap(),
            devices,
            documents: BTreeMap::new(),
            bases,
            plans: BTreeMap::new(),
            given: BTreeMap::new(),
            now_ms: 1_000_000_000,
            chance: chance | 1,
            quiet: false,
        }
    }

    /// Whether the one-in-`n` accident happens now.
    fn accident(&mut self, n: u64) -> bool {
        self.chance = self
            .chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        !self.quiet && (self.chance >> 33).is_multiple_of(n)
    }

    fn tell(&mut self, event: RolloutEvent) {
        self.rollout.step(event, self.now_ms);
    }

    fn round(&mut self) {
        self.now_ms += ROUND_MS;
        self.tell(RolloutEvent::Tick);
        self.issue();
        for at in 0..self.devices.len() {
            let linked = self.devices[at].nature != Nature::Away && !self.accident(4);
            if self.devices[at].nature == Nature::Flaky && self.accident(12) {
                let now_ms = self.now_ms;
                self.devices[at].lose_power(now_ms);
            }
            if linked {
                self.deliver(at);
            }
            let now_ms = self.now_ms;
            self.devices[at].work(now_ms);
            if linked && !self.accident(5) {
                self.report(at);
            }
        }
    }

    /// The cloud's side: documents say what the rollout wants.
    fn issue(&mut self) {
        for device in &self.devices {
            let plan = match self.rollout.desired(&device.id) {
                DesiredOf::Plan(id) => Some(plan(id.as_str(), 2)),
                DesiredOf::Consolidate => {
                    self.bases.insert(device.id.clone(), 2);
                    None
                }
                DesiredOf::Unchanged | DesiredOf::Return => None,
            };
            let mut document = desired(self.now_ms, self.bases[&device.id], plan);
            document.device = device.id.clone();
            let known = self.documents.get(&device.id);
            let content = |document: &Desired| (document.pipelines.clone(), document.plan.clone());
            if known.map(content) != Some(content(&document)) {
                self.documents.insert(device.id.clone(), document);
            }
        }
        let mut plans: BTreeMap<SiteId, Vec<SitePlan>> = BTreeMap::new();
        for (site, plan) in self.rollout.site_plans() {
            plans.entry(site).or_default().push(plan);
        }
        for site in ["s1", "s2"] {
            if !self.accident(6) {
                let site: SiteId = site.parse().unwrap();
                let current = plans.remove(&site).unwrap_or_default();
                self.plans.insert(site, current);
            }
        }
    }

    /// The gateway's side: the document, and the choice within its plan.
    fn deliver(&mut self, at: usize) {
        let now_ms = self.now_ms;
        let (id, site) = (self.devices[at].id.clone(), self.devices[at].site.clone());
        let document = self.documents[&id].clone();
        self.devices[at].take(&document, now_ms);
        for plan in self.plans.get(&site).cloned().unwrap_or_default() {
            let reports = self.reports(&plan);
            let given = self.given.entry(plan.id.clone()).or_default();
            let chosen = choices(&plan, &reports, given);
            let going = |device: &&DeviceId| {
                chosen[*device] == Which::Go
                    && !reports
                        .get(*device)
                        .is_some_and(|(phase, _)| phase.is_terminal())
            };
            assert!(plan.devices.iter().filter(going).count() <= plan.parallel as usize);
            given.extend(chosen.clone());
            if let Some(which) = chosen.get(&id) {
                let choice = Choice {
                    plan: plan.id.clone(),
                    which: *which,
                };
                self.devices[at].tell(Event::Choice(choice), now_ms);
            }
        }
    }

    fn reports(&self, plan: &SitePlan) -> Reports {
        let of = |device: &Device| -> Option<UpdateReport> {
            device
                .update
                .report()
                .filter(|report| report.plan == plan.id)
        };
        let devices = self.devices.iter();
        devices
            .filter_map(|device| {
                let report = of(device)?;
                Some((device.id.clone(), (report.phase, report.choice)))
            })
            .collect()
    }

    fn report(&mut self, at: usize) {
        let device = self.devices[at].id.clone();
        if let Some(report) = self.devices[at].update.report() {
            let (plan, phase) = (report.plan, report.phase);
            self.tell(RolloutEvent::Reported {
                device,
                plan,
                phase,
            });
        }
    }

    fn runs(&self) -> Vec<(Nature, u32, DesiredOf)> {
        let device = |device: &Device| {
            let wanted = self.rollout.desired(&device.id);
            (device.nature, version(device.update.running()), wanted)
        };
        self.devices.iter().map(device).collect()
    }
}

fn natures() -> impl Strategy<Value = Vec<Nature>> {
    let nature = prop_oneof![
        10 => Just(Nature::Good),
        1 => Just(Nature::BadGolden),
        1 => Just(Nature::Crashes),
        1 => Just(Nature::NeverFetched),
        3 => Just(Nature::Flaky),
        1 => Just(Nature::Away),
    ];
    prop::collection::vec(nature, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_fleet_with_accidents_ends_and_settles(
        natures in natures(), chance: u64, parallel in 1_u32..3,
        pause in prop::option::of(1_usize..40), revert in prop::option::weighted(0.2, 1_usize..60),
    ) {
        let spec = Spec { parallel, ..spec(natures.len(), &[30, 100]) };
        let mut world = World::new(spec, &natures, chance);
        (0..40).for_each(|_| world.round());
        world.tell(RolloutEvent::Start);
        let mut rounds = 0;
        while world.rollout.ending().is_none() {
            if pause == Some(rounds) {
                world.tell(RolloutEvent::Pause);
            }
            if pause.is_some_and(|pause| rounds == pause + 20) {
                world.tell(RolloutEvent::Resume);
            }
            if revert == Some(rounds) {
                world.tell(RolloutEvent::Revert);
            }
            world.round();
            rounds += 1;
            prop_assert!(rounds < 2000, "{:?}", world.rollout.summary());
        }
        let good = natures.iter().all(|nature| *nature == Nature::Good);
        if good && revert.is_none() {
            prop_assert_eq!(world.rollout.control(), &Control::Ended(Ending::Succeeded));
        }
        // Without more accidents everyone comes to run what they should.
        world.quiet = true;
        (0..100).for_each(|_| world.round());
        for (nature, runs, wanted) in world.runs() {
            let expected = match (nature, &wanted) {
                (Nature::Away, _) => 0,
                (_, DesiredOf::Consolidate) => 2,
                _ => 1,
            };
            prop_assert_eq!(runs, expected, "{:?} {:?}", nature, wanted);
        }
    }
}
