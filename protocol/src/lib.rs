//! Noroshi: protocol.
