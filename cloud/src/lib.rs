//! The control plane: registration, CA, signed releases, rollouts, ingest, API and console.
//!
//! One process, SQLite and local files. It never loads a model: pushed files are inspected by a
//! child process, and devices get what was signed.

mod api;
mod artifacts;
mod child;
mod cloud;
mod commands;
pub mod compression;
mod config;
mod console;
mod devices;
mod documents;
mod door;
mod enrol;
mod error;
mod init;
mod inspect;
mod issuing;
mod keys;
mod models;
mod mqtt_proxy;
mod password;
mod pipelines;
mod random;
mod releases;
mod revoke;
mod rollout_plan;
mod rollouts;
mod run;
mod selection;
pub mod store;
mod why;

pub use api::{document, router};
pub use cloud::{Cloud, NoOutlet, Outlet};
pub use config::Config;
pub use devices::CloudUpstream;
pub use enrol::TokenRequest;
pub use error::{Error, Result};
pub use init::{Made, Request, init};
pub use keys::{KeyRole, Keys};
pub use models::Published;
pub use pipelines::{Application, Applied};
pub use releases::{DEVELOPMENT_FIELD, ReleaseFile, Releases};
pub use rollout_plan::RolloutRequest;
pub use run::run;
pub use selection::Selection;

/// The API's description as it is checked in.
pub fn openapi() -> String {
    api::openapi_text()
}
