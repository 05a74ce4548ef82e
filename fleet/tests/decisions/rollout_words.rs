//! What a rollout says to people: numbers, sentences, faults of its specification.

use noroshi_fleet::rollout::Spec;

use crate::rollout::{MINUTE, Script, spec};
use crate::world::device;

#[test]
fn the_summary_counts() {
    let mut script = Script::new(spec(4, &[25, 100]));
    for line in ["start", "d0 active", "+5", "d1 trial", "d2 failed"] {
        script.play(line);
    }
    let json = serde_json::to_string_pretty(&script.rollout.summary()).unwrap();
    assert_eq!(
        json,
        r#"{
  "state": "running",
  "reason": null,
  "devices": 4,
  "begun": 4,
  "succeeded": 1,
  "failed": 1,
  "max_failures": 1,
  "wave": 2,
  "phases": {
    "active": 1,
    "assigned": 1,
    "failed": 1,
    "trial": 1
  },
  "waves": [
    {
      "wave": 1,
      "percent": 25,
      "opened": true,
      "devices": 1,
      "under_way": 0,
      "succeeded": 1,
      "failed": 0
    },
    {
      "wave": 2,
      "percent": 100,
      "opened": true,
      "devices": 3,
      "under_way": 2,
      "succeeded": 0,
      "failed": 1
    }
  ]
}"#
    );
}

#[test]
fn one_sentence_says_why() {
    let mut script = Script::new(spec(4, &[25, 50, 100]));
    let mut said = Vec::new();
    let script_lines = [
        ("", "d0"),
        ("start", "d0"),
        ("d0 downloading", "d0"),
        ("", "d1"),
        ("d0 ready", "d0"),
        ("pause", "d0"),
        ("", "d1"),
        ("resume", "d9"),
        ("d0 trial", "d0"),
        ("d0 active", "d1"),
        ("", "d0"),
        ("+5", "d2"),
        ("+30", "d1"),
        ("+5", "d2"),
        ("d3 failed", "d3"),
        ("", "d0"),
        ("d0 reverted", "d0"),
        ("d2 reverted", "d2"),
    ];
    for (line, id) in script_lines {
        if !line.is_empty() {
            script.play(line);
        }
        said.push(script.rollout.why(&device(id)));
    }
    assert_eq!(
        said.join("\n"),
        "\
Rollout r has not started: start it.
d0 has not answered since it got its plan: see whether it and its gateway are connected.
d0 prepares the target (downloading) and has 10 min for it: wait.
d1 is in wave 2, and 1 device has not ended before it: wait, or see why.
d0 is ready and waits for the gateway of site s1 to give it its turn, 2 at a time: wait, or see whether the gateway is connected.
d0 is ready, and rollout r is paused: resume it.
d1 is in wave 2, which does not open while rollout r is paused: resume it.
d9 is not part of rollout r: begin another rollout that selects it.
d0 runs the target on trial for 60 s: wait.
d1 is in wave 2, which opens when wave 1 has run well for 5 min: wait.
d0 runs the target; rollout r goes on: wait.
d2 is in wave 3, and 1 device has not ended before it: wait, or see why.
d1 was not heard of when its deadline of 30 min passed, and stays on what it ran before: see whether it and its gateway are connected, then mend that and retry it.
d2 has not answered since it got its plan: see whether it and its gateway are connected.
d3 could not take the target (bad) and runs what it ran before: mend that and retry it.
d0 runs the target and is told to go back (2 devices failed, at most 1 may): wait for its report.
d0 took the target back (crashed) and runs what it ran before: mend that and begin another rollout with it.
Rollout r ended before d2 did (2 devices failed, at most 1 may): begin another rollout."
    );
}

#[test]
fn specifications_are_checked() {
    let fault = |change: &dyn Fn(&mut Spec)| {
        let mut spec = spec(4, &[25, 100]);
        change(&mut spec);
        spec.fault().unwrap_or_default()
    };
    assert_eq!(fault(&|_| ()), "");
    assert!(fault(&|spec| spec.waves = vec![50, 50, 100]).starts_with("waves are"));
    assert!(fault(&|spec| spec.waves = vec![0, 100]).starts_with("waves are"));
    assert!(fault(&|spec| spec.waves = vec![50]).starts_with("waves are"));
    assert!(fault(&|spec| spec.waves.clear()).starts_with("waves are"));
    assert!(fault(&|spec| spec.members.clear()).starts_with("it has no devices"));
    assert!(fault(&|spec| spec.members[1].device = device("d0")).contains("twice"));
    assert!(fault(&|spec| spec.members[1].device = device("gateway")).contains("leave it out"));
    assert!(fault(&|spec| spec.parallel = 0).contains("parallel"));
    assert!(fault(&|spec| spec.success_percent = 101).contains("percentages"));
    assert!(fault(&|spec| spec.deadline_ms = MINUTE).contains("deadline"));
    assert!(fault(&|spec| spec.id = "r".repeat(29).parse().unwrap()).contains("28"));
    let many = spec(1100, &[100]);
    assert!(many.fault().unwrap().contains("more than 500"));
}
