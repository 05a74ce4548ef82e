//! The device-facing side of a site: broker, spool, artifacts, enrolment and plans. The daemon
//! `noroshi-gateway` is one user of it, the cloud for its site `direct` the other.
//!
//! A batch of records comes in by [`broker`], waits in a queue of [`delivery`] for one commit
//! with others, and is acknowledged to its device from then on. At a gateway the store is the
//! [`spool`], and the [`bridge`] carries it to the cloud, whose acknowledgement ends its wait.
//! Documents, blobs and release metadata come the other way through [`devices_http`].
//!
//! Not here yet: announcing the gateway by mDNS; devices are told its address.

pub mod blobs;
pub mod bridge;
pub mod broker;
pub mod choices;
pub mod config;
pub mod delivery;
pub mod devices_http;
pub mod enrol;
mod error;
mod http;
pub mod live;
mod metrics;
mod presence;
pub mod relay;
pub mod revocations;
pub mod run;
pub mod site;
pub mod site_store;
pub mod spool;
pub mod start;
pub mod trust;

pub use error::GatewayError;
