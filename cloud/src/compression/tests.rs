use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use super::*;
use crate::config::Config;

/// A cloud whose worker is a script.
async fn cloud(folder: &Path, script: &str, seconds: u64) -> Arc<Cloud> {
    let program = folder.join("noroshi");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let text = format!(
        "state_dir = {:?}\ninspector = {program:?}\ncompress_seconds = {seconds}\n\
         trust_system_clock = true\n",
        folder.join("state")
    );
    let config: Config =
        noroshi_service::config::parse(Path::new("cloud.toml"), text.as_bytes()).unwrap();
    if !folder.join("state").exists() {
        let request = crate::Request {
            org: None,
            name: "Test".into(),
            admin: "ann".into(),
            password: Some("correct horse battery".into()),
        };
        crate::init(&config, request).await.unwrap();
    }
    Cloud::open(config).await.unwrap()
}

async fn ordered(cloud: &Cloud) -> CompressionRow {
    let digest = cloud.artifacts.put(b"a file".to_vec()).await.unwrap();
    cloud.store.note_blob(&digest, 6, 1).await.unwrap();
    let order = Order {
        source: digest,
        photos: vec![digest],
        labels: vec!["cat".into()],
        preset: Preset::Imagenet,
        max_loss: 2.0,
    };
    let model = "cats".parse().unwrap();
    cloud
        .order_compression(&model, &order, "ann")
        .await
        .unwrap()
}

async fn worked(cloud: &Cloud) -> CompressionRow {
    let order = ordered(cloud).await;
    assert!(
        cloud
            .compress_next(&CancellationToken::new())
            .await
            .unwrap()
    );
    let row = cloud.store.compression(&order.id).await.unwrap();
    let left = std::fs::read_dir(cloud.config.state_dir.join("compress")).unwrap();
    assert_eq!(left.count(), 0, "the folder is gone");
    row
}

#[tokio::test]
async fn what_the_worker_says_is_the_reason_and_one_that_dies_or_hangs_is_named() {
    let world = tempfile::tempdir().unwrap();
    let told = cloud(world.path(), "echo '{\"error\":\"too lossy\"}'; exit 1", 20).await;
    let row = worked(&told).await;
    assert_eq!((row.state.as_str(), row.attempts), ("failed", 1));
    assert_eq!(row.reason.as_deref(), Some("too lossy"));

    let died = cloud(world.path(), "kill -9 $$", 20).await;
    let reason = worked(&died).await.reason.unwrap();
    assert!(reason.contains("compress_memory_bytes"), "{reason}");

    let hung = cloud(world.path(), "exec tail -f /dev/null", 1).await;
    let reason = worked(&hung).await.reason.unwrap();
    assert!(reason.contains("longer than 1 s"), "{reason}");

    let empty = cloud(world.path(), "exit 0", 20).await;
    let reason = worked(&empty).await.reason.unwrap();
    assert!(reason.contains("left no manifest.json"), "{reason}");

    let garbage = "echo '{\"format\": 1}' > \"$4/out/manifest.json\"";
    let garbage = cloud(world.path(), garbage, 20).await;
    let reason = worked(&garbage).await.reason.unwrap();
    assert!(reason.contains("no version"), "{reason}");
    let page = crate::store::PageRequest::new(None, None).unwrap();
    let all = garbage
        .store
        .compressions(Some("cats"), &page)
        .await
        .unwrap();
    assert_eq!(all.items.len(), 5);
}

#[tokio::test]
async fn a_stop_puts_the_order_back_and_a_crash_is_seen_at_the_next_start() {
    let world = tempfile::tempdir().unwrap();
    let first = cloud(world.path(), "exec tail -f /dev/null", 60).await;
    let order = ordered(&first).await;
    let stop = CancellationToken::new();
    stop.cancel();
    assert!(first.compress_next(&stop).await.unwrap());
    let row = first.store.compression(&order.id).await.unwrap();
    assert_eq!((row.state.as_str(), row.attempts), ("queued", 0));

    // A crash: the row says running, and nobody works.
    for (attempt, expected, state) in [(1, (1, 0), "queued"), (2, (0, 1), "failed")] {
        let row = first.store.begin_compression(1).await.unwrap().unwrap();
        assert_eq!(
            (row.id.as_str(), row.attempts),
            (order.id.as_str(), attempt)
        );
        let next = cloud(world.path(), "exit 1", 60).await;
        let found = next
            .store
            .recover_compressions(MOST_ATTEMPTS, "twice", 2)
            .await;
        assert_eq!(found.unwrap(), expected);
        let row = next.store.compression(&order.id).await.unwrap();
        assert_eq!(row.state, state);
    }
    let row = first.store.compression(&order.id).await.unwrap();
    assert_eq!(row.reason.as_deref(), Some("twice"));
    assert!(first.store.begin_compression(3).await.unwrap().is_none());
}

#[tokio::test]
async fn orders_without_files_or_sense_are_refused() {
    let world = tempfile::tempdir().unwrap();
    let cloud = cloud(world.path(), "exit 1", 20).await;
    let order = Order {
        source: Digest::of(b"not here"),
        photos: vec![Digest::of(b"not here")],
        labels: vec!["cat".into()],
        preset: Preset::Imagenet,
        max_loss: 2.0,
    };
    let model = "cats".parse().unwrap();
    let error = cloud
        .order_compression(&model, &order, "ann")
        .await
        .unwrap_err();
    assert!(matches!(error, Error::BlobsMissing { .. }), "{error}");
    for change in [
        |order: &mut Order| order.photos.clear(),
        |order: &mut Order| order.labels.clear(),
        |order: &mut Order| order.max_loss = f64::NAN,
    ] {
        let mut order = order.clone();
        change(&mut order);
        let error = cloud
            .order_compression(&model, &order, "ann")
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
    }
}
