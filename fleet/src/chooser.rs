//! Whose turn it is: from a signed plan and what devices report, the choices for a site.
//!
//! The gateway of a site asks, and the cloud for the site `direct`. Choices only go forward:
//! *wait*, *go*, *revert*; two choosers merge by the greater.

use std::collections::BTreeMap;

use noroshi_protocol::{DeviceId, PlanState, SiteDesired, SitePlan, UpdatePhase, Which};

use crate::assignment::Clock;

/// What devices report about one plan: the phase and the greatest choice they have seen.
pub type Reports = BTreeMap<DeviceId, (UpdatePhase, Which)>;
/// The choice for each device.
pub type Choices = BTreeMap<DeviceId, Which>;

/// The choice for every device of `plan`, none of them less than in `given`.
///
/// `reports` holds only reports about this plan. *Go* is given in the plan's order to devices
/// that are ready, to at most `parallel` at a time. One failure more than `max_failures`, the
/// plan's own state, or a *revert* that anyone gave before sends every device back.
pub fn choices(plan: &SitePlan, reports: &Reports, given: &Choices) -> Choices {
    let known = |device: &DeviceId| {
        let seen = reports.get(device).map(|(_, which)| *which);
        let gave = given.get(device).copied();
        seen.max(gave).unwrap_or(Which::Wait)
    };
    let mut choices: Choices = plan
        .devices
        .iter()
        .map(|device| (device.clone(), known(device)))
        .collect();
    if goes_back(plan, reports, &choices) {
        choices
            .values_mut()
            .for_each(|which| *which = Which::Revert);
    } else if plan.state == PlanState::Running {
        give_go(plan, reports, &mut choices);
    }
    choices
}

fn goes_back(plan: &SitePlan, reports: &Reports, choices: &Choices) -> bool {
    plan.state == PlanState::Reverting
        || choices.values().any(|which| *which == Which::Revert)
        || failures(plan, reports) > plan.max_failures as usize
}

fn failures(plan: &SitePlan, reports: &Reports) -> usize {
    plan.devices
        .iter()
        .filter_map(|device| reports.get(device))
        .filter(|(phase, _)| matches!(phase, UpdatePhase::Failed(_) | UpdatePhase::Reverted(_)))
        .count()
}

fn give_go(plan: &SitePlan, reports: &Reports, choices: &mut Choices) {
    let phase = |device: &DeviceId| reports.get(device).map(|(phase, _)| phase);
    let under_way = choices
        .iter()
        .filter(|(device, which)| {
            **which == Which::Go && !phase(device).is_some_and(UpdatePhase::is_terminal)
        })
        .count();
    // A plan with nobody at a time would never end.
    let free = (plan.parallel.max(1) as usize).saturating_sub(under_way);
    let ready: Vec<&DeviceId> = plan
        .devices
        .iter()
        .filter(|device| choices.get(*device) == Some(&Which::Wait))
        .filter(|device| phase(device) == Some(&UpdatePhase::Ready))
        .take(free)
        .collect();
    for device in ready {
        choices.insert(device.clone(), Which::Go);
    }
}

/// Both choosers' decisions as one: for each device the greater.
pub fn merge(one: &Choices, other: &Choices) -> Choices {
    let mut merged = one.clone();
    for (device, which) in other {
        let entry = merged.entry(device.clone()).or_insert(*which);
        *entry = (*entry).max(*which);
    }
    merged
}

/// The plans of a document as they count now: past its expiry no more *go* is given.
pub fn in_force(desired: &SiteDesired, clock: Clock) -> Vec<SitePlan> {
    let mut plans = desired.plans.clone();
    if clock.is_past(desired.expires_ms) {
        for plan in &mut plans {
            if plan.state == PlanState::Running {
                plan.state = PlanState::Paused;
            }
        }
    }
    plans
}
