//! Limits of the kernel for a child process.

use noroshi_service::lifeline;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

use crate::AgentError;

/// Most bytes of private writable memory a process may have.
#[derive(Debug, Clone, Copy)]
pub struct MemoryCeiling(pub u64);

/// Binds this process to its parent's life, forbids core dumps and tracing, and caps its memory.
pub fn limit(parent: u32, ceiling: Option<MemoryCeiling>) -> Result<(), AgentError> {
    lifeline::bind(parent).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotConnected => AgentError::LinkClosed,
        _ => AgentError::io("bind to the agent's life")(error),
    })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(AgentError::os("forbid tracing"))?;
    set(Resource::Core, 0)?;
    if let Some(MemoryCeiling(bytes)) = ceiling {
        // Counts private writable memory, mapped or not; unlike the address space, which engines
        // reserve generously.
        set(Resource::Data, bytes)?;
    }
    Ok(())
}

fn set(resource: Resource, most: u64) -> Result<(), AgentError> {
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    setrlimit(resource, limit).map_err(AgentError::os("set a limit"))
}
