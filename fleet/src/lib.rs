//! Noroshi: fleet.
