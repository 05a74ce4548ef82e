//! Updates on one device, as scenarios that read as what happens.

use noroshi_fleet::update::{Effect, Event, Failure, Step, Update};
use noroshi_protocol::{Choice, Which};

use crate::world::{desired, plan, version};

/// A device with its disk; each event becomes a line of what it leads to.
struct Bench {
    update: Update,
    disk: Vec<u8>,
    now_ms: u64,
}

impl Bench {
    fn new() -> Self {
        let update = Update::new();
        let disk = serde_cbor::to_vec(&update).unwrap();
        Self {
            update,
            disk,
            now_ms: 5000,
        }
    }

    /// A device that already runs version 1.
    fn running_one() -> Self {
        let mut bench = Self::new();
        bench.tell(Event::Desired(Box::new(desired(10, 1, None))));
        bench.prepare();
        bench.wait(10_000);
        assert_eq!(bench.line(), "active, runs 1");
        bench
    }

    fn tell(&mut self, event: Event) -> String {
        let effects = self.update.step(event, self.now_ms);
        let words: Vec<String> = effects
            .iter()
            .map(|effect| match effect {
                Effect::Persist => "persist".into(),
                Effect::Begin { step, .. } => format!("begin {step:?}"),
                Effect::StartTrial { .. } => "start trial".into(),
                Effect::MakeActive => "make active".into(),
                Effect::Return => "return".into(),
                Effect::DropStaged => "drop staged".into(),
                Effect::Report => "report".into(),
            })
            .collect();
        if effects.first() == Some(&Effect::Persist) {
            self.disk = serde_cbor::to_vec(&self.update).unwrap();
        }
        let effects = if words.is_empty() {
            "nothing".into()
        } else {
            words.join(", ")
        };
        format!("{} <- {effects}", self.line())
    }

    fn line(&self) -> String {
        let phase =
            self.update
                .report()
                .map_or("idle".into(), |report| match report.phase.reason() {
                    None => report.phase.word().to_owned(),
                    Some(reason) => format!("{} ({reason})", report.phase.word()),
                });
        format!("{phase}, runs {}", version(self.update.running()))
    }

    fn wait(&mut self, ms: u64) -> String {
        self.now_ms += ms;
        self.tell(Event::Tick)
    }

    fn choose(&mut self, plan: &str, which: Which) -> String {
        let plan = plan.parse().unwrap();
        self.tell(Event::Choice(Choice { plan, which }))
    }

    fn job(&self) -> u64 {
        self.update.job().unwrap().number()
    }

    fn done(&mut self, step: Step) -> String {
        let job = self.job();
        self.tell(Event::Done { job, step })
    }

    fn prepare(&mut self) {
        for step in Step::ALL {
            self.done(step);
        }
    }

    fn fail(&mut self, step: Step, failure: Failure) -> String {
        let job = self.job();
        self.tell(Event::Failed { job, step, failure })
    }

    /// The power goes, and comes back: only the disk is left.
    fn cut(&mut self) -> String {
        self.update = serde_cbor::from_slice(&self.disk).unwrap();
        self.now_ms = 100;
        self.tell(Event::Restarted)
    }

    fn offer(&mut self, sequence: u64, base: u32, next: Option<(&str, u32)>) -> String {
        let plan = next.map(|(id, target)| plan(id, target));
        self.tell(Event::Desired(Box::new(desired(sequence, base, plan))))
    }
}

#[test]
fn a_plan_waits_for_go_and_stands_its_trial() {
    let mut bench = Bench::running_one();
    let transcript = [
        bench.offer(20, 1, Some(("p", 2))),
        bench.tell(Event::Progress {
            job: 2,
            fetched: 10,
            total: 100,
        }),
        bench.tell(Event::Progress {
            job: 2,
            fetched: 11,
            total: 100,
        }),
        bench.done(Step::Fetch),
        bench.done(Step::Verify),
        bench.done(Step::Stage),
        bench.done(Step::TestGolden),
        bench.choose("other", Which::Go),
        bench.choose("p", Which::Go),
        bench.wait(59_999),
        bench.wait(1),
        bench.choose("p", Which::Wait),
        bench.wait(1_000_000),
    ];
    assert_eq!(
        transcript.join("\n"),
        "\
accepted, runs 1 <- persist, report, report, begin Fetch
downloading, runs 1 <- persist, report
downloading, runs 1 <- nothing
verifying, runs 1 <- persist, report, begin Verify
staged, runs 1 <- persist, report, begin Stage
testing, runs 1 <- persist, report, begin TestGolden
ready, runs 1 <- persist, report
ready, runs 1 <- nothing
trial, runs 2 <- persist, report, start trial, report
trial, runs 2 <- persist
active, runs 2 <- persist, make active, drop staged, report
active, runs 2 <- nothing
active, runs 2 <- nothing"
    );
}

#[test]
fn a_crash_in_the_trial_goes_back_for_good() {
    let mut bench = Bench::running_one();
    bench.offer(20, 1, Some(("p", 2)));
    bench.prepare();
    bench.choose("p", Which::Go);
    let job = bench.job();
    let reason = "signal 4".to_owned();
    let transcript = [
        bench.tell(Event::Crashed {
            job: job - 1,
            reason: reason.clone(),
        }),
        bench.tell(Event::Crashed { job, reason }),
        bench.choose("p", Which::Revert),
        bench.done(Step::Fetch),
        bench.offer(21, 1, Some(("p", 2))),
        bench.offer(22, 1, None),
        bench.cut(),
    ];
    let back = "reverted (crashed in the trial: signal 4), runs 1";
    assert_eq!(
        transcript.join("\n"),
        format!(
            "\
trial, runs 2 <- nothing
{back} <- persist, return, drop staged, report
{back} <- persist, report
{back} <- nothing
{back} <- persist, report
{back} <- persist, report
{back} <- persist, report, return, drop staged"
        )
    );
}

#[test]
fn success_can_be_taken_back_while_its_plan_is_wanted() {
    let mut bench = Bench::running_one();
    bench.offer(20, 1, Some(("p", 2)));
    // The choice is there before the device is ready.
    bench.choose("p", Which::Go);
    bench.prepare();
    bench.wait(60_000);
    assert_eq!(bench.line(), "active, runs 2");
    assert_eq!(
        version(
            &bench
                .update
                .needed()
                .into_iter()
                .cloned()
                .collect::<Vec<_>>()
        ),
        2
    );
    assert_eq!(
        bench.update.needed().len(),
        2,
        "the one before is kept for a revert"
    );
    assert_eq!(
        bench.choose("p", Which::Revert),
        "reverted (the choice was to revert), runs 1 <- \
         persist, report, return, drop staged, report"
    );
}

#[test]
fn after_consolidation_nothing_changes() {
    let mut bench = Bench::running_one();
    bench.offer(20, 1, Some(("p", 2)));
    bench.prepare();
    bench.choose("p", Which::Go);
    bench.wait(60_000);
    assert_eq!(
        bench.offer(30, 2, None),
        "active, runs 2 <- persist, report"
    );
    assert_eq!(
        bench.choose("p", Which::Revert),
        "active, runs 2 <- nothing"
    );
    // The plan withdrawn instead: back to what the document says.
    assert_eq!(
        bench.offer(40, 1, None),
        "accepted, runs 2 <- persist, report, report, begin Fetch"
    );
}

#[test]
fn a_newer_document_ends_a_trial_first() {
    let mut bench = Bench::running_one();
    bench.offer(20, 1, Some(("p", 2)));
    bench.prepare();
    bench.choose("p", Which::Go);
    assert_eq!(bench.line(), "trial, runs 2");
    assert_eq!(
        bench.offer(30, 3, None),
        "accepted, runs 1 <- persist, return, drop staged, report, report, report, begin Fetch"
    );
    assert_eq!(
        bench.offer(25, 2, None),
        "accepted, runs 1 <- nothing",
        "an older one"
    );
}

#[test]
fn a_document_with_new_pipelines_and_a_plan_takes_them_in_order() {
    let mut bench = Bench::new();
    bench.offer(20, 1, Some(("p", 2)));
    bench.choose("p", Which::Go);
    bench.prepare();
    assert_eq!(bench.line(), "trial, runs 1");
    assert_eq!(
        bench.wait(10_000),
        "accepted, runs 1 <- persist, make active, drop staged, report, report, begin Fetch"
    );
    bench.prepare();
    assert_eq!(bench.line(), "trial, runs 2");
}

#[test]
fn passing_failures_are_retried_and_the_deadline_ends_them() {
    let mut bench = Bench::running_one();
    bench.offer(20, 1, Some(("p", 2)));
    let cut = || Failure::passing("connection reset");
    let transcript = [
        bench.fail(Step::Fetch, cut()),
        bench.wait(1_999),
        bench.wait(1),
        bench.fail(Step::Fetch, cut()),
        bench.wait(4_000),
        bench.wait(593_999),
        bench.wait(1),
        bench.done(Step::Fetch),
    ];
    let late = "failed (deadline: not prepared in time, still accepted), runs 1";
    assert_eq!(
        transcript.join("\n"),
        format!(
            "\
accepted, runs 1 <- nothing
accepted, runs 1 <- nothing
accepted, runs 1 <- persist, begin Fetch
accepted, runs 1 <- nothing
accepted, runs 1 <- persist, begin Fetch
accepted, runs 1 <- persist
{late} <- persist, drop staged, report
{late} <- nothing"
        )
    );
}

#[test]
fn a_full_disk_fails_a_plan_and_delays_an_immediate_change() {
    let full = || Failure::insufficient_storage(100, 20);
    let mut bench = Bench::running_one();
    bench.offer(20, 1, Some(("p", 2)));
    let failed = "failed (insufficient_storage: 100 bytes needed, 20 free), runs 1";
    assert_eq!(
        bench.fail(Step::Fetch, full()),
        format!("{failed} <- persist, drop staged, report")
    );
    assert_eq!(bench.wait(100_000_000), format!("{failed} <- nothing"));

    bench.offer(30, 2, None);
    bench.fail(Step::Fetch, full());
    assert_eq!(bench.line(), failed);
    assert_eq!(bench.update.wake_in_ms(), Some(60_000));
    assert_eq!(
        bench.wait(60_000),
        "accepted, runs 1 <- persist, report, begin Fetch"
    );
    assert_eq!(bench.update.report().unwrap().plan.as_str(), "desired-30-1");
    bench.fail(Step::Fetch, full());
    assert_eq!(bench.update.wake_in_ms(), Some(120_000));
}

#[test]
fn a_bad_model_is_not_tried_again() {
    let mut bench = Bench::running_one();
    bench.offer(30, 2, None);
    bench.done(Step::Fetch);
    bench.done(Step::Verify);
    bench.done(Step::Stage);
    bench.fail(Step::TestGolden, Failure::lasting("golden: wrong label"));
    assert_eq!(bench.update.wake_in_ms(), None);
    let failed = "failed (golden: wrong label), runs 1";
    assert_eq!(
        bench.offer(31, 2, None),
        format!("{failed} <- persist, report")
    );
    assert_eq!(
        bench.offer(32, 1, None),
        format!("{failed} <- persist, report")
    );
    assert_eq!(
        bench.offer(33, 3, None),
        "accepted, runs 1 <- persist, report, report, begin Fetch"
    );
}

#[test]
fn a_power_cut_goes_on_where_the_disk_is() {
    let mut bench = Bench::running_one();
    bench.offer(20, 1, Some(("p", 2)));
    assert_eq!(
        bench.cut(),
        "accepted, runs 1 <- persist, report, begin Fetch"
    );
    bench.done(Step::Fetch);
    assert_eq!(
        bench.cut(),
        "verifying, runs 1 <- persist, report, begin Verify"
    );
    bench.done(Step::Verify);
    bench.done(Step::Stage);
    assert_eq!(
        bench.cut(),
        "testing, runs 1 <- persist, report, begin TestGolden"
    );
    bench.done(Step::TestGolden);
    assert_eq!(bench.cut(), "ready, runs 1 <- persist, report");
    bench.choose("p", Which::Go);
    let transcript = [bench.cut(), bench.cut(), bench.cut(), bench.cut()];
    assert_eq!(
        transcript.join("\n"),
        "\
trial, runs 2 <- persist, report, start trial
trial, runs 2 <- persist, report, start trial
trial, runs 2 <- persist, report, start trial
reverted (restarted too often in the trial), runs 1 <- persist, report, return, drop staged, report"
    );
}

#[test]
fn reasons_are_bounded() {
    let failure = Failure::lasting("ä".repeat(1000));
    assert_eq!(failure.reason.len(), 300);
}
