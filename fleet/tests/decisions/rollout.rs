//! Rollouts as scenarios that read as what happens.

use noroshi_fleet::rollout::{DesiredOf, Effect, Event, Member, Rollout, Spec, Threshold};
use noroshi_protocol::{DeviceId, PlanId, UpdatePhase};

use crate::world::{device, site};

pub(crate) const MINUTE: u64 = 60_000;

/// `count` devices, the first half at site s1, the others at s2.
pub(crate) fn spec(count: usize, waves: &[u8]) -> Spec {
    Spec {
        id: "r".parse().unwrap(),
        members: (0..count)
            .map(|n| Member {
                device: device(&format!("d{n}")),
                site: site(if n < count.div_ceil(2) { "s1" } else { "s2" }),
            })
            .collect(),
        waves: waves.to_vec(),
        max_failures: Threshold::Count(1),
        success_percent: 50,
        soak_ms: 5 * MINUTE,
        prepare_ms: 10 * MINUTE,
        trial_ms: MINUTE,
        deadline_ms: 30 * MINUTE,
        parallel: 2,
    }
}

pub(crate) fn phase(word: &str) -> UpdatePhase {
    match word {
        "accepted" => UpdatePhase::Accepted,
        "downloading" => UpdatePhase::Downloading,
        "ready" => UpdatePhase::Ready,
        "trial" => UpdatePhase::Trial,
        "active" => UpdatePhase::Active,
        "failed" => UpdatePhase::Failed("bad".into()),
        "reverted" => UpdatePhase::Reverted("crashed".into()),
        _ => unreachable!("{word}"),
    }
}

/// A rollout with a script: `start`, `tick`, `pause`, `resume`, `revert`, `retry d1`,
/// `gone d1`, `d1 ready`, `+5` (minutes). Each line becomes what it leads to.
pub(crate) struct Script {
    pub(crate) rollout: Rollout,
    now_ms: u64,
}

impl Script {
    pub(crate) fn new(spec: Spec) -> Self {
        Self {
            rollout: Rollout::new(spec).unwrap(),
            now_ms: 1_000_000,
        }
    }

    fn plan(&self, id: &DeviceId) -> PlanId {
        match self.rollout.desired(id) {
            DesiredOf::Plan(plan) => plan,
            // As a device that has not heard of the change.
            _ => "r-w1-a1".parse().unwrap(),
        }
    }

    fn event(&mut self, line: &str) -> Event {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["start"] => Event::Start,
            ["pause"] => Event::Pause,
            ["resume"] => Event::Resume,
            ["revert"] => Event::Revert,
            ["retry", id] => Event::Retry(device(id)),
            ["gone", id] => Event::DeviceGone(device(id)),
            [wait] => {
                let minutes: u64 = wait.trim_start_matches('+').parse().unwrap();
                self.now_ms += minutes * MINUTE;
                Event::Tick
            }
            [id, word] => {
                let device = device(id);
                let plan = self.plan(&device);
                let phase = phase(word);
                Event::Reported {
                    device,
                    plan,
                    phase,
                }
            }
            _ => unreachable!("{line}"),
        }
    }

    pub(crate) fn play(&mut self, line: &str) -> String {
        let event = self.event(line);
        let effects = self.rollout.step(event, self.now_ms);
        let mut words: Vec<String> = Vec::new();
        for effect in effects {
            words.push(match effect {
                Effect::Desired(id) => match self.rollout.desired(&id) {
                    DesiredOf::Unchanged => format!("{id}: as before"),
                    DesiredOf::Plan(plan) => format!("{id}: {plan}"),
                    DesiredOf::Consolidate => format!("{id}: target"),
                    DesiredOf::Return => format!("{id}: return"),
                },
                Effect::SitePlans(id) => {
                    let plans = self.rollout.site_plans();
                    let plans = plans.iter().filter(|(site, _)| *site == id);
                    let plans: Vec<String> = plans
                        .map(|(_, plan)| {
                            let devices: Vec<&str> =
                                plan.devices.iter().map(DeviceId::as_str).collect();
                            let (state, most) = (plan.state, plan.max_failures);
                            format!("{} [{}] {state:?} bears {most}", plan.id, devices.join(" "))
                        })
                        .collect();
                    format!(
                        "{id}: {}",
                        if plans.is_empty() {
                            "no plan".into()
                        } else {
                            plans.join(", ")
                        }
                    )
                }
                Effect::Ended(ending) => format!("ended: {ending:?}"),
            });
        }
        let mut text = format!("{line} -> {}", self.rollout.control().word());
        for word in words {
            text.push_str("\n    ");
            text.push_str(&word);
        }
        text
    }

    /// Plays every line of `expected` that is not indented, and compares the whole.
    fn check(&mut self, expected: &str) {
        let lines = expected
            .lines()
            .filter(|line| !line.starts_with(' ') && !line.is_empty());
        let transcript: Vec<String> = lines
            .map(|line| self.play(line.split(" -> ").next().unwrap()))
            .collect();
        let transcript = transcript.join("\n");
        assert_eq!(transcript, expected.trim(), "\n{transcript}\n");
    }
}

#[test]
fn waves_open_one_after_another_and_the_end_is_success() {
    let mut script = Script::new(spec(4, &[25, 100]));
    script.check(
        "
start -> running
    d0: r-w1-a1
    s1: r-w1-a1 [d0] Running bears 1
d0 downloading -> running
d0 ready -> running
d0 trial -> running
d0 active -> running
+4 -> running
+1 -> running
    d1: r-w2-a1
    d2: r-w2-a1
    d3: r-w2-a1
    s1: r-w1-a1 [d0] Running bears 1, r-w2-a1 [d1] Running bears 1
    s2: r-w2-a1 [d2 d3] Running bears 1
d1 active -> running
d2 failed -> running
    d2: as before
    s1: r-w1-a1 [d0] Running bears 0, r-w2-a1 [d1] Running bears 0
    s2: r-w2-a1 [d3] Running bears 0
d3 active -> running
d3 downloading -> running
+5 -> succeeded
    d0: target
    d1: target
    d2: as before
    d3: target
    s1: no plan
    s2: no plan
    ended: Succeeded
d3 reverted -> succeeded",
    );
}

#[test]
fn too_many_failures_take_everyone_back() {
    let mut script = Script::new(spec(4, &[100]));
    script.check(
        "
start -> running
    d0: r-w1-a1
    d1: r-w1-a1
    d2: r-w1-a1
    d3: r-w1-a1
    s1: r-w1-a1 [d0 d1] Running bears 1
    s2: r-w1-a1 [d2 d3] Running bears 1
d0 active -> running
d1 reverted -> running
    d1: as before
    s1: r-w1-a1 [d0] Running bears 0
    s2: r-w1-a1 [d2 d3] Running bears 0
d2 ready -> running
+30 -> reverting
    d2: return
    d3: return
    s1: r-w1-a1 [d0] Reverting bears 0
    s2: no plan
d0 reverted -> stopped
    d0: as before
    d1: as before
    d2: return
    d3: return
    s1: no plan
    s2: no plan
    ended: Stopped(\"3 devices failed, at most 1 may\")",
    );
}

#[test]
fn reports_in_a_pause_count_after_it() {
    let mut script = Script::new(spec(2, &[50, 100]));
    script.check(
        "
start -> running
    d0: r-w1-a1
    s1: r-w1-a1 [d0] Running bears 1
pause -> paused
    s1: r-w1-a1 [d0] Paused bears 1
d0 active -> paused
+60 -> paused
resume -> running
    d1: r-w2-a1
    s1: r-w1-a1 [d0] Running bears 1
    s2: r-w2-a1 [d1] Running bears 1
pause -> paused
    s1: r-w1-a1 [d0] Paused bears 1
    s2: r-w2-a1 [d1] Paused bears 1
+60 -> paused
resume -> running
    s1: r-w1-a1 [d0] Running bears 1
    s2: r-w2-a1 [d1] Running bears 1
+29 -> running
d1 active -> running
+5 -> succeeded
    d0: target
    d1: target
    s1: no plan
    s2: no plan
    ended: Succeeded",
    );
}

#[test]
fn a_revert_waits_for_those_that_may_run_the_target() {
    let mut script = Script::new(spec(3, &[100]));
    script.check(
        "
start -> running
    d0: r-w1-a1
    d1: r-w1-a1
    d2: r-w1-a1
    s1: r-w1-a1 [d0 d1] Running bears 1
    s2: r-w1-a1 [d2] Running bears 1
d0 active -> running
d1 downloading -> running
revert -> reverting
    s1: r-w1-a1 [d0 d1] Reverting bears 1
    s2: r-w1-a1 [d2] Reverting bears 1
d1 failed -> reverting
    d1: as before
    s1: r-w1-a1 [d0] Reverting bears 0
    s2: r-w1-a1 [d2] Reverting bears 0
+30 -> reverted
    d0: return
    d1: as before
    d2: return
    s1: no plan
    s2: no plan
    ended: Reverted",
    );
}

#[test]
fn late_and_retried_devices() {
    let mut script = Script::new(spec(2, &[100]));
    script.check(
        "
start -> running
    d0: r-w1-a1
    d1: r-w1-a1
    s1: r-w1-a1 [d0] Running bears 1
    s2: r-w1-a1 [d1] Running bears 1
d0 active -> running
+30 -> running
    d1: return
    s1: r-w1-a1 [d0] Running bears 0
    s2: no plan
d1 active -> running
retry d1 -> running
    d1: r-w1-a2
    s1: r-w1-a1 [d0] Running bears 1
    s2: r-w1-a2 [d1] Running bears 1
gone d1 -> running
    d1: as before
    s1: r-w1-a1 [d0] Running bears 1
    s2: no plan
+5 -> succeeded
    d0: target
    d1: as before
    s1: no plan
    s2: no plan
    ended: Succeeded",
    );
}

#[test]
fn a_device_waits_its_turn_without_missing_its_deadline() {
    let mut script = Script::new(Spec {
        parallel: 1,
        ..spec(4, &[100])
    });
    script.play("start");
    for id in ["d0", "d1", "d2", "d3"] {
        script.play(&format!("{id} ready"));
    }
    script.play("+25");
    script.play("d0 trial");
    script.play("d2 trial");
    script.play("+25");
    script.play("d0 active");
    script.play("d2 active");
    script.play("+25");
    assert_eq!(script.rollout.summary().failed, 0);
    script.play("+5");
    assert_eq!(
        script.rollout.summary().state,
        "reverting",
        "the gateway gave no turn to d1 and d3"
    );
}

#[test]
fn too_little_success_stops() {
    let relaxed = Spec {
        max_failures: Threshold::Percent(100),
        ..spec(4, &[50, 100])
    };
    let mut script = Script::new(relaxed);
    script.play("start");
    script.play("d0 failed");
    assert_eq!(script.play("d1 active"), "d1 active -> running");
    script.play("+5");
    script.play("d2 failed");
    script.play("d3 failed");
    script.play("d1 reverted");
    let summary = script.rollout.summary();
    assert_eq!(
        summary.reason.as_deref(),
        Some("1 of 4 devices succeeded, 50 % must")
    );
    assert_eq!(summary.state, "stopped");
}
