//! Loading ONNX Runtime, in a process of its own: one process can load only one library.

use std::path::{Path, PathBuf};

use noroshi_engine::{LibraryOptions, warm};
use noroshi_model::Digest;

fn library() -> PathBuf {
    let path = std::env::var_os("NOROSHI_ONNXRUNTIME").map_or_else(
        || {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../.cache/assets/onnxruntime/libonnxruntime.so")
        },
        Into::into,
    );
    assert!(
        path.exists(),
        "{} is missing: run make setup",
        path.display()
    );
    path
}

#[test]
fn a_file_that_is_no_library_is_refused_and_the_pinned_one_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let fake = folder.path().join("libonnxruntime.so");
    std::fs::write(&fake, b"not a library").unwrap();
    let error = warm(&LibraryOptions {
        path: Some(folder.path().to_owned()),
        sha256: Some(Digest::of(b"not a library")),
    });
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("install an ONNX Runtime of version 1."),
        "{error}"
    );
    assert!(error.contains(&fake.display().to_string()), "{error}");

    let path = library();
    let sha256 = Digest::of(&std::fs::read(&path).unwrap());
    let pinned = LibraryOptions {
        path: Some(path.clone()),
        sha256: Some(sha256),
    };
    let loaded = warm(&pinned).unwrap();
    assert_eq!((loaded.path, loaded.sha256), (path, Some(sha256)));
    assert!(loaded.version.starts_with("1."), "{}", loaded.version);
    assert_nothing_is_told();
    // Loaded with a check: both later ways to ask are content.
    assert!(warm(&pinned).is_ok() && warm(&LibraryOptions::default()).is_ok());
}

/// ONNX Runtime keeps its telemetry in a database that stays open, unless it is forbidden.
fn assert_nothing_is_told() {
    assert_eq!(std::env::var("ORT_DISABLE_TELEMETRY").as_deref(), Ok("1"));
    for entry in std::fs::read_dir("/proc/self/fd").unwrap() {
        let Ok(target) = std::fs::read_link(entry.unwrap().path()) else {
            continue;
        };
        let name = target.display().to_string();
        assert!(!name.contains("onnxruntime.db"), "{name} is open");
    }
}
