//! Turns a trained model into source for a microcontroller, and tells what it will take there.

pub mod net;
pub mod tiny;
