//! The operating system's clocks.
#![expect(
    unsafe_code,
    reason = "adjtimex, the kernel's word on synchronization, is only in libc"
)]

use std::ffi::{c_int, c_long, c_uint};
use std::time::{SystemTime, UNIX_EPOCH};

use noroshi_protocol::OsBoot;
use rustix::time::{ClockId, clock_gettime};

use super::session_clock::Readings;
use crate::files::{self, FileError};

/// The system's own clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemReadings;

impl Readings for SystemReadings {
    fn monotonic_ms(&self) -> u64 {
        let since_boot = clock_gettime(ClockId::Boottime);
        u64::try_from(since_boot.tv_sec).unwrap_or(0) * 1_000
            + u64::try_from(since_boot.tv_nsec).unwrap_or(0) / 1_000_000
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the system"
    )]
    fn wall_ms(&self) -> u64 {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }

    fn is_synchronized(&self) -> bool {
        kernel_says_synchronized()
    }
}

/// The kernel's id of this start of the operating system.
pub fn os_boot() -> Result<OsBoot, FileError> {
    let path = std::path::Path::new("/proc/sys/kernel/random/boot_id");
    let text = files::read_bounded(path, 64)?;
    String::from_utf8_lossy(&text)
        .trim()
        .parse()
        .map_err(|error| FileError::Io {
            action: "understand",
            path: path.to_owned(),
            source: std::io::Error::new(std::io::ErrorKind::InvalidData, error),
        })
}

/// The head of the kernel's `struct timex`, with room for the rest of it.
#[repr(C)]
struct Timex {
    modes: c_uint,
    offset: c_long,
    frequency: c_long,
    max_error: c_long,
    estimated_error: c_long,
    status: c_int,
    rest: [c_long; 64],
}

unsafe extern "C" {
    fn adjtimex(timex: *mut Timex) -> c_int;
}

fn kernel_says_synchronized() -> bool {
    const TIME_ERROR: c_int = 5;
    const STA_UNSYNC: c_int = 0x40;
    let mut timex = Timex {
        modes: 0,
        offset: 0,
        frequency: 0,
        max_error: 0,
        estimated_error: 0,
        status: STA_UNSYNC,
        rest: [0; 64],
    };
    // SAFETY: `timex` is a valid, aligned object of at least the size of the C struct (208 bytes
    // or fewer; ours has over 256), with `modes` 0 the call only reads the kernel's state into it
    // and needs no privilege.
    let state = unsafe { adjtimex(&raw mut timex) };
    (0..TIME_ERROR).contains(&state) && timex.status & STA_UNSYNC == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_answers() {
        assert_eq!(os_boot().unwrap(), os_boot().unwrap());
        // Either answer is fine; asking must not fail or crash.
        let _ = SystemReadings.is_synchronized();
        let first = SystemReadings.monotonic_ms();
        assert!(SystemReadings.monotonic_ms() >= first);
        assert!(SystemReadings.wall_ms() > 1_500_000_000_000);
    }
}
