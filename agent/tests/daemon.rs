//! The whole agent in real processes, without a network: it runs from what is on its disk.
#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::collections::HashSet;

use common::{World, eventually, is_private, send};
use noroshi_protocol::{Answer, Event, Stream};
use rustix::process::Signal;

/// Every result is whole, no frame has two, sequences have no gap, and each frame is in the
/// source's own log.
fn check_results(world: &World) -> usize {
    let announced: HashSet<String> = world.log().into_iter().collect();
    let results = world.results();
    let mut frames = HashSet::new();
    let mut next = std::collections::HashMap::new();
    for held in &results {
        let answer: Answer = serde_cbor::from_slice(&held.body).unwrap();
        let frame = answer.frame.to_string();
        assert!(announced.contains(&frame), "{frame} was never announced");
        assert!(frames.insert(frame), "two results for one frame");
        let sequence = next.entry(held.place.start).or_insert(0);
        assert_eq!(held.place.sequence, *sequence);
        *sequence += 1;
        assert_eq!(answer.top.len(), 2);
        assert!(answer.top[0].score >= answer.top[1].score);
    }
    results.len()
}

fn kinds(world: &World) -> Vec<String> {
    world
        .held(Stream::Event)
        .iter()
        .map(|held| {
            serde_cbor::from_slice::<Event>(&held.body)
                .unwrap()
                .kind
                .to_string()
        })
        .collect()
}

#[test]
fn a_cold_boot_without_a_network_infers_from_local_state() {
    let world = World::new(50.0, "");
    let agent = world.start(&[]);
    eventually("frames are answered", || {
        (agent.frames() > 20).then_some(())
    });
    let pipeline = agent.pipeline().unwrap();
    assert_eq!(pipeline["state"], "running");
    assert_eq!(agent.status().unwrap()["connected"], false);
    assert!(is_private(&world.path("state")));
    agent.stop();
    assert!(check_results(&world) > 20);
    let labels: Vec<String> = world
        .results()
        .iter()
        .take(2)
        .map(|held| {
            serde_cbor::from_slice::<Answer>(&held.body).unwrap().top[0]
                .label
                .clone()
        })
        .collect();
    assert_eq!(labels, ["red", "blue"]);
    assert_eq!(kinds(&world), ["started"]);
}

#[test]
fn killed_children_and_a_killed_agent_come_back() {
    let world = World::new(50.0, "");
    let mut agent = world.start(&[]);
    eventually("frames are answered", || (agent.frames() > 5).then_some(()));
    for role in ["worker", "source"] {
        let before = agent.children(role);
        assert_eq!(before.len(), 1, "{role}");
        send(before[0], Signal::KILL);
        eventually("another process", || {
            let now = agent.children(role);
            (now.len() == 1 && now != before).then_some(())
        });
        let frames = agent.frames();
        eventually("frames go on", || {
            (agent.frames() > frames + 5).then_some(())
        });
    }
    let orphans = [agent.children("worker"), agent.children("source")].concat();
    agent.signal(Signal::KILL);
    agent.child.wait().unwrap();
    eventually("no orphans", || {
        let alive = |pid: &u32| {
            std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|c| !c.is_empty())
        };
        (!orphans.iter().any(alive)).then_some(())
    });
    let agent = world.start(&[]);
    eventually("frames are answered", || (agent.frames() > 5).then_some(()));
    agent.stop();
    check_results(&world);
    let starts: HashSet<u64> = world.results().iter().map(|r| r.place.start).collect();
    assert_eq!(starts, HashSet::from([1, 2]));
    let kinds = kinds(&world);
    assert!(kinds.contains(&"worker-failed".to_owned()));
    assert!(kinds.contains(&"source-failed".to_owned()));
}

#[test]
fn a_worker_that_hangs_is_ended() {
    let world = World::new(20.0, "[worker]\ninference_ms = 300\n");
    let agent = world.start(&[]);
    eventually("frames are answered", || (agent.frames() > 5).then_some(()));
    let before = agent.children("worker");
    send(before[0], Signal::STOP);
    eventually("another worker", || {
        let now = agent.children("worker");
        (now.len() == 1 && now != before).then_some(())
    });
    let frames = agent.frames();
    eventually("frames go on", || {
        (agent.frames() > frames + 5).then_some(())
    });
    assert_eq!(agent.pipeline().unwrap()["figures"]["crashes"], 1);
    agent.stop();
    check_results(&world);
}

#[test]
fn a_hung_worker_does_not_hold_up_the_end() {
    let world = World::new(20.0, "[worker]\ninference_ms = 60000\n");
    let agent = world.start(&[]);
    eventually("frames are answered", || (agent.frames() > 5).then_some(()));
    send(agent.children("worker")[0], Signal::STOP);
    let began = std::time::Instant::now();
    agent.stop();
    assert!(began.elapsed() < std::time::Duration::from_secs(7));
    check_results(&world);
}

#[test]
fn a_kill_between_write_and_sync_loses_no_record() {
    let world = World::new(100.0, "");
    for point in [
        "outbox.after_write",
        "outbox.before_sync",
        "outbox.before_answer",
    ] {
        let mut agent = world.start(&[("NOROSHI_FAILPOINT", &format!("{point}=kill@6"))]);
        let status = agent.child.wait().unwrap();
        assert!(!status.success());
    }
    let agent = world.start(&[]);
    eventually("frames are answered", || (agent.frames() > 5).then_some(()));
    agent.stop();
    check_results(&world);
}

/// The version of each answer, in order.
fn versions(world: &World) -> Vec<u32> {
    let version = |held: &noroshi_agent::outbox::Held| {
        serde_cbor::from_slice::<Answer>(&held.body)
            .unwrap()
            .version
    };
    world.results().iter().map(version).collect()
}

#[test]
fn a_restart_in_a_trial_does_not_make_a_broken_model_active() {
    let spoilers: [fn(&mut Vec<Vec<u8>>); 2] = [
        // A model that no worker can load.
        |blobs| blobs[1] = b"not a model".to_vec(),
        // A manifest that is none: nothing of it can even be started.
        |blobs| *blobs = vec![b"{}".to_vec()],
    ];
    for spoil in spoilers {
        let world = World::new(50.0, "");
        world.try_version_2(spoil);
        let agent = world.start(&[]);
        eventually("what ran before runs again", || {
            (agent.frames() > 5).then_some(())
        });
        agent.stop();
        let versions = versions(&world);
        assert!(versions.iter().all(|version| *version == 1), "{versions:?}");
        assert!(kinds(&world).contains(&"update-reverted".to_owned()));
    }
}

#[test]
fn a_restart_in_a_trial_of_a_good_model_goes_on_with_it() {
    let world = World::new(50.0, "");
    world.try_version_2(|_| {});
    let agent = world.start(&[]);
    eventually("frames are answered", || (agent.frames() > 5).then_some(()));
    agent.stop();
    let versions = versions(&world);
    assert!(versions.iter().all(|version| *version == 2), "{versions:?}");
}

#[test]
fn a_second_agent_on_the_same_folder_touches_nothing() {
    let world = World::new(20.0, "");
    let agent = world.start(&[]);
    eventually("frames are answered", || (agent.frames() > 2).then_some(()));
    let starts = std::fs::read(world.path("state/state/start")).unwrap();
    let second = std::process::Command::new(common::BINARY)
        .args(["run", "--config"])
        .arg(world.path("agent.toml"))
        .output()
        .unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains("another noroshi-agent"), "{said}");
    assert_eq!(
        std::fs::read(world.path("state/state/start")).unwrap(),
        starts
    );
    assert!(!world.path("state/outbox.corrupt").exists());
    let frames = agent.frames();
    eventually("the first goes on", || {
        (agent.frames() > frames).then_some(())
    });
    agent.stop();
    check_results(&world);
}

#[test]
fn an_outbox_that_another_process_has_open_stays_where_it_is() {
    let world = World::new(20.0, "");
    let store = world.path("state/outbox");
    let open = sled::Config::new()
        .path(&store)
        .segment_size(128 << 10)
        .open()
        .unwrap();
    let mut agent = world.start(&[]);
    assert!(!agent.child.wait().unwrap().success());
    assert!(!world.path("state/outbox.corrupt").exists());
    drop(open);
    let agent = eventually("the outbox is free", || {
        let mut agent = world.start(&[]);
        let serves = eventually("it serves or ends", || match agent.child.try_wait() {
            Ok(Some(_)) => Some(false),
            _ => agent.status().map(|_| true),
        });
        serves.then_some(agent)
    });
    eventually("frames are answered", || (agent.frames() > 2).then_some(()));
    agent.stop();
    check_results(&world);
}

#[test]
fn what_a_full_disk_leaves_of_a_snapshot_is_no_damage() {
    let world = World::new(20.0, "");
    let agent = world.start(&[]);
    eventually("frames are answered", || (agent.frames() > 2).then_some(()));
    agent.stop();
    let held = world.results().len();
    // Later than any that was finished.
    let unfinished = world.path("state/outbox/snap.0FFFFFFFFFFFFFFF.generating");
    std::fs::write(&unfinished, b"").unwrap();
    let agent = world.start(&[]);
    eventually("frames are answered", || (agent.frames() > 2).then_some(()));
    agent.stop();
    assert!(!world.path("state/outbox.corrupt").exists());
    assert!(check_results(&world) > held);
}

#[test]
fn a_frame_in_flight_when_its_worker_ends_is_not_lost() {
    // Not live: every frame that is announced must be answered. Every worker ends with its third
    // frame in flight.
    let world = World::new(100.0, "");
    let agent = world.start(&[("NOROSHI_FAILPOINT", "worker.before_answer=kill@3")]);
    eventually("frames are answered", || (agent.frames() > 6).then_some(()));
    let figures = agent.pipeline().unwrap()["figures"].clone();
    assert!(figures["crashes"].as_u64().unwrap() >= 3);
    assert_eq!(figures["skipped"], 0);
    agent.stop();
    let answered = check_results(&world);
    let numbers: HashSet<String> = world.log().into_iter().take(answered).collect();
    let frame = |held: &noroshi_agent::outbox::Held| {
        let answer: Answer = serde_cbor::from_slice(&held.body).unwrap();
        answer.frame.to_string()
    };
    assert_eq!(
        world.results().iter().map(frame).collect::<HashSet<_>>(),
        numbers
    );
}

#[test]
fn a_worker_over_its_memory_ends_and_the_agent_goes_on() {
    let world = World::with_too_large_a_model();
    let agent = world.start(&[]);
    let state = eventually("the worker failed", || {
        let state = agent.pipeline()?["state"].clone();
        state.get("failed").map(ToString::to_string)
    });
    assert!(!state.is_empty());
    assert_eq!(agent.frames(), 0);
    agent.stop();
    assert!(kinds(&world).contains(&"worker-failed".to_owned()));
}

#[test]
fn a_corrupt_outbox_is_moved_aside_and_told() {
    let world = World::new(20.0, "");
    let store = world.path("state/outbox");
    std::fs::create_dir_all(&store).unwrap();
    // A configuration that sled refuses: another version of its format.
    std::fs::write(
        store.join("conf"),
        b"segment_size: 7\nuse_compression: true\nversion: 9.9\n",
    )
    .unwrap();
    std::fs::write(store.join("db"), vec![0x55; 100_000]).unwrap();
    let agent = world.start(&[]);
    eventually("frames are answered", || (agent.frames() > 2).then_some(()));
    agent.stop();
    assert!(kinds(&world).contains(&"outbox-corrupt".to_owned()));
    assert!(world.path("state/outbox.corrupt").exists());
}

#[test]
fn a_power_cut_brings_the_state_of_the_last_sync_back() {
    let world = World::new(100.0, "");
    let copies = world.path("power");
    std::fs::create_dir_all(&copies).unwrap();
    let mut agent = world.start(&[("NOROSHI_POWERCUT_DIR", copies.to_str().unwrap())]);
    eventually("frames are answered", || {
        (agent.frames() > 10).then_some(())
    });
    let held = agent.status().unwrap()["metrics"]["outbox_held"]
        .as_u64()
        .unwrap();
    agent.signal(Signal::KILL);
    agent.child.wait().unwrap();
    std::fs::remove_dir_all(world.path("state/outbox")).unwrap();
    let copy = ["outbox", "outbox.next", "outbox.old"]
        .into_iter()
        .map(|name| copies.join(name))
        .find(|path| path.exists())
        .unwrap();
    std::fs::rename(copy, world.path("state/outbox")).unwrap();
    let kept = check_results(&world) + kinds(&world).len();
    assert!(kept as u64 >= held, "{kept} of {held}");
}

#[test]
fn onnx_runtime_works_in_the_sandbox() {
    let world = World::on_onnx_runtime(50.0);
    let agent = world.start(&[]);
    eventually("frames are answered", || (agent.frames() > 5).then_some(()));
    let figures = agent.pipeline().unwrap()["figures"].clone();
    assert!(figures["memory"].as_u64().unwrap() > 1_000_000);
    assert_eq!(figures["crashes"], 0);
    agent.stop();
    check_results(&world);
}
