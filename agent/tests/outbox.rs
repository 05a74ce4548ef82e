//! The outbox under kills, damage and failpoints, in real processes.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::process::{Command, ExitStatus};

use noroshi_service::durability::died_of_damage;

fn probe(store: &Path) -> ExitStatus {
    Command::new(env!("CARGO_BIN_EXE_noroshi-agent"))
        .arg("probe-outbox")
        .arg(store)
        .output()
        .unwrap()
        .status
}

/// A store as the agent makes it, still open.
fn store(folder: &Path) -> sled::Db {
    let database = sled::Config::new()
        .path(folder)
        .segment_size(128 << 10)
        .open()
        .unwrap();
    for i in 0..500u32 {
        database.insert(i.to_be_bytes(), vec![7u8; 100]).unwrap();
    }
    database.flush().unwrap();
    database
}

#[test]
fn a_damaged_store_is_found_by_the_probe() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    drop(store(&path));
    assert!(probe(&path).success());
    // sled takes some damage for a torn tail; flip bits until it meets one that it does not.
    let database = path.join("db");
    let sound = std::fs::read(&database).unwrap();
    let found = (0..64).any(|at| {
        let mut damaged = sound.clone();
        let place = at * sound.len() / 64 + 40;
        damaged[place] ^= 0x10;
        std::fs::write(&database, damaged).unwrap();
        let status = probe(&path);
        !status.success() && died_of_damage(status)
    });
    assert!(found);
}

#[test]
fn a_store_in_use_and_a_disk_that_refuses_are_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let open = store(&path);
    let locked = probe(&path);
    assert!(!locked.success() && !died_of_damage(locked), "{locked}");
    drop(open);
    // Root may read everything; what no one can open as a file is a folder.
    let refused = folder.path().join("refused");
    std::fs::create_dir_all(refused.join("db")).unwrap();
    let refused = probe(&refused);
    assert!(!refused.success() && !died_of_damage(refused), "{refused}");
}

#[test]
fn a_probe_does_not_outlive_its_agent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    drop(store(&path));
    let orphan = Command::new(env!("CARGO_BIN_EXE_noroshi-agent"))
        .args(["probe-outbox", "--parent", "1"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(!orphan.status.success() && !died_of_damage(orphan.status));
}
