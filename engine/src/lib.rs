//! Noroshi: engine.
