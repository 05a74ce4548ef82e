//! Noroshi: tests.
