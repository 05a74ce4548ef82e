//! Whose turn it is.

use noroshi_fleet::assignment::Clock;
use noroshi_fleet::chooser::{Choices, Reports, choices, in_force, merge};
use noroshi_protocol::{PlanState, SiteDesired, SitePlan, UpdatePhase, Which};
use proptest::prelude::*;

use crate::world::{device, org, site};

fn plan(devices: usize, parallel: u32, max_failures: u32, state: PlanState) -> SitePlan {
    SitePlan {
        id: "p".parse().unwrap(),
        rollout: "r".parse().unwrap(),
        devices: (0..devices).map(|n| device(&format!("d{n}"))).collect(),
        parallel,
        max_failures,
        state,
    }
}

fn phase(word: &str) -> UpdatePhase {
    match word {
        "testing" => UpdatePhase::Testing,
        "ready" => UpdatePhase::Ready,
        "trial" => UpdatePhase::Trial,
        "active" => UpdatePhase::Active,
        "failed" => UpdatePhase::Failed("bad".into()),
        "reverted" => UpdatePhase::Reverted("bad".into()),
        _ => unreachable!("{word}"),
    }
}

/// From `ready trial -` to the choices `go go wait`; what was given before is remembered.
fn round(plan: &SitePlan, phases: &str, given: &mut Choices) -> String {
    let reports: Reports = plan
        .devices
        .iter()
        .zip(phases.split(' '))
        .filter(|(_, word)| *word != "-")
        .map(|(device, word)| (device.clone(), (phase(word), Which::Wait)))
        .collect();
    *given = choices(plan, &reports, given);
    let words = given.values().map(|which| match which {
        Which::Wait => "wait",
        Which::Go => "go",
        Which::Revert => "revert",
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn devices_go_in_order_a_few_at_a_time() {
    let plan = plan(4, 2, 1, PlanState::Running);
    let mut given = Choices::new();
    let rounds = [
        ("- - - -", "wait wait wait wait"),
        ("testing ready - ready", "wait go wait go"),
        ("ready trial ready ready", "wait go wait go"),
        ("ready active ready trial", "go go wait go"),
        ("failed active ready trial", "go go go go"),
        // A second failure is one too many.
        (
            "failed active reverted trial",
            "revert revert revert revert",
        ),
        (
            "failed reverted reverted reverted",
            "revert revert revert revert",
        ),
    ];
    for (phases, expected) in rounds {
        assert_eq!(round(&plan, phases, &mut given), expected, "{phases}");
    }
}

#[test]
fn a_pause_gives_no_go_and_a_revert_goes_to_all() {
    let mut given = Choices::new();
    let running = plan(3, 1, 0, PlanState::Running);
    let paused = plan(3, 1, 0, PlanState::Paused);
    assert_eq!(
        round(&running, "ready ready ready", &mut given),
        "go wait wait"
    );
    assert_eq!(
        round(&paused, "active ready ready", &mut given),
        "go wait wait"
    );
    assert_eq!(
        round(&running, "active ready ready", &mut given),
        "go go wait"
    );
    let reverting = plan(3, 1, 0, PlanState::Reverting);
    assert_eq!(
        round(&reverting, "active trial -", &mut given),
        "revert revert revert"
    );
    assert_eq!(
        round(&running, "active trial -", &mut given),
        "revert revert revert"
    );
}

#[test]
fn after_its_expiry_a_plan_gives_no_go() {
    let document = SiteDesired {
        format: 1,
        org: org(),
        site: site("s1"),
        sequence: 1,
        issued_ms: 0,
        expires_ms: 1000,
        plans: vec![
            plan(1, 1, 0, PlanState::Running),
            plan(1, 1, 0, PlanState::Reverting),
        ],
        revoked: Vec::new(),
    };
    let states = |clock| -> Vec<PlanState> {
        in_force(&document, clock)
            .iter()
            .map(|plan| plan.state)
            .collect()
    };
    let (running, paused) = (PlanState::Running, PlanState::Paused);
    assert_eq!(states(Clock::Synced(1000)), [running, PlanState::Reverting]);
    assert_eq!(states(Clock::Synced(1001)), [paused, PlanState::Reverting]);
}

fn whiches() -> impl Strategy<Value = Which> {
    prop::sample::select(vec![Which::Wait, Which::Go, Which::Revert])
}

fn phases() -> impl Strategy<Value = UpdatePhase> {
    let words = ["testing", "ready", "trial", "active", "failed", "reverted"];
    prop::sample::select(words.to_vec()).prop_map(phase)
}

fn plans() -> impl Strategy<Value = SitePlan> {
    let states = vec![PlanState::Paused, PlanState::Running, PlanState::Reverting];
    (1_usize..6, 0_u32..4, 0_u32..4, prop::sample::select(states))
        .prop_map(|(devices, parallel, most, state)| plan(devices, parallel, most, state))
}

fn some_choices() -> impl Strategy<Value = Choices> {
    prop::collection::btree_map(
        (0_usize..6).prop_map(|n| device(&format!("d{n}"))),
        whiches(),
        0..6,
    )
}

fn some_reports() -> impl Strategy<Value = Reports> {
    let ids = (0_usize..6).prop_map(|n| device(&format!("d{n}")));
    prop::collection::btree_map(ids, (phases(), whiches()), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn choices_go_forward_and_keep_the_limits(
        plan in plans(), reports in some_reports(), given in some_choices(),
    ) {
        let chosen = choices(&plan, &reports, &given);
        prop_assert_eq!(chosen.len(), plan.devices.len());
        let was = |device| given.get(device).copied().unwrap_or(Which::Wait)
            .max(reports.get(device).map_or(Which::Wait, |(_, which)| *which));
        let mut fresh = 0;
        for (device, which) in &chosen {
            prop_assert!(*which >= was(device));
            if *which == Which::Go && was(device) == Which::Wait {
                fresh += 1;
                prop_assert_eq!(plan.state, PlanState::Running);
                prop_assert_eq!(reports.get(device).map(|(phase, _)| phase), Some(&UpdatePhase::Ready));
            }
        }
        let under_way = chosen.iter().filter(|(device, which)| {
            **which == Which::Go && !reports.get(*device).is_some_and(|(phase, _)| phase.is_terminal())
        }).count();
        prop_assert!(fresh == 0 || under_way <= plan.parallel.max(1) as usize);
        // One goes back: all do.
        let back = chosen.values().filter(|which| **which == Which::Revert).count();
        prop_assert!(back == 0 || back == chosen.len());
        // Asked again with the same facts, nothing changes.
        prop_assert_eq!(&choices(&plan, &reports, &chosen), &chosen);
    }

    #[test]
    fn merging_two_choosers_is_the_greater(one in some_choices(), other in some_choices()) {
        let merged = merge(&one, &other);
        prop_assert_eq!(&merged, &merge(&other, &one));
        prop_assert_eq!(&merged, &merge(&merged, &one));
        for (device, which) in one.iter().chain(&other) {
            prop_assert!(merged[device] >= *which);
        }
    }
}
