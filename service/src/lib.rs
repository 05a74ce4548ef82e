//! Noroshi: service.
