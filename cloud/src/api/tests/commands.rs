//! Commands that ask about results.

use noroshi_protocol::{
    Answer, Batch, BootId, ClockSource, Command, CommandKind, FrameId, OsBoot, Record, Scored, Seen,
};

use super::*;
use crate::store::{Delivered, Records};

/// Stores a result of `frame` from the pipeline `door` of a device of the site `direct`.
async fn result(world: &World, device: &str, frame: FrameId, sequence: u64) -> i64 {
    let record = Record {
        sequence,
        monotonic_ms: 1,
        wall_ms: 2,
        clock: ClockSource::Ntp,
        body: Answer {
            frame,
            revision: 1,
            model: "m".parse().unwrap(),
            version: 1,
            variant: "small".parse().unwrap(),
            top: vec![Scored {
                label: "cat".into(),
                score: 0.5,
            }],
            cpu_us: 100,
        },
    };
    let batch = Batch {
        boot: BootId::from_bytes([7; 16]),
        start: 1,
        os_boot: OsBoot::from_bytes([9; 16]),
        records: vec![record],
    };
    let delivered = Delivered {
        site: &"direct".parse().unwrap(),
        device: &device.parse().unwrap(),
        records: Records::Answers(&"door".parse().unwrap(), &batch),
    };
    world.cloud.store.ingest(&[delivered], 5).await.unwrap();
    let query = format!("/api/v1/results?device={device}&pipeline=door&sequence={sequence}");
    let found = world.get(&query).await;
    assert_eq!(found["items"].as_array().unwrap().len(), 1, "{found}");
    found["items"][0]["id"].as_i64().unwrap()
}

/// Lets the cloud think that the device's engine of small models has this version.
async fn has_tiny(world: &World, device: &str, version: &str) {
    let mut capabilities = serde_json::to_value(capabilities()).unwrap();
    capabilities["runtimes"][0] =
        json!({ "engine": "tiny", "version": version, "max_opset": 0, "max_ir": 0 });
    let text = capabilities.to_string();
    world
        .cloud
        .store
        .set_capabilities_for_test(device, &text)
        .await;
}

/// The command that was signed for the device.
async fn signed(world: &World, device: &str, sent: &Value) -> Command {
    let id = sent["id"].as_str().unwrap().parse().unwrap();
    let row = world.cloud.store.command(device, &id).await.unwrap();
    let envelope = Envelope::from_cbor(&row.envelope).unwrap();
    let key = world.cloud.online_key.public();
    envelope.open(Domain::Command, [key]).unwrap()
}

#[tokio::test]
async fn a_device_is_asked_why_by_the_frame_of_a_result() {
    let world = World::new().await;
    let (device, other) = (world.enrol(1).await, world.enrol(2).await);
    let frame = FrameId {
        source: u64::MAX - 1,
        number: 12,
    };
    let id = result(&world, &device, frame, 3).await;
    let shown = world.get(&format!("/api/v1/results/{id}")).await;
    assert_eq!(shown["frame"]["source"], "fffffffffffffffe");
    let path = format!("/api/v1/devices/{device}/commands");
    let body = json!({ "kind": "explain", "result": id });

    has_tiny(&world, &device, "1").await;
    let (status, problem) = world.post(&path, body.clone()).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("agent_too_old"))
    );
    has_tiny(&world, &device, "2").await;
    let (status, sent) = world.post(&path, body).await;
    assert_eq!(
        (status, &sent["pipeline"]),
        (StatusCode::ACCEPTED, &json!("door"))
    );
    let seen = Seen {
        pipeline: "door".parse().unwrap(),
        frame,
    };
    assert_eq!(
        signed(&world, &device, &sent).await.what,
        CommandKind::Explain(seen)
    );

    let elsewhere = format!("/api/v1/devices/{other}/commands");
    for (path, body, wanted) in [
        (
            &elsewhere,
            json!({ "kind": "explain", "result": id }),
            StatusCode::NOT_FOUND,
        ),
        (
            &path,
            json!({ "kind": "explain", "result": id + 1 }),
            StatusCode::NOT_FOUND,
        ),
        (
            &path,
            json!({ "kind": "explain" }),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            &path,
            json!({ "kind": "diag", "result": id }),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            &path,
            json!({ "kind": "dance" }),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
    ] {
        let (status, problem) = world.post(path, body.clone()).await;
        assert_eq!(status, wanted, "{body}: {problem}");
    }
    for nothing in ["x", "0", "99999999999999999999"] {
        let (status, _) = world
            .call(Method::GET, &format!("/api/v1/results/{nothing}"), None)
            .await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{nothing}");
    }
}

#[tokio::test]
async fn labels_go_to_the_device_by_frame() {
    let world = World::new().await;
    let device = world.enrol(1).await;
    let frame = |number| FrameId { source: 5, number };
    let first = result(&world, &device, frame(1), 3).await;
    let second = result(&world, &device, frame(2), 4).await;
    let path = format!("/api/v1/devices/{device}/commands");
    let label = |result: i64, label: &str| json!({ "result": result, "label": label });
    let body = json!({ "kind": "label", "labels": [label(second, "cat"), label(first, "dog")] });
    has_tiny(&world, &device, "2").await;
    let (status, problem) = world.post(&path, body.clone()).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("agent_too_old"))
    );
    has_tiny(&world, &device, "3").await;
    let (status, sent) = world.post(&path, body).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{sent}");
    let CommandKind::Label(labels) = signed(&world, &device, &sent).await.what else {
        panic!("{sent}")
    };
    assert_eq!(labels.pipeline.as_str(), "door");
    let given: Vec<_> = labels
        .labels
        .iter()
        .map(|one| (one.frame, one.label.as_str()))
        .collect();
    assert_eq!(given, [(frame(2), "cat"), (frame(1), "dog")]);

    let body = json!({ "kind": "roll_back", "pipeline": "door", "version": 7 });
    let (_, sent) = world.post(&path, body).await;
    let CommandKind::RollBack(of) = signed(&world, &device, &sent).await.what else {
        panic!("{sent}")
    };
    assert_eq!(of.version, Some(7));
    for body in [
        json!({ "kind": "label" }),
        json!({ "kind": "label", "labels": [label(first, "")] }),
        json!({ "kind": "label", "labels": [label(first, &"x".repeat(33))] }),
        json!({ "kind": "label", "labels": vec![label(first, "cat"); 65] }),
        json!({ "kind": "states" }),
        json!({ "kind": "roll_back" }),
        json!({ "kind": "states", "pipeline": "door", "version": 1 }),
    ] {
        let (status, problem) = world.post(&path, body.clone()).await;
        assert_eq!(
            status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{body}: {problem}"
        );
    }
    let body = json!({ "kind": "label", "labels": [label(9_999, "cat")] });
    assert_eq!(world.post(&path, body).await.0, StatusCode::NOT_FOUND);
}
