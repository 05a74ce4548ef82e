//! What `fleet` decides, as tables, scenarios and properties.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod access;
mod assignment;
mod chooser;
mod order;
mod rollout;
mod rollout_properties;
mod rollout_words;
mod update;
mod update_properties;
mod whole;
mod world;
