//! A real fleet on this machine, for tests, the demo, benchmarks and proofs.
//!
//! [`Fleet`] starts the real programs, each its own process, on ports of the kernel's choice,
//! in a folder of its own that is kept when a test fails. Tests wait for facts with
//! [`eventually`], never for time.

pub mod account;
pub mod answers;
pub mod api;
pub mod assets;
pub mod bench;
pub mod children;
pub mod claims;
pub mod datasets;
pub mod demo;
pub mod eventually;
pub mod fleet;
pub mod models;
pub mod npy;
pub mod one_bit;
pub mod peers;
pub mod process;
pub mod proof;
pub mod proof_compress;
pub mod proof_tiny;
pub mod proxy;
pub mod rows;
pub mod tap;
pub mod tiny;

pub use eventually::eventually;
pub use fleet::Fleet;
