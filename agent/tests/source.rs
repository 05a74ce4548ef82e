//! Source processes as the agent starts them.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use noroshi_agent::link::ChildLink;
use noroshi_agent::ring::{Reader, check_seals, reopen_read_only};
use noroshi_agent::source::{Order, Report, SourceSpec};

/// The agent's part, played by the test with a blocking link.
struct Camera {
    link: ChildLink,
    child: Child,
    ring: Reader,
}

fn start(spec: &str) -> Camera {
    let spec: SourceSpec = toml_like(spec);
    let (ours, theirs) = UnixStream::pair().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_noroshi-agent"))
        .arg("source")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .spawn()
        .unwrap();
    let mut link = ChildLink::new(ours);
    link.send(&Order::Start {
        agent: std::process::id(),
        spec: Box::new(spec),
        settings: "{\"zoom\":2}".into(),
    })
    .unwrap();
    let Some(Report::Ring { geometry, .. }) =
        link.receive_within(Some(Duration::from_secs(20))).unwrap()
    else {
        panic!("no ring")
    };
    let memory = link.take_descriptor().unwrap();
    check_seals(&memory, &geometry).unwrap();
    let ring = Reader::open(reopen_read_only(memory).unwrap(), geometry).unwrap();
    Camera { link, child, ring }
}

fn toml_like(json: &str) -> SourceSpec {
    let spec: SourceSpec = serde_json::from_str(json).unwrap();
    spec.check().unwrap();
    spec
}

impl Camera {
    fn report(&mut self) -> Report {
        self.link
            .receive_within(Some(Duration::from_secs(20)))
            .unwrap()
            .expect("a report within 20 s")
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        assert!(killed.is_ok());
    }
}

fn picture(path: &Path, shade: u8) {
    image::RgbImage::from_pixel(8, 6, image::Rgb([shade, 0, 0]))
        .save(path)
        .unwrap();
}

#[test]
fn a_folder_is_shown_round_and_round_with_a_log() {
    let folder = tempfile::tempdir().unwrap();
    picture(&folder.path().join("a.png"), 10);
    picture(&folder.path().join("b.png"), 20);
    std::fs::write(folder.path().join("c.jpg"), "no picture").unwrap();
    std::fs::write(folder.path().join("notes.txt"), "ignored").unwrap();
    let log = folder.path().join("frames.log");
    let mut camera = start(&format!(
        r#"{{"folder":{{"path":{:?}}},"frames_per_second":200.0,"slots":3,"max_pixels":1000,"log":{log:?}}}"#,
        folder.path()
    ));
    let mut seen = Vec::new();
    let mut unreadable = 0;
    while seen.len() < 6 {
        match camera.report() {
            Report::Frame {
                slot,
                generation,
                id,
                ..
            } => {
                let frame = camera.ring.read(slot, generation).unwrap().unwrap();
                assert_eq!(frame.header.id, id);
                seen.push((id, frame.pixels[0]));
                camera.link.send(&Order::Release { slot }).unwrap();
            }
            Report::Unreadable { name, .. } => {
                assert!(name.ends_with("c.jpg"));
                unreadable += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(unreadable >= 2);
    let shades: Vec<u8> = seen.iter().map(|(_, shade)| *shade).collect();
    assert_eq!(shades, [10, 20, 10, 20, 10, 20]);
    let ids: HashSet<_> = seen.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), 6);
    let lines = std::fs::read_to_string(&log).unwrap();
    let first: Vec<&str> = lines.lines().next().unwrap().split('\t').collect();
    assert_eq!(first[..2], [seen[0].0.to_string().as_str(), "a.png"]);
}

#[test]
fn a_slot_on_lease_is_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    picture(&folder.path().join("a.png"), 10);
    let mut camera = start(&format!(
        r#"{{"folder":{{"path":{:?}}},"frames_per_second":500.0,"slots":2,"max_pixels":1000}}"#,
        folder.path()
    ));
    let mut leased = Vec::new();
    for _ in 0..2 {
        let Report::Frame {
            slot, generation, ..
        } = camera.report()
        else {
            panic!()
        };
        leased.push((slot, generation));
    }
    let silence: Option<Report> = camera
        .link
        .receive_within(Some(Duration::from_millis(50)))
        .unwrap();
    assert!(silence.is_none(), "waits for a slot");
    for (slot, generation) in &leased {
        assert!(camera.ring.read(*slot, *generation).unwrap().is_some());
    }
    let (slot, _) = leased[1];
    camera.link.send(&Order::Release { slot }).unwrap();
    assert!(matches!(camera.report(), Report::Frame { slot: again, .. } if again == slot));
}

#[test]
fn a_command_gets_its_settings_and_sends_frames() {
    let script = r#"read -r settings; test "$settings" = '{"zoom":2}' || exit 3;
        test "$MODE" = fast || exit 4; test -z "$HOME" || exit 5;
        printf 'P6 2 1 255\nabcdef'; printf 'P6 1 1 255\nxyz'; exec sleep 1000"#;
    let mut camera = start(&format!(
        r#"{{"exec":{{"argv":["/bin/sh","-c",{script:?}],"env":{{"MODE":"fast"}},"format":"ppm"}},
            "frames_per_second":1000.0,"live":false,"max_pixels":100}}"#
    ));
    let Report::Frame {
        slot, generation, ..
    } = camera.report()
    else {
        panic!()
    };
    let frame = camera.ring.read(slot, generation).unwrap().unwrap();
    assert_eq!(
        (frame.header.width, frame.pixels.as_slice()),
        (2, b"abcdef".as_slice())
    );
}

#[test]
fn a_source_ends_with_its_agent() {
    let folder = tempfile::tempdir().unwrap();
    picture(&folder.path().join("a.png"), 10);
    let mut camera = start(&format!(
        r#"{{"folder":{{"path":{:?},"repeat":false}},"frames_per_second":500.0,"max_pixels":1000}}"#,
        folder.path()
    ));
    assert!(matches!(camera.report(), Report::Frame { .. }));
    assert!(matches!(camera.report(), Report::End));
    let (unused, _) = UnixStream::pair().unwrap();
    camera.link = ChildLink::new(unused);
    assert!(camera.child.wait().unwrap().success());
}

#[test]
fn rows_of_numbers_come_as_frames_of_one_row() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.csv");
    std::fs::write(&file, "temperature,flow\n1.5,-2\nbroken\n3,4\n").unwrap();
    let spec = format!(r#"{{"rows":{{"path":{file:?},"repeat":false}},"frames_per_second":500}}"#);
    let mut camera = start(&spec);
    let mut rows = Vec::new();
    let mut unreadable = Vec::new();
    loop {
        match camera.report() {
            Report::Frame {
                slot, generation, ..
            } => {
                let frame = camera.ring.read(slot, generation).unwrap().unwrap();
                assert_eq!((frame.header.width, frame.header.height), (2, 1));
                let (numbers, _) = frame.pixels.as_chunks::<4>();
                rows.push([0, 1].map(|column| f32::from_le_bytes(numbers[column])));
                camera.link.send(&Order::Release { slot }).unwrap();
            }
            Report::Unreadable { name, why } => unreadable.push((name, why)),
            Report::End => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(rows, [[1.5, -2.0], [3.0, 4.0]]);
    assert_eq!(unreadable.len(), 1);
    assert_eq!(unreadable[0].0, "3");
}

#[test]
fn a_command_brings_rows() {
    let script = r#"{"exec":{"argv":["/bin/sh","-c","echo '[7, 8.5]'; echo x; sleep 30"],
        "format":"rows"},"frames_per_second":100}"#;
    let mut camera = start(script);
    let Report::Frame {
        slot, generation, ..
    } = camera.report()
    else {
        panic!("no frame")
    };
    let frame = camera.ring.read(slot, generation).unwrap().unwrap();
    assert_eq!(
        frame.pixels,
        [7.0_f32.to_le_bytes(), 8.5_f32.to_le_bytes()].concat()
    );
}
