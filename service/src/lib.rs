//! What the daemons and the command share: running and stopping, configuration, logging, files,
//! clock, TLS and identity, the MQTT session, downloads and the TUF client.
//!
//! This is the only crate that speaks `rumqttc`, and the one place that knows certificates.

pub mod backoff;
pub mod clock;
pub mod config;
pub mod download;
pub mod durability;
pub mod failpoint;
pub mod files;
pub mod lifeline;
pub mod logging;
pub mod run;
pub mod session;
pub mod tls;
pub mod tuf;
