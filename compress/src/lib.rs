//! Noroshi: compress.
