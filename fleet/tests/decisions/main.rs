//! What `fleet` decides, as tables, scenarios and properties.

mod access;
mod assignment;
mod chooser;
mod order;
mod rollout;
mod rollout_properties;
mod update;
mod update_properties;
mod whole;
mod world;
