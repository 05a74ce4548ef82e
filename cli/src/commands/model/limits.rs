//! Limits that a process sets on itself before it reads a foreign file.

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::error::{Failure, Tried};

/// At most `memory` bytes of addresses and `seconds` of CPU, and nothing of it on the disk if it
/// dies.
pub(super) fn limit(memory: Option<u64>, seconds: Option<u64>) -> Result<(), Failure> {
    let limits = [
        (Resource::As, memory),
        (Resource::Cpu, seconds),
        (Resource::Core, Some(0)),
    ];
    for (resource, limit) in limits {
        if let Some(limit) = limit {
            let limit = Rlimit {
                current: Some(limit),
                maximum: Some(limit),
            };
            setrlimit(resource, limit).tried("the limits")?;
        }
    }
    Ok(())
}
