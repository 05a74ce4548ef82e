//! Places between write, sync and acknowledgement where a proof kills the process on purpose.
//!
//! `NOROSHI_FAILPOINT="outbox.before_sync=kill@3"` ends the process with SIGKILL when it comes by
//! that point for the third time; several points are separated by commas. Without the variable a
//! point costs one load. Release builds have no points, whatever the variable says.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::process::{Signal, getpid, kill_process};
use tracing::warn;

/// The environment variable that arms points.
pub const VARIABLE: &str = "NOROSHI_FAILPOINT";

static ARMED: OnceLock<Option<Mutex<HashMap<String, u64>>>> = OnceLock::new();

/// Passes the point called `name` (`place.moment`), unless it is armed and this is the visit that
/// kills.
pub fn pass(name: &str) {
    if !cfg!(debug_assertions) {
        return;
    }
    let armed = ARMED.get_or_init(|| {
        let points = parse(&std::env::var(VARIABLE).ok()?);
        (!points.is_empty()).then(|| Mutex::new(points))
    });
    let Some(points) = armed else { return };
    let mut points = points.lock().unwrap_or_else(PoisonError::into_inner);
    if is_deadly(&mut points, name) {
        // A worker's sandbox refuses it; what is left there is no less sudden.
        if kill_process(getpid(), Signal::KILL).is_err() {
            std::process::abort();
        }
    }
}

fn parse(text: &str) -> HashMap<String, u64> {
    let mut points = HashMap::new();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        match parse_point(part) {
            Some((name, visit)) => {
                points.insert(name.to_owned(), visit);
            }
            // A proof that arms nothing would prove nothing.
            None => warn!(
                point = part,
                "{VARIABLE} is not of the form name=kill@count"
            ),
        }
    }
    points
}

fn parse_point(part: &str) -> Option<(&str, u64)> {
    let (name, visit) = part.split_once("=kill@")?;
    let visit = visit.parse().ok().filter(|visit| *visit > 0)?;
    Some((name, visit))
}

/// Counts a visit; true when it is the one that kills.
fn is_deadly(points: &mut HashMap<String, u64>, name: &str) -> bool {
    points.get_mut(name).is_some_and(|left| {
        let deadly = *left == 1;
        *left = left.saturating_sub(1);
        deadly
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_visit_kills_and_no_other() {
        let mut points = parse("outbox.before_sync=kill@2, bad, other=kill@0,");
        assert_eq!(points.len(), 1);
        assert!(!is_deadly(&mut points, "outbox.before_sync"));
        assert!(!is_deadly(&mut points, "outbox.after_sync"));
        assert!(is_deadly(&mut points, "outbox.before_sync"));
        assert!(!is_deadly(&mut points, "outbox.before_sync"));
    }
}
