//! The service crate against real peers: handshakes, an HTTPS server, a broker, a cut download,
//! a TUF repository. All on loopback.

#![expect(
    clippy::disallowed_methods,
    reason = "tests start peers of their own, and tough reads the system's clock"
)]

mod broker;
mod download;
mod https;
mod mqtt;
mod org;
mod tls;
mod tuf;
mod tuf_repository;
