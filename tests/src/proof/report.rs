//! The claims of a run.

use std::collections::BTreeSet;
use std::time::Duration;

use super::deeds::{Death, How};
use super::ledger::{IN_FLIGHT, RING};
use super::schedule::{Amounts, Role, Store};
use super::{Run, verdict};
use crate::claims::{Claim, rounded};

/// Every role works again within this.
const BACK: Duration = Duration::from_secs(10);
/// Frames a second that every device must have taken, killed or not.
const LEAST_FRAMES: f64 = 20.0;

/// What the run shows.
pub(super) fn claims(run: &Run, amounts: Amounts, seed: u64) -> Vec<Claim> {
    let mut claims = Vec::new();
    for role in Role::ALL {
        claims.push(kills(run, role, amounts));
        claims.push(back(run, role));
    }
    for store in Store::ALL {
        let cuts = of(run, |death| death.how == How::PowerCut(store)).count();
        let name = format!("power cuts: {}", store.word());
        claims.push(Claim::at_least(
            &name,
            cuts as f64,
            amounts.power_cuts as f64,
        ));
    }
    claims.push(pace(run));
    claims.extend(losses(run, seed));
    claims.extend(seen_in_outboxes(run));
    claims
}

fn of(run: &Run, wanted: impl Fn(&Death) -> bool) -> impl Iterator<Item = &Death> {
    run.journal.deaths.iter().filter(move |death| wanted(death))
}

fn kills(run: &Run, role: Role, amounts: Amounts) -> Claim {
    let count = |how| of(run, |death| death.role == role && death.how == how).count();
    let (killed, failed) = (count(How::Killed), count(How::Failpoint));
    let enough = killed + failed >= amounts.kills && failed >= amounts.failpoints;
    let limit = format!(
        "at least {}, {} of them at failpoints",
        amounts.kills, amounts.failpoints
    );
    let name = format!("kills: {}", role.word());
    Claim::new(&name, killed + failed, &limit, enough).with("at_failpoints", failed)
}

fn back(run: &Run, role: Role) -> Claim {
    let mut times: Vec<f64> = of(run, |death| death.role == role)
        .filter_map(|death| Some(death.back?.as_secs_f64()))
        .collect();
    times.sort_by(f64::total_cmp);
    let longest = times.last().copied().unwrap_or(f64::INFINITY);
    let name = format!("seconds until it works again, longest: {}", role.word());
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    Claim::at_most(&name, longest, BACK.as_secs_f64())
        .with("median", rounded(median))
        .with("times", times.len())
}

/// A run that stops agents and finds no result in any of their outboxes shows nothing about what
/// surely existed. One that is narrowed to other roles looks into none.
fn seen_in_outboxes(run: &Run) -> Option<Claim> {
    let seen: usize = run.journal.persisted.iter().map(BTreeSet::len).sum();
    let looked = of(run, |death| {
        let killed = death.role == Role::Agent && death.how == How::Killed;
        killed || death.how == How::PowerCut(Store::Outbox)
    });
    let looks = looked.count();
    (looks > 0)
        .then(|| Claim::at_least("results seen in outboxes", seen as f64, 1.0).with("looks", looks))
}

/// Frames a second of the slowest device, its deaths included.
fn pace(run: &Run) -> Claim {
    let paces = run.evidence.iter().map(|evidence| {
        let ends = (evidence.logged.first(), evidence.logged.last());
        let (Some(first), Some(last)) = ends else {
            return 0.0;
        };
        let seconds = (last.at_ms - first.at_ms) as f64 / 1000.0;
        evidence.logged.len() as f64 / seconds.max(1.0)
    });
    let slowest = paces.fold(f64::INFINITY, f64::min);
    Claim::at_least("frames a second, slowest device", slowest, LEAST_FRAMES)
}

fn losses(run: &Run, seed: u64) -> Vec<Claim> {
    let verdict = verdict(run);
    let none = |name: &str, value: u64| Claim::new(name, value, "0", value == 0);
    let examples: Vec<&String> = verdict.lost.iter().take(5).collect();
    let bound = (RING + IN_FLIGHT) as u64;
    vec![
        none(
            "results lost, or never made without excuse",
            verdict.lost.len() as u64,
        )
        .with("surely_existed", verdict.existed)
        .with("frames", verdict.frames)
        .with("examples", serde_json::json!(examples))
        .with("seed", seed)
        .with("seconds", run.lasted.as_secs()),
        none("frames stored twice", verdict.twice).with("came_again", run.stored.again),
        none("rows of unknown frames", verdict.unknown),
        none("gaps in settled sequences", run.stored.gaps),
        none("records dropped by quotas", run.stored.dropped),
        none("stores found corrupt", run.stored.corrupt),
        Claim::new(
            "frames never inferred, most a kill",
            verdict.most_a_kill,
            &format!("at most {bound}: ring {RING}, in flight {IN_FLIGHT}"),
            verdict.most_a_kill <= bound,
        )
        .with("in_all", verdict.never_inferred),
    ]
}
