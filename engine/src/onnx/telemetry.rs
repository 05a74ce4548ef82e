//! ONNX Runtime must not tell anyone what it runs.
//!
//! Since 1.29 the official Linux builds keep a device identifier and a database of events in
//! the user's cache folder and upload them, beginning while the environment is created: too
//! early for the switch in its interface. Only a variable that is set before forbids all of it.
#![expect(
    unsafe_code,
    reason = "the library reads nothing but an environment variable"
)]

/// The variable and its value.
pub(crate) const FORBIDDEN: (&str, &str) = ("ORT_DISABLE_TELEMETRY", "1");

/// Forbids telemetry in this process. Called before the library is loaded; a parent that sets
/// [`FORBIDDEN`] for its child (see `worker_environment`) makes it a no-op there.
pub(super) fn forbid() {
    let (name, value) = FORBIDDEN;
    if std::env::var_os(name).is_some_and(|found| found == value) {
        return;
    }
    // SAFETY: everything in Rust's standard library that reads or writes the environment takes
    // its lock. What is left are C functions that read it in another thread in this instant:
    // a process loads the library once, before it does other work, and those that can't are
    // started with the variable.
    unsafe { std::env::set_var(name, value) };
}
