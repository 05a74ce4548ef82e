//! Noroshi: gateway.
