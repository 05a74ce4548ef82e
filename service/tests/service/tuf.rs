//! The TUF client against a repository that a test rewrites.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use noroshi_service::clock::{ClockOptions, SessionClock};
use noroshi_service::files::sha256;
use noroshi_service::tls::install_provider;
use noroshi_service::tuf::{TufClient, TufError, VerifiedTargets};

use crate::org::clock_at;
use crate::tuf_repository::{Files, Release, Repository, TufKey};

const MANIFEST: &[u8] = br#"{"model":"cat"}"#;
const ONLINE: &[u8] = br#"{"format":1,"keys":[]}"#;

fn now_s() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs() as i64
}

fn release(version: u64) -> Release {
    Release {
        version,
        expires_s: now_s() + 86_400,
        targets: vec![
            ("models/cat/1.json", MANIFEST),
            ("trust/online.json", ONLINE),
        ],
    }
}

struct World {
    repository: Repository,
    client: TufClient,
    served: Arc<Mutex<Files>>,
    asked: Arc<Mutex<Vec<String>>>,
    clock: SessionClock,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        install_provider();
        let repository = Repository::new();
        let root = repository.root(1, &[&repository.root], now_s() + 86_400);
        let folder = tempfile::tempdir().unwrap();
        let options = ClockOptions {
            floor_ms: 0,
            trust_system_clock: true,
        };
        Self {
            client: TufClient::new(folder.path().join("tuf"), root),
            repository,
            served: Arc::default(),
            asked: Arc::default(),
            clock: SessionClock::system(options),
            folder,
        }
    }

    fn serve(&self, files: Files) {
        self.served.lock().unwrap().extend(files);
    }

    async fn refresh(&self) -> Result<VerifiedTargets, TufError> {
        self.refresh_at(&self.clock).await
    }

    async fn refresh_at(&self, clock: &SessionClock) -> Result<VerifiedTargets, TufError> {
        let (served, asked) = (self.served.clone(), self.asked.clone());
        let fetch = move |name: String| {
            asked.lock().unwrap().push(name.clone());
            let found = served.lock().unwrap().get(&name).cloned();
            async move { Ok(found) }
        };
        self.client.refresh(clock, fetch).await
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

#[tokio::test]
async fn a_released_name_becomes_a_digest_and_nothing_else_does() {
    let world = World::new();
    let version = now_s() as u64 - 100;
    world.serve(world.repository.release(&release(version)));
    let verified = world.refresh().await.unwrap();
    let manifest = verified.find("models/cat/1.json").unwrap();
    assert_eq!(
        (manifest.length, manifest.sha256),
        (MANIFEST.len() as u64, sha256(MANIFEST))
    );
    assert_eq!(
        verified.find("trust/online.json").unwrap().sha256,
        sha256(ONLINE)
    );
    assert_eq!(verified.find("models/cat/2.json"), None);
    assert_eq!(verified.find("../etc/passwd"), None);
    assert_eq!(verified.all().count(), 2);
    assert_eq!(verified.issued_ms(), Some(version * 1_000));
    assert_eq!(verified.root_extra("x-development"), Some(&true.into()));
    assert!(verified.expires_ms() > now_s() as u64 * 1_000);
}

#[tokio::test]
async fn what_was_verified_is_kept_and_only_what_is_new_is_fetched() {
    let world = World::new();
    world.serve(world.repository.release(&release(5)));
    world.refresh().await.unwrap();
    let expected = [
        "2.root.json",
        "timestamp.json",
        "5.snapshot.json",
        "5.targets.json",
        "5.models.json",
    ];
    assert_eq!(world.asked(), expected);
    world.refresh().await.unwrap();
    assert_eq!(world.asked(), ["2.root.json", "timestamp.json"]);

    world.served.lock().unwrap().clear();
    assert!(
        world
            .client
            .load(&world.clock)
            .await
            .unwrap()
            .find("models/cat/1.json")
            .is_some()
    );
    assert!(world.client.file("timestamp.json").unwrap().is_some());
    assert!(world.client.file("1.root.json").unwrap().is_some());
    assert!(world.client.file("../../etc/passwd").unwrap().is_none());
    assert!(world.client.file("6.snapshot.json").unwrap().is_none());
}

#[tokio::test]
async fn an_older_repository_is_a_rollback_even_after_a_restart() {
    let world = World::new();
    let old = world.repository.release(&release(5));
    world.serve(world.repository.release(&release(6)));
    world.refresh().await.unwrap();
    world.served.lock().unwrap().clear();
    world.serve(old);
    let error = world.refresh().await.unwrap_err();
    assert!(matches!(error, TufError::Rollback(_)), "{error}");
    let still = world.client.load(&world.clock).await.unwrap();
    assert_eq!(still.versions(), [1, 6, 6, 6]);
}

#[tokio::test]
async fn an_older_repository_is_a_rollback_after_new_keys_as_well() {
    let mut world = World::new();
    world.serve(world.repository.release(&release(5)));
    let old_online = std::mem::replace(&mut world.repository.online, TufKey::new());
    let root = world
        .repository
        .root(2, &[&world.repository.root], now_s() + 86_400);
    world.serve([("2.root.json".to_owned(), root)].into());
    world.serve(world.repository.release(&release(7)));
    assert_eq!(world.refresh().await.unwrap().versions(), [2, 7, 7, 7]);
    world.serve(world.repository.release(&release(6)));
    assert!(matches!(world.refresh().await, Err(TufError::Rollback(_))));
    // The old online key signs for nothing any more.
    world.repository.online = old_online;
    world.serve(world.repository.release(&release(8)));
    assert!(matches!(world.refresh().await, Err(TufError::Signature(_))));
}

#[tokio::test]
async fn a_root_or_a_release_with_foreign_signatures_is_refused() {
    let world = World::new();
    let stranger = Repository::new();
    world.serve(stranger.release(&release(5)));
    let error = world.refresh().await.unwrap_err();
    assert!(matches!(error, TufError::Signature(_)), "{error}");
    world.serve(world.repository.release(&release(5)));
    let rogue = world
        .repository
        .root(2, &[&stranger.root], now_s() + 86_400);
    world.serve([("2.root.json".to_owned(), rogue)].into());
    assert!(matches!(world.refresh().await, Err(TufError::Signature(_))));
}

#[tokio::test]
async fn expired_metadata_is_refused_by_either_clock() {
    let world = World::new();
    let expired = Release {
        expires_s: now_s() - 10,
        ..release(5)
    };
    world.serve(world.repository.release(&expired));
    let error = world.refresh().await.unwrap_err();
    assert!(matches!(error, TufError::Expired { .. }), "{error}");
    world.serve(world.repository.release(&release(6)));
    world.refresh().await.unwrap();
    let year_2040 = clock_at(2_208_988_800_000);
    let error = world.refresh_at(&year_2040).await.unwrap_err();
    assert!(matches!(error, TufError::Expired { .. }), "{error}");
    assert!(
        world.refresh().await.is_ok(),
        "a start in 2040 locks nobody out"
    );
}

#[tokio::test]
async fn tampered_oversize_and_missing_files_change_nothing() {
    let world = World::new();
    world.serve(world.repository.release(&release(5)));
    world.refresh().await.unwrap();
    let mut next = world.repository.release(&release(6));
    let tampered = String::from_utf8(next["6.models.json"].clone())
        .unwrap()
        .replace("cat", "dog");
    next.insert("6.models.json".to_owned(), tampered.into_bytes());
    world.serve(next);
    assert!(matches!(world.refresh().await, Err(TufError::Signature(_))));
    world.serve([("6.models.json".to_owned(), vec![b' '; 5 << 20])].into());
    assert!(matches!(world.refresh().await, Err(TufError::Malformed(_))));
    world.served.lock().unwrap().remove("6.snapshot.json");
    assert!(matches!(world.refresh().await, Err(TufError::Malformed(_))));
    world.serve([("timestamp.json".to_owned(), b"{".to_vec())].into());
    assert!(matches!(world.refresh().await, Err(TufError::Malformed(_))));
    assert_eq!(
        world.client.load(&world.clock).await.unwrap().versions(),
        [1, 5, 5, 5]
    );
}

#[tokio::test]
async fn a_source_that_cannot_be_reached_is_not_a_malformed_one() {
    let world = World::new();
    let offline = |_| async { Err("no route".to_owned()) };
    let error = world
        .client
        .refresh(&world.clock, offline)
        .await
        .unwrap_err();
    assert!(matches!(error, TufError::Unreachable(reason) if reason == "no route"));
}

#[tokio::test]
async fn another_pinned_root_starts_over() {
    let world = World::new();
    world.serve(world.repository.release(&release(9)));
    world.refresh().await.unwrap();
    let other = Repository::new();
    let root = other.root(1, &[&other.root], now_s() + 86_400);
    let client = TufClient::new(world.folder.path().join("tuf"), root);
    assert!(client.load(&world.clock).await.is_err());
    let files = Arc::new(other.release(&release(5)));
    let fetch = move |name: String| {
        let found = files.get(&name).cloned();
        async move { Ok(found) }
    };
    assert_eq!(
        client
            .refresh(&world.clock, fetch)
            .await
            .unwrap()
            .versions(),
        [1, 5, 5, 5]
    );
}
