//! The cage of a worker process: it computes, and does nothing else.
//!
//! Put on after the engine's library is loaded and before a model's bytes are read. Every system
//! call that is not on the list fails with EPERM, so that a hostile model gets errors instead of
//! files, sockets or processes.

mod allowed;
mod limits;
mod trial;

use std::collections::BTreeMap;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule};

pub use limits::{MemoryCeiling, limit};
pub use trial::{Attempt, attempts};

use crate::AgentError;

/// Closes the cage around every thread of this process, for good, and tries it once.
pub fn enter() -> Result<(), AgentError> {
    // The C library falls back from clone3 to clone only when the kernel seems not to know it,
    // and only clone's flags can be looked at.
    install(
        BTreeMap::from([(libc::SYS_clone3, Vec::new())]),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS as u32),
    )?;
    install(
        allowed::rules()?,
        SeccompAction::Errno(libc::EPERM as u32),
        SeccompAction::Allow,
    )?;
    match std::fs::File::open("/proc/self/stat") {
        Err(refused) if refused.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
        _ => Err(AgentError::Worker(
            "the sandbox does not hold: a file could still be opened".into(),
        )),
    }
}

fn install(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    on_match: SeccompAction,
) -> Result<(), AgentError> {
    let fault = |e: String| AgentError::Worker(format!("can't build the sandbox: {e}"));
    let architecture = std::env::consts::ARCH
        .try_into()
        .map_err(|e: seccompiler::BackendError| fault(e.to_string()))?;
    let filter = SeccompFilter::new(rules, otherwise, on_match, architecture)
        .map_err(|e| fault(e.to_string()))?;
    let program: BpfProgram = filter
        .try_into()
        .map_err(|e: seccompiler::BackendError| fault(e.to_string()))?;
    seccompiler::apply_filter_all_threads(&program).map_err(|e| fault(e.to_string()))
}
