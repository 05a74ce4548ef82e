//! What holds for a device's update, whatever happens.

use noroshi_fleet::update::{Effect, Event, Failure, Step, Update};
use noroshi_protocol::{Assignment, Choice, UpdatePhase, Which};
use proptest::prelude::*;

use crate::world::{desired, plan};

/// An event, with job numbers relative to the newest.
#[derive(Debug, Clone)]
enum Happening {
    Desired {
        later: u64,
        base: u32,
        plan: Option<(u8, u32)>,
    },
    Done(Option<Step>, u64),
    Failed(Option<Step>, Failure, u64),
    Progress(u64),
    Choice(u8, Which),
    Crashed(u64),
    Wait(u64),
    PowerCut,
}

fn steps() -> impl Strategy<Value = Option<Step>> {
    // Mostly the one that is under way.
    prop_oneof![
        4 => Just(None),
        1 => prop::sample::select(&Step::ALL[..]).prop_map(Some),
    ]
}

fn happenings() -> impl Strategy<Value = Happening> {
    let plans = prop::option::of((0_u8..3, 1_u32..4));
    let failures = prop_oneof![
        Just(Failure::passing("link")),
        Just(Failure::lasting("bad")),
        Just(Failure::insufficient_storage(2, 1)),
    ];
    let whiches = prop::sample::select(vec![Which::Wait, Which::Go, Which::Revert]);
    let waits = prop::sample::select(vec![0, 1, 1_000, 10_000, 60_000, 300_000, 10_000_000]);
    prop_oneof![
        2 => (0_u64..3, 0_u32..4, plans)
            .prop_map(|(later, base, plan)| Happening::Desired { later, base, plan }),
        8 => (steps(), 0_u64..2).prop_map(|(step, ago)| Happening::Done(step, ago / 2)),
        1 => (steps(), failures, 0_u64..2).prop_map(|(step, failure, ago)| {
            Happening::Failed(step, failure, ago)
        }),
        1 => (0_u64..100).prop_map(Happening::Progress),
        3 => (0_u8..3, whiches).prop_map(|(plan, which)| Happening::Choice(plan, which)),
        1 => (0_u64..2).prop_map(Happening::Crashed),
        4 => waits.prop_map(Happening::Wait),
        2 => Just(Happening::PowerCut),
    ]
}

/// A device, and what must be true of it after every event.
struct Watched {
    update: Update,
    disk: Vec<u8>,
    now_ms: u64,
    /// What ran when the job began, apart from trials.
    settled: Vec<Assignment>,
}

impl Watched {
    fn new() -> Self {
        let update = Update::new();
        Self {
            disk: serde_cbor::to_vec(&update).unwrap(),
            update,
            now_ms: 0,
            settled: Vec::new(),
        }
    }

    fn on_disk(&self) -> Update {
        serde_cbor::from_slice(&self.disk).unwrap()
    }

    fn happen(&mut self, happening: Happening) {
        let (number, step) = self
            .update
            .job()
            .map_or((0, None), |job| (job.number(), job.step()));
        let step = |named: Option<Step>| named.or(step).unwrap_or(Step::Fetch);
        let event = match happening {
            Happening::Desired {
                later,
                base,
                plan: next,
            } => {
                let next = next.map(|(id, target)| plan(&format!("p{id}"), target));
                let sequence = self.update.sequence() + later;
                Event::Desired(Box::new(desired(sequence, base, next)))
            }
            Happening::Done(named, ago) => Event::Done {
                job: number.saturating_sub(ago),
                step: step(named),
            },
            Happening::Failed(named, failure, ago) => Event::Failed {
                job: number.saturating_sub(ago),
                step: step(named),
                failure,
            },
            Happening::Progress(fetched) => Event::Progress {
                job: number,
                fetched,
                total: 100,
            },
            Happening::Choice(plan, which) => {
                let plan = format!("p{plan}").parse().unwrap();
                Event::Choice(Choice { plan, which })
            }
            Happening::Crashed(ago) => Event::Crashed {
                job: number.saturating_sub(ago),
                reason: "signal 9".into(),
            },
            Happening::Wait(ms) => {
                self.now_ms += ms;
                Event::Tick
            }
            Happening::PowerCut => {
                self.update = self.on_disk();
                self.now_ms = 7;
                Event::Restarted
            }
        };
        self.tell(event);
    }

    fn tell(&mut self, event: Event) -> Vec<Effect> {
        let before = self.update.clone();
        let effects = self.update.step(event, self.now_ms);
        self.check(&before, &effects);
        if !effects.is_empty() {
            self.disk = serde_cbor::to_vec(&self.update).unwrap();
        }
        // What a power cut now would find designates the same.
        let disk = self.on_disk();
        assert_eq!(disk.running(), self.update.running());
        assert_eq!(
            disk.job().map(noroshi_fleet::update::Job::phase),
            self.update.job().map(noroshi_fleet::update::Job::phase)
        );
        assert_eq!(disk.sequence(), self.update.sequence());
        effects
    }

    fn check(&mut self, before: &Update, effects: &[Effect]) {
        let persists = effects
            .iter()
            .filter(|effect| **effect == Effect::Persist)
            .count();
        assert_eq!(persists, usize::from(!effects.is_empty()));
        assert!(
            effects
                .first()
                .is_none_or(|effect| *effect == Effect::Persist)
        );
        let Some(job) = self.update.job() else {
            return assert_eq!(self.update.running(), before.running());
        };
        match before.job().filter(|old| old.number() == job.number()) {
            None => self.settled = settled(before, &self.settled, effects),
            Some(old) => {
                let taken_back = *old.phase() == UpdatePhase::Active
                    && matches!(job.phase(), UpdatePhase::Reverted(_));
                assert!(!old.phase().is_terminal() || old.phase() == job.phase() || taken_back);
                let (was, is) = (before.report(), self.update.report());
                assert!(is.map(|report| report.choice) >= was.map(|report| report.choice));
                assert_eq!(old.target(), job.target());
            }
        }
        let target_runs = matches!(job.phase(), UpdatePhase::Trial | UpdatePhase::Active);
        let expected = if target_runs {
            job.target()
        } else {
            &self.settled
        };
        assert_eq!(self.update.running(), expected, "{:?}", job.phase());
        if before.running() != self.update.running() {
            let told = [Effect::StartTrial { job: job.number() }, Effect::Return];
            let tells = |effect: &Effect| told.contains(effect) || *effect == Effect::MakeActive;
            assert!(effects.iter().any(tells), "{effects:?}");
        }
        let needed = self.update.needed();
        assert!(
            self.update
                .running()
                .iter()
                .all(|running| needed.contains(&running))
        );
        if job.is_open() {
            assert!(
                self.settled
                    .iter()
                    .chain(job.target())
                    .all(|kept| needed.contains(&kept))
            );
            assert!(
                self.update.wake_in_ms().is_some(),
                "an open job always waits for a time"
            );
        }
    }
}

/// What runs when the job of `update`, which began on `settled`, is over.
fn settled(update: &Update, settled: &[Assignment], effects: &[Effect]) -> Vec<Assignment> {
    let stays = effects.contains(&Effect::MakeActive);
    match update.job().map(noroshi_fleet::update::Job::phase) {
        Some(UpdatePhase::Trial) if !stays => settled.to_vec(),
        _ => update.running().to_vec(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn one_set_is_designated_at_every_moment(
        happenings in prop::collection::vec(happenings(), 0..80),
    ) {
        let mut watched = Watched::new();
        for happening in happenings {
            watched.happen(happening);
        }
    }

    #[test]
    fn every_job_ends_by_time_alone(
        happenings in prop::collection::vec(happenings(), 0..60), cuts: bool,
    ) {
        let mut watched = Watched::new();
        for happening in happenings {
            watched.happen(happening);
        }
        let mut rounds = 0;
        // A failed immediate change is tried again for ever; each try is a job that ends.
        while watched.update.job().is_some_and(noroshi_fleet::update::Job::is_open) {
            let wait = watched.update.wake_in_ms().unwrap();
            watched.now_ms += wait;
            watched.tell(Event::Tick);
            if cuts {
                watched.happen(Happening::PowerCut);
            }
            rounds += 1;
            prop_assert!(rounds < 100, "{:?}", watched.update);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_device_that_restarts_for_ever_ends_too(
        happenings in prop::collection::vec(happenings(), 0..40),
    ) {
        let mut watched = Watched::new();
        for happening in happenings {
            watched.happen(happening);
        }
        // Ready waits for days; the rest must end by restarts alone.
        for _ in 0..800 {
            watched.happen(Happening::PowerCut);
        }
        let phase = watched.update.job().map(|job| job.phase().clone());
        let ended = phase.is_none_or(|phase| phase.is_terminal() || phase == UpdatePhase::Ready);
        prop_assert!(ended, "{:?}", watched.update);
    }
}
