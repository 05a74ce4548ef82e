//! Teaches networks on the CPU: data, layers, optimizers, checkpoints.

pub mod data;
