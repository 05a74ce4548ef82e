//! Random numbers from the kernel.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use crate::AgentError;

/// Fills an array with random bytes.
pub fn bytes<const N: usize>() -> Result<[u8; N], AgentError> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| AgentError::Unreachable("the system gives no random numbers".into()))?;
    Ok(bytes)
}

/// A random number.
pub fn number() -> Result<u64, AgentError> {
    Ok(u64::from_be_bytes(bytes()?))
}
