//! What glibc is asked: to give memory back, so that a worker stays as small as its model, and
//! its version.
#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "two functions of glibc have no safe wrapper")
)]

/// Gives freed memory back to the system. Loading a model frees a lot: the parsed graph, the
/// weights before they were packed.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: glibc declares `int malloc_trim(size_t pad)`; it takes its own locks, may be
        // called at any time, and touches only memory that is free.
        unsafe extern "C" {
            safe fn malloc_trim(pad: usize) -> i32;
        }
        malloc_trim(0);
    }
}

/// The version of glibc that this process runs with.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn glibc_version() -> Option<String> {
    // SAFETY: glibc declares `const char *gnu_get_libc_version(void)`; it returns the address of
    // a constant, NUL-terminated text.
    unsafe extern "C" {
        safe fn gnu_get_libc_version() -> *const std::ffi::c_char;
    }
    let version = gnu_get_libc_version();
    if version.is_null() {
        return None;
    }
    // SAFETY: not null, and a constant text as said above.
    let version = unsafe { std::ffi::CStr::from_ptr(version) };
    Some(version.to_string_lossy().into_owned())
}

/// Environment variables for a process that runs models with `threads` threads: a heap that
/// returns memory, as many threads as asked for in candle, and no telemetry from ONNX Runtime.
/// They are read when the process starts, so its parent sets them.
pub fn worker_environment(threads: usize) -> Vec<(&'static str, String)> {
    let threads = threads.max(1).to_string();
    let (telemetry, forbidden) = crate::onnx::FORBIDDEN;
    vec![
        (telemetry, forbidden.to_owned()),
        ("MALLOC_ARENA_MAX", "1".to_owned()),
        ("MALLOC_TRIM_THRESHOLD_", "131072".to_owned()),
        ("MALLOC_MMAP_THRESHOLD_", "131072".to_owned()),
        ("RAYON_NUM_THREADS", threads.clone()),
        ("CANDLE_NUM_THREADS", threads),
    ]
}
