//! The outbox under kills, damage and failpoints, in real processes.

use std::process::Command;

#[test]
fn a_damaged_store_is_found_by_the_probe() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("outbox");
    let probe = || {
        Command::new(env!("CARGO_BIN_EXE_noroshi-agent"))
            .arg("probe-outbox")
            .arg(&store)
            .output()
            .unwrap()
            .status
    };
    {
        // As the agent makes it.
        let database = sled::Config::new()
            .path(&store)
            .segment_size(128 << 10)
            .open()
            .unwrap();
        for i in 0..500u32 {
            database.insert(i.to_be_bytes(), vec![7u8; 100]).unwrap();
        }
        database.flush().unwrap();
    }
    assert!(probe().success());
    // sled takes some damage for a torn tail; flip bits until it meets one that it does not.
    let database = store.join("db");
    let sound = std::fs::read(&database).unwrap();
    let found = (0..64).any(|at| {
        let mut damaged = sound.clone();
        let place = at * sound.len() / 64 + 40;
        damaged[place] ^= 0x10;
        std::fs::write(&database, damaged).unwrap();
        !probe().success()
    });
    assert!(found);
}
