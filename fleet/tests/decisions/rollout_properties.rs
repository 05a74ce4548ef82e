//! What holds for every rollout, whatever is reported; liveness first.

use noroshi_fleet::rollout::{Control, DesiredOf, Effect, Ending, Event, Rollout, Spec, Threshold};
use noroshi_protocol::{DeviceId, SitePlan};
use proptest::prelude::*;

use crate::rollout::{MINUTE, phase, spec};

#[derive(Debug, Clone)]
enum Happening {
    Report(usize, &'static str, bool),
    Wait(u64),
    Told(Event),
    Retry(usize),
    Gone(usize),
}

fn specs() -> impl Strategy<Value = Spec> {
    let waves = prop::sample::select(vec![vec![100], vec![10, 50, 100], vec![1, 2, 3, 100]]);
    let most = prop_oneof![
        (0_u32..4).prop_map(Threshold::Count),
        (0_u8..=100).prop_map(Threshold::Percent),
    ];
    (1_usize..9, waves, most, 0_u8..=100, 0_u64..10).prop_map(
        |(count, waves, most, success, soak)| Spec {
            max_failures: most,
            success_percent: success,
            soak_ms: soak * MINUTE,
            ..spec(count, &waves)
        },
    )
}

fn happenings() -> impl Strategy<Value = Happening> {
    let words = [
        "accepted",
        "downloading",
        "ready",
        "trial",
        "active",
        "active",
        "failed",
        "reverted",
    ];
    let told = [
        Event::Start,
        Event::Start,
        Event::Pause,
        Event::Resume,
        Event::Resume,
        Event::Revert,
    ];
    prop_oneof![
        12 => (0_usize..9, prop::sample::select(words.to_vec()), prop::bool::weighted(0.9))
            .prop_map(|(device, word, right)| Happening::Report(device, word, right)),
        4 => (0_u64..40).prop_map(|minutes| Happening::Wait(minutes * MINUTE)),
        3 => prop::sample::select(told.to_vec()).prop_map(Happening::Told),
        1 => (0_usize..9).prop_map(Happening::Retry),
        1 => (0_usize..9).prop_map(Happening::Gone),
    ]
}

/// A rollout, and what must be true of it after every event.
struct Watched {
    rollout: Rollout,
    now_ms: u64,
}

impl Watched {
    fn new(spec: Spec) -> Self {
        Self {
            rollout: Rollout::new(spec).unwrap(),
            now_ms: 1_000,
        }
    }

    fn device(&self, n: usize) -> DeviceId {
        let members = &self.rollout.spec().members;
        members[n % members.len()].device.clone()
    }

    fn happen(&mut self, happening: Happening) {
        let event = match happening {
            Happening::Report(n, word, right) => return self.report(&self.device(n), word, right),
            Happening::Wait(ms) => {
                self.now_ms += ms;
                Event::Tick
            }
            Happening::Told(event) => event,
            Happening::Retry(n) => Event::Retry(self.device(n)),
            Happening::Gone(n) => Event::DeviceGone(self.device(n)),
        };
        self.tell(event);
    }

    fn report(&mut self, device: &DeviceId, word: &str, right: bool) {
        let plan = match self.rollout.desired(device) {
            DesiredOf::Plan(plan) if right => plan,
            _ => "r-w1-a1".parse().unwrap(),
        };
        let (device, phase) = (device.clone(), phase(word));
        self.tell(Event::Reported {
            device,
            plan,
            phase,
        });
    }

    fn answers(
        &self,
    ) -> (
        Vec<(DeviceId, DesiredOf)>,
        Vec<(noroshi_protocol::SiteId, SitePlan)>,
    ) {
        let members = self.rollout.spec().members.iter();
        let desired = members
            .map(|member| (member.device.clone(), self.rollout.desired(&member.device)))
            .collect();
        (desired, self.rollout.site_plans())
    }

    fn tell(&mut self, event: Event) {
        let before = self.rollout.clone();
        let (desired, plans) = self.answers();
        let effects = self.rollout.step(event.clone(), self.now_ms);
        let (desired_now, plans_now) = self.answers();

        for (old, new) in desired.iter().zip(&desired_now) {
            let told = effects.contains(&Effect::Desired(new.0.clone()));
            assert!(old == new || told, "{old:?} {new:?} {effects:?}");
        }
        for (site, plan) in plans.iter().chain(&plans_now) {
            let kept = |plans: &[(_, SitePlan)]| plans.iter().any(|(_, other)| other == plan);
            let told = effects.contains(&Effect::SitePlans(site.clone()));
            assert!(
                kept(&plans) && kept(&plans_now) || told,
                "{plan:?} {effects:?}"
            );
        }
        if before.ending().is_some() {
            assert_eq!(
                (&before, effects.as_slice()),
                (&self.rollout, [].as_slice())
            );
        }
        let ends = effects
            .iter()
            .filter(|effect| matches!(effect, Effect::Ended(_)))
            .count();
        let ended = before.ending().is_none() && self.rollout.ending().is_some();
        assert_eq!(ends, usize::from(ended));
        self.check_waves(&before, &event);
        self.check_end();
        let json = serde_json::to_vec(&self.rollout).unwrap();
        assert_eq!(
            serde_json::from_slice::<Rollout>(&json).unwrap(),
            self.rollout
        );
        for (device, _) in &desired_now {
            assert!(self.rollout.why(device).ends_with('.'));
        }
    }

    fn check_waves(&self, before: &Rollout, event: &Event) {
        let (old, new) = (before.summary(), self.rollout.summary());
        assert!(new.begun >= old.begun);
        if new.begun > old.begun {
            assert_eq!(*self.rollout.control(), Control::Running);
            let begun: u32 = new.begun - old.begun;
            let under_way: u32 = new.waves.iter().map(|wave| wave.under_way).sum();
            assert_eq!(under_way, begun, "nobody else was under way");
        }
        if new.failed > new.max_failures && new.begun > 0 {
            assert!(
                matches!(new.state.as_str(), "reverting" | "stopped" | "reverted"),
                "{new:?}"
            );
        }
        let counted: u32 = new.phases.values().sum();
        assert_eq!(counted, new.devices);
        if matches!(before.control(), Control::Paused { .. }) && *event == Event::Tick {
            assert_eq!(before, &self.rollout, "time stands still in a pause");
        }
    }

    fn check_end(&self) {
        let Some(ending) = self.rollout.ending() else {
            return;
        };
        assert_eq!(self.rollout.wake_at(), None);
        assert_eq!(self.rollout.site_plans(), Vec::new());
        let summary = self.rollout.summary();
        let (desired, _) = self.answers();
        let count = |what: &DesiredOf| desired.iter().filter(|(_, is)| is == what).count() as u32;
        assert!(
            !desired
                .iter()
                .any(|(_, is)| matches!(is, DesiredOf::Plan(_)))
        );
        if *ending == Ending::Succeeded {
            assert_eq!(count(&DesiredOf::Consolidate), summary.succeeded);
            assert!(summary.failed <= summary.max_failures);
        } else {
            assert_eq!(count(&DesiredOf::Consolidate), 0);
            assert!(count(&DesiredOf::Return) >= summary.succeeded);
        }
    }

    /// Time alone goes on, as the driver's timer does it.
    fn time_passes(&mut self) {
        let mut rounds = 0;
        while self.rollout.ending().is_none() {
            let wake_at = self
                .rollout
                .wake_at()
                .expect("a rollout that goes on waits for a time");
            self.now_ms = self.now_ms.max(wake_at);
            self.tell(Event::Tick);
            rounds += 1;
            assert!(rounds < 100, "{:?}", self.rollout);
        }
    }

    /// Everyone who is asked something answers, within any deadline.
    fn everyone_answers(&mut self) {
        let mut rounds = 0;
        while self.rollout.ending().is_none() {
            for n in 0..self.rollout.spec().members.len() {
                let reverting = matches!(self.rollout.control(), Control::Reverting { .. });
                let word = if reverting { "reverted" } else { "active" };
                self.report(&self.device(n), word, true);
            }
            self.now_ms += MINUTE;
            self.tell(Event::Tick);
            rounds += 1;
            assert!(rounds < 100, "{:?}", self.rollout);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_rollout_ends_when_deadlines_pass(
        spec in specs(), happenings in prop::collection::vec(happenings(), 0..60),
    ) {
        let mut watched = Watched::new(spec);
        happenings.into_iter().for_each(|happening| watched.happen(happening));
        watched.tell(Event::Start);
        watched.tell(Event::Resume);
        watched.time_passes();
    }

    #[test]
    fn every_rollout_ends_when_everyone_reports(
        spec in specs(), happenings in prop::collection::vec(happenings(), 0..60),
    ) {
        let mut watched = Watched::new(spec);
        happenings.into_iter().for_each(|happening| watched.happen(happening));
        watched.tell(Event::Start);
        watched.tell(Event::Resume);
        watched.everyone_answers();
    }

    #[test]
    fn without_failures_it_succeeds(spec in specs()) {
        let mut watched = Watched::new(spec);
        watched.tell(Event::Start);
        watched.everyone_answers();
        prop_assert_eq!(watched.rollout.ending(), Some(&Ending::Succeeded));
        let summary = watched.rollout.summary();
        prop_assert_eq!(summary.succeeded, summary.devices);
    }
}
