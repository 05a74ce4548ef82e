//! Places where a proof may end the process: between write, commit and acknowledgement.
//!
//! `NOROSHI_FAILPOINT=<name>:<count>` ends the process, as a crash does, when the place has been
//! passed that many times. Without the variable nothing is counted.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

const VARIABLE: &str = "NOROSHI_FAILPOINT";

#[derive(Debug)]
struct Armed {
    name: String,
    left: AtomicU64,
}

static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

/// Passes the place `name`; does not return if it is armed and its count is used up.
pub(crate) fn pass(name: &str) {
    let armed = ARMED.get_or_init(|| std::env::var(VARIABLE).ok().as_deref().and_then(parse));
    if let Some(armed) = armed
        && armed.name == name
        && armed.left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        std::process::abort();
    }
}

fn parse(text: &str) -> Option<Armed> {
    let (name, count) = text.split_once(':').unwrap_or((text, "1"));
    let left = count.parse().ok().filter(|count| *count > 0)?;
    Some(Armed {
        name: name.to_owned(),
        left: AtomicU64::new(left),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_and_its_count_are_read() {
        let armed = parse("ingest-before-commit:12").unwrap();
        assert_eq!(
            (armed.name.as_str(), armed.left.into_inner()),
            ("ingest-before-commit", 12)
        );
        assert_eq!(parse("x").unwrap().left.into_inner(), 1);
        assert!(parse("x:0").is_none() && parse("x:y").is_none());
    }
}
