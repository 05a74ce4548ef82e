use noroshi_protocol::{
    BootId, ClockSource, OutboxReport, PlanId, Presence, Reported, UpdatePhase, UpdateReport, Which,
};

use super::*;

/// A device's report: signed by nobody here, since the door has checked that before.
async fn report(world: &World, device: &str, sequence: u64, update: Option<(PlanId, UpdatePhase)>) {
    let reported = Reported {
        format: 1,
        org: world.cloud.org.clone(),
        device: device.parse().unwrap(),
        start: 1,
        boot: BootId::from_bytes([1; 16]),
        sequence,
        wall_ms: 0,
        clock: ClockSource::None,
        capabilities: capabilities(),
        sources: vec!["door".into()],
        desired: 0,
        refused: None,
        pipelines: Vec::new(),
        update: update.map(|(plan, phase)| UpdateReport {
            plan,
            choice: Which::Go,
            phase,
            fetched: 1,
            total: 2,
        }),
        outbox: OutboxReport::default(),
    };
    let kept = world
        .cloud
        .store
        .note_report(device, &reported, &reported.to_cbor(), 5)
        .await;
    assert!(kept.unwrap());
}

#[tokio::test]
async fn a_model_is_published_only_if_its_files_are_what_it_says() {
    let world = World::new().await;
    let missing = Digest::of(b"not here");
    let (status, problem) = world.post("/api/v1/models", manifest(1, &missing, 8)).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("blob_missing"))
    );
    assert_eq!(problem["missing"], json!([missing]));

    let (status, problem) = world.push(1, "liar").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["detail"], "variant int8: opset is 99");

    let (status, made) = world.push(1, "honest").await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(made["development"], true);
    let file = Digest::of(b"honest 1");
    let again = world.post("/api/v1/models", manifest(1, &file, 8)).await;
    assert_eq!(
        again.0,
        StatusCode::OK,
        "the same bytes are the same version"
    );
    let (status, problem) = world.post("/api/v1/models", manifest(1, &file, 9)).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("version_exists"))
    );
    let (status, problem) = world.post("/api/v1/models", manifest(2, &file, 9)).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("model_refused"))
    );

    let models = world.get("/api/v1/models").await;
    assert_eq!(models["items"][0]["latest"], 1);
    let bytes = world.get("/api/v1/models/cats/versions/1/manifest").await;
    assert_eq!(bytes["model"], "cats");
    let timestamp = world
        .cloud
        .releases
        .file("timestamp.json")
        .unwrap()
        .unwrap();
    assert!(!timestamp.is_empty());
}

#[tokio::test]
async fn a_publication_that_failed_half_way_is_made_up_for_by_the_next_try() {
    let world = World::new().await;
    world.push(1, "first").await;
    // The row is committed, and then the last file can't be put in place.
    let timestamp = world.folder.path().join("state/tuf/timestamp.json");
    std::fs::remove_file(&timestamp).unwrap();
    std::fs::create_dir(&timestamp).unwrap();
    let (status, problem) = world.push(2, "second").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{problem}");
    let row = world.cloud.store.version(&"cats".parse().unwrap(), 2).await;
    let row = row.expect("what failed came after the commit");
    let file = crate::releases::ReleaseFile {
        name: noroshi_model::Manifest::target_name(&"cats".parse().unwrap(), 2),
        sha256: row.digest().unwrap(),
        length: row.manifest.len() as u64,
    };
    std::fs::remove_dir(&timestamp).unwrap();
    assert!(!world.cloud.releases.holds(&file).unwrap());
    let (status, known) = world.push_again(2, "second").await;
    assert_eq!((status, &known["version"]), (StatusCode::OK, &json!(2)));
    assert!(world.cloud.releases.holds(&file).unwrap(), "it is released");
    let released = std::fs::read(&timestamp).unwrap();
    world.push_again(2, "second").await;
    assert_eq!(
        std::fs::read(&timestamp).unwrap(),
        released,
        "what is released is not signed again"
    );
}

#[tokio::test]
async fn an_applied_pipeline_is_issued_later_if_it_was_not_at_once() {
    let world = World::new().await;
    world.push(1, "model").await;
    let device = world.enrol(1).await;
    report(&world, &device, 0, None).await;
    let token = format!("Bearer {}", world.token);
    let headers = [("authorization", token.as_str())];
    let body = Some(application(&[&device]));
    // Whoever answers does not issue: it may be cut off at any point behind the commit.
    let applied = world.send(Method::PUT, "/api/v1/pipelines/front", body, &headers);
    assert_eq!(applied.await.status(), StatusCode::OK);
    assert!(world.cloud.document(&device).await.is_err());
    world.cloud.store.close().await;
    let cloud = Cloud::open(world.cloud.config.clone()).await.unwrap();
    cloud.issue_unissued().await.unwrap();
    let issued = cloud.store.desired(&device).await.unwrap().unwrap();
    let desired = Desired::from_cbor(&issued.payload).unwrap();
    assert_eq!(desired.pipelines[0].pipeline.as_str(), "front");
    assert!(cloud.store.unissued().await.unwrap().is_empty());
    cloud.issue_unissued().await.unwrap();
    assert_eq!(cloud.store.desired(&device).await.unwrap(), Some(issued));
}

#[tokio::test]
async fn a_pipeline_reaches_the_devices_that_can_run_it() {
    let world = World::new().await;
    world.push(1, "model").await;
    let (able, blind) = (world.enrol(1).await, world.enrol(2).await);
    report(&world, &able, 0, None).await;
    let mut weak = capabilities();
    weak.runtimes[0].max_opset = 12;
    let text = serde_json::to_string(&weak).unwrap();
    world
        .cloud
        .store
        .set_capabilities_for_test(&blind, &text)
        .await;

    let path = "/api/v1/pipelines/front";
    let body = application(&[&able, &blind]);
    let dry = world
        .call(
            Method::PUT,
            &format!("{path}?dry_run=true"),
            Some(body.clone()),
        )
        .await;
    assert_eq!(dry.1["assigned"][0]["device"], able.as_str());
    assert_eq!(
        world.call(Method::GET, path, None).await.0,
        StatusCode::NOT_FOUND
    );

    let (status, applied) = world.call(Method::PUT, path, Some(body.clone())).await;
    assert_eq!(status, StatusCode::OK, "{applied}");
    assert_eq!(
        applied["assigned"],
        json!([{"device": able, "variant": "int8"}])
    );
    let reason = applied["refused"][0]["reasons"][0].as_str().unwrap();
    assert!(reason.contains("operator set 20"), "{reason}");
    let first = world.desired(&able).await;
    assert_eq!(first.pipelines[0].source, "door");
    assert!(
        world.cloud.document(&blind).await.is_err(),
        "nothing was sent"
    );

    let (_, same) = world.call(Method::PUT, path, Some(body)).await;
    assert_eq!(
        same["revision"], 1,
        "applying the same again changes nothing"
    );
    assert_eq!(world.desired(&able).await, first);

    let wrong = json!({"source": "attic", "model": "cats", "devices": {"all": true}});
    let (_, refused) = world.call(Method::PUT, path, Some(wrong)).await;
    assert_eq!(refused["assigned"], json!([]));
    assert!(
        world.desired(&able).await.pipelines.is_empty(),
        "it does not run it any more"
    );
    assert!(world.desired(&able).await.sequence > first.sequence);
    let (status, _) = world.call(Method::DELETE, path, None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
}

async fn rolling(world: &World) -> (Vec<String>, String) {
    world.push(1, "model").await;
    let mut devices = Vec::new();
    for seed in 1..=2 {
        let device = world.enrol(seed).await;
        report(world, &device, 0, None).await;
        devices.push(device);
    }
    let names: Vec<_> = devices.iter().map(String::as_str).collect();
    let path = "/api/v1/pipelines/front";
    world
        .call(Method::PUT, path, Some(application(&names)))
        .await;
    world.push(2, "model").await;
    let body = json!({
        "model": "cats", "version": 2, "selection": {"all": true}, "waves": [50, 100],
        "max_failures_percent": 0
    });
    let (status, made) = world.post("/api/v1/rollouts", body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    (devices, made["id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_site_hears_of_a_plan_before_its_devices_do() {
    let world = World::new().await;
    let outbound = Arc::new(Outbound::default());
    world.cloud.connect(outbound.clone());
    rolling(&world).await;
    let published = outbound.published.lock().unwrap().clone();
    let plans = published
        .iter()
        .position(|topic| topic.ends_with("direct/gateway/state/desired"));
    let device = published
        .iter()
        .rposition(|topic| !topic.contains("/gateway/"));
    assert!(plans.unwrap() < device.unwrap(), "{published:?}");
    // Both devices have got their pipelines before; one of them got its plan.
    assert_eq!(published.len() - plans.unwrap(), 2, "{published:?}");
}

#[tokio::test]
async fn a_rollout_goes_wave_by_wave_to_the_end() {
    let world = World::new().await;
    let (devices, id) = rolling(&world).await;
    let path = format!("/api/v1/rollouts/{id}");
    let mut done = Vec::new();
    for _ in 0..2 {
        let mut opened = Vec::new();
        for device in &devices {
            if let Some(plan) = world.desired(device).await.plan {
                opened.push((device.clone(), plan));
            }
        }
        opened.retain(|(device, _)| !done.contains(device));
        assert_eq!(opened.len(), 1, "one device a wave");
        let (device, plan) = opened.remove(0);
        assert_eq!(plan.pipelines[0].model.version, 2);
        let site = world.cloud.direct_plans().await.unwrap().unwrap();
        assert!(
            site.plans
                .iter()
                .any(|one| one.id == plan.id && one.devices.len() == 1)
        );
        report(
            &world,
            &device,
            1,
            Some((plan.id.clone(), UpdatePhase::Downloading)),
        )
        .await;
        world.cloud.look_at_rollouts().await.unwrap();
        let shown = world.get(&path).await;
        assert_eq!(shown["counts"]["preparing"], 1, "{shown}");
        report(&world, &device, 2, Some((plan.id, UpdatePhase::Active))).await;
        done.push(device);
        // One look takes the report, the next opens the wave after the soak.
        world.cloud.look_at_rollouts().await.unwrap();
        world.cloud.look_at_rollouts().await.unwrap();
    }
    let shown = world.get(&path).await;
    assert_eq!(shown["state"], "succeeded", "{shown}");
    for device in &devices {
        let desired = world.desired(device).await;
        assert!(desired.plan.is_none());
        assert_eq!(desired.pipelines[0].model.version, 2);
    }
    assert_eq!(world.get("/api/v1/pipelines/front").await["version"], 2);
    let (status, problem) = world.post(&format!("{path}/revert"), json!({})).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("rollout_ended"))
    );
    let again = json!({"model": "cats", "version": 2, "selection": {"all": true}});
    let (status, problem) = world.post("/api/v1/rollouts", again).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("cannot_run"))
    );
}

#[tokio::test]
async fn a_failure_takes_every_device_back() {
    let world = World::new().await;
    let (devices, id) = rolling(&world).await;
    let path = format!("/api/v1/rollouts/{id}");
    let (status, problem) = world
        .call(
            Method::PUT,
            "/api/v1/pipelines/front",
            Some(application(&[&devices[0]])),
        )
        .await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("in_rollout"))
    );
    assert_eq!(
        world.post(&format!("{path}/pause"), json!({})).await.1["paused"],
        true
    );
    assert_eq!(
        world.post(&format!("{path}/resume"), json!({})).await.1["state"],
        "running"
    );

    let mut first = None;
    for device in &devices {
        if let Some(plan) = world.desired(device).await.plan {
            first = Some((device.clone(), plan.id));
        }
    }
    let (device, plan) = first.unwrap();
    let failed = UpdatePhase::Failed("the golden test does not agree".into());
    report(&world, &device, 1, Some((plan, failed))).await;
    world.cloud.look_at_rollouts().await.unwrap();
    world.cloud.look_at_rollouts().await.unwrap();
    let shown = world.get(&path).await;
    assert_eq!(shown["state"], "stopped", "{shown}");
    assert!(!shown["reason"].is_null());
    for device in &devices {
        let desired = world.desired(device).await;
        assert!(desired.plan.is_none());
        assert_eq!(desired.pipelines[0].model.version, 1);
    }
    let detail = world.get(&format!("/api/v1/devices/{device}")).await;
    assert_eq!(detail["update"]["phase"], "failed");
    assert!(world.get("/api/v1/pipelines/front").await["version"] == 1);
}

#[tokio::test]
async fn a_revoked_device_is_gone_and_a_command_is_kept_with_its_reply() {
    let world = World::new().await;
    let device = world.enrol(1).await;
    let path = format!("/api/v1/devices/{device}/commands");
    let (status, sent) = world.post(&path, json!({"kind": "diag"})).await;
    assert_eq!(
        (status, &sent["state"]),
        (StatusCode::ACCEPTED, &json!("sent"))
    );
    let reply = noroshi_protocol::Reply {
        id: sent["id"].as_str().unwrap().parse().unwrap(),
        outcome: noroshi_protocol::Outcome::Done,
        text: "all well".into(),
    };
    assert!(world.cloud.store.note_reply(&device, &reply).await.unwrap());
    assert!(!world.cloud.store.note_reply(&device, &reply).await.unwrap());
    let shown = world.get(&format!("{path}/{}", reply.id)).await;
    assert_eq!(
        (&shown["state"], &shown["text"]),
        (&json!("done"), &json!("all well"))
    );

    let path = format!("/api/v1/devices/{device}");
    assert_eq!(world.get(&path).await["status"], "never");
    assert_eq!(
        world.call(Method::DELETE, &path, None).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        world.call(Method::GET, &path, None).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn devices_are_unknown_while_their_gateway_is_away() {
    let world = World::new().await;
    world
        .post("/api/v1/sites", json!({"name": "Hall", "id": "hall"}))
        .await;
    for kind in ["gateway", "device"] {
        let body = json!({"site": "hall", "kind": kind});
        let (_, made) = world.post("/api/v1/enrolment-tokens", body).await;
        let token: EnrolToken = made["token"].as_str().unwrap().parse().unwrap();
        let key = SigningKey::from_seed(&[kind.len() as u8; 32]).unwrap();
        let request = EnrolRequest::sign(
            token.id.clone(),
            &token.key().unwrap(),
            key.public().clone(),
            [1; 32],
            "x".into(),
            None,
        );
        world.cloud.enrol(&request.to_cbor()).await.unwrap();
    }
    let status = |presence, connection| noroshi_protocol::Status {
        status: presence,
        start: 1,
        connection,
        boot: BootId::from_bytes([1; 16]),
        since_ms: 1,
        version: "0.1.0".into(),
    };
    let device = world.get("/api/v1/devices").await["items"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let store = &world.cloud.store;
    store
        .note_status("hall/gateway", &status(Presence::Online, 2), 10)
        .await
        .unwrap();
    store
        .note_status(&device, &status(Presence::Online, 1), 11)
        .await
        .unwrap();
    let shown = || async { world.get(&format!("/api/v1/devices/{device}")).await };
    assert_eq!(shown().await["status"], "online");
    assert!(
        !store
            .note_status("hall/gateway", &status(Presence::Lost, 1), 12)
            .await
            .unwrap(),
        "older"
    );
    assert!(
        store
            .note_status("hall/gateway", &status(Presence::Lost, 2), 13)
            .await
            .unwrap()
    );
    let away = shown().await;
    assert_eq!(
        (&away["status"], &away["status_since_ms"]),
        (&json!("unknown"), &json!(13))
    );
    assert!(away["unknown_because"].as_str().unwrap().contains("hall"));
    let filtered = world.get("/api/v1/devices?status=unknown").await;
    assert_eq!(filtered["items"].as_array().unwrap().len(), 1);
    let site = world.get("/api/v1/sites/hall").await;
    assert_eq!(site["gateway"]["status"], "lost");
    let path = "/api/v1/sites/hall/gateway";
    assert_eq!(
        world.call(Method::DELETE, path, None).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        world.call(Method::DELETE, path, None).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn the_checked_in_document_is_the_one_that_the_routes_make() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let checked_in = std::fs::read_to_string(path).unwrap();
    assert!(
        checked_in == crate::openapi(),
        "cloud/openapi.json is old: run `noroshi-cloud openapi > cloud/openapi.json`"
    );
}
