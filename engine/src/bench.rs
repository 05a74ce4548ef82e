//! Measuring: CPU time, not the clock on the wall, because a device has other work to do.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::error::{EngineError, Result};

/// CPU time that all threads of this process have used.
pub fn process_cpu() -> Duration {
    cpu(ClockId::ProcessCPUTime)
}

/// CPU time that this thread has used.
pub fn thread_cpu() -> Duration {
    cpu(ClockId::ThreadCPUTime)
}

fn cpu(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

/// Median CPU time of `work` over `rounds` runs after `warmup` unmeasured ones, all threads of
/// the process counted. Ends with the first error. `rounds` of 0 is taken as 1.
pub fn median_cpu<E>(
    warmup: usize,
    rounds: usize,
    mut work: impl FnMut() -> std::result::Result<(), E>,
) -> std::result::Result<Duration, E> {
    for _ in 0..warmup {
        work()?;
    }
    let mut times = Vec::with_capacity(rounds.max(1));
    for _ in 0..rounds.max(1) {
        let start = process_cpu();
        work()?;
        times.push(process_cpu().saturating_sub(start));
    }
    times.sort_unstable();
    let middle = times.len() / 2;
    Ok(if times.len() % 2 == 1 {
        times[middle]
    } else {
        (times[middle - 1] + times[middle]) / 2
    })
}

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Resident now.
    pub resident: u64,
    /// The most that was ever resident.
    pub peak: u64,
}

/// Memory of this process.
pub fn memory() -> Result<Memory> {
    memory_at("/proc/self/status")
}

/// Memory of the process `pid`.
pub fn memory_of(pid: u32) -> Result<Memory> {
    memory_at(&format!("/proc/{pid}/status"))
}

fn memory_at(path: &str) -> Result<Memory> {
    let status = std::fs::read_to_string(path)
        .map_err(|source| EngineError::system(format!("reading {path}"), source))?;
    let bytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        kilobytes.checked_mul(1024)
    };
    match (bytes("VmRSS:"), bytes("VmHWM:")) {
        (Some(resident), Some(peak)) => Ok(Memory { resident, peak }),
        _ => Err(EngineError::system(
            format!("reading {path}"),
            std::io::Error::other("it does not say VmRSS and VmHWM"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told() {
        let memory = memory().unwrap();
        assert!(memory.resident > 100_000 && memory.peak >= memory.resident / 2);
        // Other tests of this process may take more in the meantime; a peak never falls.
        assert!(memory_of(std::process::id()).unwrap().peak >= memory.peak);
        assert!(memory_of(u32::MAX).is_err());
    }

    #[test]
    fn work_takes_cpu_time_and_errors_end_it() {
        let mut calls = 0;
        let time = median_cpu(1, 4, || {
            calls += 1;
            let sum: u64 = (0..200_000_u64).map(std::hint::black_box).sum();
            std::hint::black_box(sum);
            Ok::<(), ()>(())
        });
        assert!(time.unwrap() > Duration::ZERO);
        assert_eq!(calls, 5);
        assert_eq!(median_cpu(0, 3, || Err("no")), Err("no"));
    }
}
