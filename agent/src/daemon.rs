//! The running agent: supervises sources and workers, keeps desired and running in step, and
//! sends what the outbox holds. One thread, many tasks; nothing here waits for a network before
//! it infers.

mod acks;
mod child;
mod commands;
mod controller;
mod crew;
mod figures;
mod lease;
mod metrics;
mod models;
mod network;
mod notes;
mod oldest;
mod patience;
mod pipeline;
mod prepare;
mod records;
mod report;
mod run;
mod sender;
mod source;
mod states;
mod status;
mod trust;
mod uplink;
mod verdicts;
mod worker;

pub(crate) use network::Network;
pub use run::run;
pub use status::LocalStatus;
