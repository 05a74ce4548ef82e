//! `noroshi-agent`: what runs on a device.
//!
//! One process supervises source processes, which bring frames, and worker processes, which run
//! models on them. Results go to the outbox first and to the network from there.

pub mod command;
pub mod error;
pub mod event;
pub mod failpoint;
pub mod link;
pub mod outbox;
pub mod random;
pub mod ring;
pub mod sandbox;
pub mod source;
pub mod time;

pub use error::AgentError;
