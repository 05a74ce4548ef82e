//! `noroshi-agent`: what runs on a device.
//!
//! One process supervises source processes, which bring frames, and worker processes, which run
//! models on them. Results go to the outbox first and to the network from there.

pub mod capabilities;
pub mod check;
pub mod command;
pub mod config;
pub mod daemon;
pub mod enrol;
pub mod error;
pub mod event;
pub mod link;
pub mod outbox;
pub mod random;
pub mod ring;
pub mod sandbox;
pub mod source;
mod state_lock;
mod status_text;
pub mod time;
pub mod worker;

pub use error::AgentError;

use std::path::{Path, PathBuf};

/// This program's file, to start it again as a child; also after an upgrade replaced it.
fn program() -> PathBuf {
    std::env::current_exe()
        .ok()
        .filter(|path| path.exists())
        .unwrap_or_else(|| Path::new("/proc/self/exe").to_owned())
}
