//! Noroshi: cloud.
