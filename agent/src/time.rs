//! The machine's own clock.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time since the kernel started, sleep included; goes only forward.
pub fn boottime() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
}
