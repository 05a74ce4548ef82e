//! Noroshi: model.
