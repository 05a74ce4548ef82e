//! Noroshi: agent.
