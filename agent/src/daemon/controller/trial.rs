//! What a trial tries: the part of the target that did not run before.

use noroshi_fleet::update::Update;
use noroshi_protocol::{Assignment, UpdatePhase};

/// What of the target is new; what ran before as well does not speak against it. After a restart
/// within the trial this is the same, since it comes from the machine alone.
pub(super) fn changed(update: &Update) -> Vec<Assignment> {
    let Some(job) = update.job() else {
        return Vec::new();
    };
    let needed = update.needed();
    // The machine needs what is active and, as long as the job is open, the target beside it: what
    // stands in both is there twice.
    let is_new = |target: &&Assignment| {
        let times = needed.iter().filter(|needed| *needed == target).count();
        times < 2
    };
    job.target().iter().filter(is_new).cloned().collect()
}

/// Milliseconds until the trial ends, if there is one.
pub(super) fn left_ms(update: &Update) -> Option<u64> {
    let job = update.job()?;
    (*job.phase() == UpdatePhase::Trial)
        .then(|| update.wake_in_ms())
        .flatten()
}
