//! Places where a proof kills the process on purpose.
//!
//! `NOROSHI_FAILPOINT="spool.before_sync=kill@3"` ends the process with SIGKILL when it comes by
//! that point for the third time; several are separated by commas. Without the variable a point
//! costs one load.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Environment variable that arms points.
pub const VARIABLE: &str = "NOROSHI_FAILPOINT";

static ARMED: OnceLock<Option<Mutex<HashMap<String, u64>>>> = OnceLock::new();

/// Passes the point called `name`, unless it is armed and this is the visit that kills.
pub fn pass(name: &str) {
    let armed = ARMED.get_or_init(|| {
        let points = parse(&std::env::var(VARIABLE).ok()?);
        (!points.is_empty()).then(|| Mutex::new(points))
    });
    let Some(points) = armed else { return };
    let mut points = points.lock().unwrap_or_else(PoisonError::into_inner);
    if is_deadly(&mut points, name) {
        let me = rustix::process::getpid();
        let killed = rustix::process::kill_process(me, rustix::process::Signal::KILL);
        debug_assert!(killed.is_ok(), "a process may kill itself");
    }
}

fn parse(text: &str) -> HashMap<String, u64> {
    text.split(',')
        .filter_map(|part| {
            let (name, visit) = part.trim().split_once("=kill@")?;
            let visit = visit.parse().ok().filter(|visit| *visit > 0)?;
            Some((name.to_owned(), visit))
        })
        .collect()
}

/// Counts a visit; true when it is the one that kills.
fn is_deadly(points: &mut HashMap<String, u64>, name: &str) -> bool {
    points.get_mut(name).is_some_and(|left| {
        *left = left.saturating_sub(1);
        *left == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_visit_kills() {
        let mut points = parse("spool.before_sync=kill@2, bad, other=kill@0");
        assert_eq!(points.len(), 1);
        assert!(!is_deadly(&mut points, "spool.before_sync"));
        assert!(!is_deadly(&mut points, "spool.after_sync"));
        assert!(is_deadly(&mut points, "spool.before_sync"));
    }
}
