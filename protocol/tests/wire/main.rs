//! The wire: golden vectors and properties of every message.

mod golden;
mod properties;
mod samples;
