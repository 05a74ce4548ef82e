//! What the tests of generated source share.

use std::path::Path;
use std::process::Command;

/// Runs a compiler in a folder: it succeeds, and has nothing to say.
pub(crate) fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.is_empty(),
        "{program}: {text}"
    );
}
