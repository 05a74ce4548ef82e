//! Names every third-party crate of the workspace, and nothing else.
//!
//! Cargo unifies features only over the packages that one command selects, so
//! `cargo test -p noroshi-agent` alone would compile a second set of dependencies.
//! Selected together with this crate (`cargo one-test -p noroshi-agent`), the set that
//! `make build` compiled is used again. No crate depends on this one.
