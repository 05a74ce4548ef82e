use std::sync::Arc;

use noroshi_service::clock::{ClockOptions, SessionClock};
use noroshi_service::tuf::{TufClient, TufError};

use super::*;

struct World {
    folder: tempfile::TempDir,
    releases: Arc<Releases>,
    root: Vec<u8>,
    clock: SessionClock,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::under(folder.path());
        keys.create().unwrap();
        let options = ClockOptions {
            floor_ms: 0,
            trust_system_clock: true,
        };
        let clock = SessionClock::system(options);
        let releases = Arc::new(Releases::new(folder.path().join("tuf"), keys));
        let root = releases
            .create_development_root(clock.trusted_ms())
            .await
            .unwrap();
        Self {
            folder,
            releases,
            root,
            clock,
        }
    }

    fn client(&self) -> TufClient {
        TufClient::new(self.folder.path().join("client"), self.root.clone())
    }

    async fn refresh(
        &self,
        client: &TufClient,
    ) -> std::result::Result<noroshi_service::tuf::VerifiedTargets, TufError> {
        let releases = self.releases.clone();
        client
            .refresh(&self.clock, move |name| {
                let bytes = releases.file(&name).map_err(|error| error.to_string());
                async move { bytes }
            })
            .await
    }

    async fn publish(&self, names: &[&str]) -> Result<()> {
        let files: Vec<_> = names
            .iter()
            .map(|name| ReleaseFile {
                name: (*name).to_owned(),
                sha256: Digest::of(name.as_bytes()),
                length: name.len() as u64,
            })
            .collect();
        self.releases
            .publish(&files, self.clock.trusted_ms(), || async { Ok(()) })
            .await
    }
}

#[tokio::test]
async fn devices_see_exactly_what_was_released() {
    let world = World::new().await;
    let client = world.client();
    world.publish(&[]).await.unwrap();
    let first = world.refresh(&client).await.unwrap();
    assert_eq!(
        first.root_extra(DEVELOPMENT_FIELD),
        Some(&serde_json::json!(true))
    );
    assert_eq!(first.all().count(), 1, "only the online keys");
    let online = first.find(OnlineKeys::TARGET).unwrap();
    let bytes = world.releases.online_keys().unwrap();
    assert_eq!(online.sha256, *Digest::of(&bytes).as_bytes());

    world.publish(&["models/a/1.json"]).await.unwrap();
    world
        .publish(&["models/a/1.json", "models/b/2.json"])
        .await
        .unwrap();
    let second = world.refresh(&client).await.unwrap();
    let released = second.find("models/b/2.json").unwrap();
    assert_eq!(released.sha256, *Digest::of(b"models/b/2.json").as_bytes());
    assert!(second.find("models/a/1.json").is_some());
    assert!(second.find("models/a/2.json").is_none());
    assert!(second.versions()[1] > first.versions()[1]);
    assert!(
        second
            .issued_ms()
            .is_some_and(|issued| issued >= first.issued_ms().unwrap())
    );
    assert!(
        client.load(&world.clock).await.is_ok(),
        "the mirror alone is enough"
    );
}

#[tokio::test]
async fn a_failed_publication_changes_nothing() {
    let world = World::new().await;
    world.publish(&["models/a/1.json"]).await.unwrap();
    let before = world.releases.file("timestamp.json").unwrap();
    let refused = world
        .releases
        .publish(&[], world.clock.trusted_ms(), || async {
            Err(Error::Internal("the store is full".into()))
        })
        .await;
    assert!(refused.is_err());
    assert_eq!(world.releases.file("timestamp.json").unwrap(), before);
    world.publish(&["models/a/1.json"]).await.unwrap();
}

#[tokio::test]
async fn the_release_key_can_sign_models_only() {
    let world = World::new().await;
    assert!(world.publish(&["trust/online.json"]).await.is_err());
    assert!(world.publish(&["other/a.json"]).await.is_err());
}

#[tokio::test]
async fn an_older_release_is_refused_by_whoever_saw_a_newer_one() {
    let world = World::new().await;
    let client = world.client();
    world.publish(&["models/a/1.json"]).await.unwrap();
    let folder = world.folder.path().join("tuf");
    let old = std::fs::read(folder.join("timestamp.json")).unwrap();
    world
        .publish(&["models/a/1.json", "models/a/2.json"])
        .await
        .unwrap();
    world.refresh(&client).await.unwrap();
    std::fs::write(folder.join("timestamp.json"), old).unwrap();
    assert!(matches!(
        world.refresh(&client).await,
        Err(TufError::Rollback(_))
    ));
}

#[tokio::test]
async fn old_metadata_is_cleared_away_and_odd_names_are_nothing() {
    let world = World::new().await;
    for _ in 0..KEPT + 4 {
        world.publish(&["models/a/1.json"]).await.unwrap();
    }
    let names = file_names(&world.folder.path().join("tuf")).unwrap();
    let snapshots = names
        .iter()
        .filter(|name| name.ends_with(".snapshot.json"))
        .count();
    assert_eq!(snapshots, KEPT);
    assert!(names.contains(&"1.root.json".to_owned()));
    for odd in [
        "../keys/root.pk8",
        "1.root.json/",
        ".hidden.json",
        "",
        "a%2fb.json",
    ] {
        assert_eq!(world.releases.file(odd).unwrap(), None, "{odd}");
    }
}
