//! The organisation's TUF repository: which models were really released.
//!
//! Top-level targets sign only `trust/online.json` and delegate `models/*` to the release key.
//! The repository is written anew from the store at every publication, at the start, and each
//! time its timestamp has grown old. Versions are the time in seconds, or one more than the last
//! if that is greater, so that a restored cloud is not taken for a rollback. `timestamp.json` is
//! put in place last: until then every reader sees the release before.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Duration;

use noroshi_model::Digest;
use noroshi_protocol::{OnlineKeys, Use};
use noroshi_service::files;
use tokio::sync::Mutex;
use tough::editor::RepositoryEditor;
use tough::editor::signed::{SignedRepository, SignedRole};
use tough::key_source::{KeySource, LocalKeySource};
use tough::schema::{Hashes, KeyHolder, PathPattern, PathSet, RoleKeys, RoleType, Root, Target};
use tough::sign::Sign;

use crate::error::{Error, Result};
use crate::keys::{KeyRole, Keys};

/// The field of the signed root that says that it is a development root.
pub const DEVELOPMENT_FIELD: &str = "x-noroshi-development";
/// How long a development root is good for.
pub(crate) const DEVELOPMENT_LIFETIME: Duration = Duration::from_hours(30 * 24);
/// How long devices and sites may be without news of releases.
const METADATA_LIFETIME: Duration = Duration::from_hours(14 * 24);
const DELEGATION: &str = "models";
const MOST_BYTES: u64 = noroshi_protocol::limits::METADATA as u64;
/// Older metadata stays for readers that are in the middle of it.
const KEPT: usize = 16;
const ONE: NonZeroU64 = NonZeroU64::MIN;

/// A released file: its TUF name and the bytes that count.
#[derive(Debug, Clone)]
pub struct ReleaseFile {
    /// The target's name.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// Their number.
    pub length: u64,
}

/// The repository. Publications are one after the other.
#[derive(Debug)]
pub struct Releases {
    folder: PathBuf,
    keys: Keys,
    publication: Mutex<()>,
}

impl Releases {
    /// The repository in `folder`, signed with `keys`.
    pub fn new(folder: PathBuf, keys: Keys) -> Self {
        Self {
            folder,
            keys,
            publication: Mutex::new(()),
        }
    }

    /// Makes and signs a development root; done once, by init. Answers its bytes.
    pub async fn create_development_root(&self, now_ms: u64) -> Result<Vec<u8>> {
        files::create_private_folder(&self.folder)?;
        let root = self.development_root(now_ms).await?;
        let holder = KeyHolder::Root(root.clone());
        let random = aws_lc_rs::rand::SystemRandom::new();
        let keys = [self.source(KeyRole::Root)];
        let signed = SignedRole::new(root, &holder, &keys, &random).await?;
        files::write_atomic(&self.root_path(), signed.buffer())?;
        Ok(signed.buffer().clone())
    }

    async fn development_root(&self, now_ms: u64) -> Result<Root> {
        let mut keys = HashMap::new();
        let mut roles = HashMap::new();
        for (role, key) in [
            (RoleType::Root, KeyRole::Root),
            (RoleType::Targets, KeyRole::Targets),
            (RoleType::Snapshot, KeyRole::Snapshot),
            (RoleType::Timestamp, KeyRole::Timestamp),
        ] {
            let key = sign_of(self.source(key).as_ref()).await?.tuf_key();
            let id = key
                .key_id()
                .map_err(|error| Error::Internal(error.to_string()))?;
            keys.insert(id.clone(), key);
            let role_keys = RoleKeys {
                keyids: vec![id],
                threshold: ONE,
                _extra: HashMap::new(),
            };
            roles.insert(role, role_keys);
        }
        Ok(Root {
            spec_version: "1.0.0".into(),
            consistent_snapshot: true,
            version: ONE,
            expires: parse_time(&time_after(now_ms, DEVELOPMENT_LIFETIME))?,
            keys,
            roles,
            _extra: HashMap::from([(DEVELOPMENT_FIELD.to_owned(), true.into())]),
        })
    }

    fn root_path(&self) -> PathBuf {
        self.folder.join("1.root.json")
    }

    fn source(&self, role: KeyRole) -> Box<dyn KeySource> {
        Box::new(LocalKeySource {
            path: self.keys.path(role),
        })
    }

    /// The document `trust/online.json`: which keys sign while the cloud runs.
    pub fn online_keys(&self) -> Result<Vec<u8>> {
        let key = self.keys.signing(KeyRole::Online)?;
        let uses = vec![Use::Desired, Use::Command, Use::Dashboard];
        let document = OnlineKeys {
            format: 1,
            keys: vec![OnlineKeys::entry(key.public(), uses)],
        };
        serde_json::to_vec(&document).map_err(|error| Error::Internal(error.to_string()))
    }

    /// Signs a repository of exactly `online` and `models`, and puts it in place once `before`
    /// has succeeded, so that what the store says and what is released agree.
    pub async fn publish<F, Fut>(
        &self,
        models: &[ReleaseFile],
        now_ms: u64,
        before: F,
    ) -> Result<()>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<()>>,
    {
        let _one_at_a_time = self.publication.lock().await;
        let next = self.folder.join("next");
        remove_folder(&next)?;
        let signed = self.sign(models, now_ms).await?;
        signed.write(&next).await?;
        before().await?;
        self.install(&next)?;
        remove_folder(&next)
    }

    async fn sign(&self, models: &[ReleaseFile], now_ms: u64) -> Result<SignedRepository> {
        let version = self.next_version(now_ms);
        // Nothing outlives the root that vouches for it.
        let expires = self
            .root_expiry()?
            .min(now_ms + METADATA_LIFETIME.as_millis() as u64);
        let expires = time_after(expires, Duration::ZERO);
        let online = self.online_keys()?;
        let mut editor = RepositoryEditor::new(self.root_path()).await?;
        editor
            .targets_version(version)?
            .targets_expires(parse_time(&expires)?)?
            .add_target(
                OnlineKeys::TARGET,
                target(Digest::of(&online), online.len() as u64),
            )?;
        let paths = PathSet::Paths(vec![pattern("models/*")?]);
        let release = [self.source(KeyRole::Release)];
        editor
            .delegate_role(
                DELEGATION,
                &release,
                paths,
                true,
                ONE,
                parse_time(&expires)?,
                version,
            )
            .await?;
        editor
            .sign_targets_editor(&[self.source(KeyRole::Targets)])
            .await?;
        editor.change_delegated_targets(DELEGATION)?;
        editor
            .targets_version(version)?
            .targets_expires(parse_time(&expires)?)?;
        for file in models {
            // Clients refuse others; better not to sign them in the first place.
            if !file.name.starts_with("models/") {
                let text = format!("{} is not the release key's to sign", file.name);
                return Err(Error::Internal(text));
            }
            editor.add_target(file.name.as_str(), target(file.sha256, file.length))?;
        }
        editor.sign_targets_editor(&release).await?;
        editor
            .snapshot_version(version)
            .snapshot_expires(parse_time(&expires)?)
            .timestamp_version(version)
            .timestamp_expires(parse_time(&expires)?);
        let online_roles = [
            self.source(KeyRole::Snapshot),
            self.source(KeyRole::Timestamp),
        ];
        Ok(editor.sign(&online_roles).await?)
    }

    /// When the root expires, Unix milliseconds.
    pub fn root_expiry(&self) -> Result<u64> {
        let text = self.field("1.root.json", "expires")?;
        let text = text.as_str().unwrap_or_default().to_owned();
        chrono::DateTime::parse_from_rfc3339(&text)
            .map(|time| u64::try_from(time.timestamp_millis()).unwrap_or(0))
            .map_err(|error| Error::Setup(format!("the root's expiry can't be read: {error}")))
    }

    fn next_version(&self, now_ms: u64) -> NonZeroU64 {
        let last = self
            .field("timestamp.json", "version")
            .ok()
            .and_then(|last| last.as_u64());
        let next = last.unwrap_or(0).saturating_add(1).max(now_ms / 1000);
        NonZeroU64::new(next).unwrap_or(ONE)
    }

    fn field(&self, file: &str, field: &str) -> Result<serde_json::Value> {
        let bytes = files::read_bounded(&self.folder.join(file), MOST_BYTES)?;
        let document: serde_json::Value = serde_json::from_slice(&bytes)
            .map_err(|error| Error::corrupt("metadata file", error))?;
        Ok(document["signed"][field].clone())
    }

    /// Whether a file is released: named by the metadata that readers see now.
    pub fn holds(&self, file: &ReleaseFile) -> Result<bool> {
        let seen = |name: &str, field: &str| match self.field(name, field) {
            Err(Error::File(error)) if error.is_not_found() => Ok(serde_json::Value::Null),
            seen => seen,
        };
        // Every role of one publication has the same version.
        let Some(version) = seen("timestamp.json", "version")?.as_u64() else {
            return Ok(false);
        };
        let targets = seen(&format!("{version}.{DELEGATION}.json"), "targets")?;
        let released = targets[&file.name]["hashes"]["sha256"].as_str();
        Ok(released == Some(file.sha256.to_string().as_str()))
    }

    fn install(&self, next: &Path) -> Result<()> {
        let mut names = file_names(next)?;
        // The file that makes all the others visible comes last.
        names.sort_by_key(|name| name == "timestamp.json");
        for name in &names {
            let bytes = files::read_bounded(&next.join(name), MOST_BYTES)?;
            files::write_atomic(&self.folder.join(name), &bytes)?;
        }
        self.prune()
    }

    fn prune(&self) -> Result<()> {
        let mut generations: HashMap<String, Vec<(u64, String)>> = HashMap::new();
        for name in file_names(&self.folder)? {
            let Some((number, rest)) = name.split_once('.') else {
                continue;
            };
            if let Ok(number) = number.parse()
                && rest != "root.json"
            {
                generations
                    .entry(rest.to_owned())
                    .or_default()
                    .push((number, name));
            }
        }
        for mut files in generations.into_values() {
            files.sort_unstable();
            let surplus = files.len().saturating_sub(KEPT);
            for (_, name) in &files[..surplus] {
                // A file that stays is no harm; the next publication tries again.
                let _ = std::fs::remove_file(self.folder.join(name));
            }
        }
        Ok(())
    }

    /// A metadata file by its name; none if there is no such file.
    pub fn file(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let safe = name.len() <= 128
            && name.ends_with(".json")
            && !name.starts_with('.')
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !safe {
            return Ok(None);
        }
        match files::read_bounded(&self.folder.join(name), MOST_BYTES) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

async fn sign_of(source: &dyn KeySource) -> Result<Box<dyn Sign>> {
    source
        .as_sign()
        .await
        .map_err(|error| Error::Setup(format!("a release key: {error}")))
}

fn target(sha256: Digest, length: u64) -> Target {
    Target {
        length,
        hashes: Hashes {
            sha256: sha256.as_bytes().to_vec().into(),
            _extra: HashMap::new(),
        },
        custom: HashMap::new(),
        _extra: HashMap::new(),
    }
}

fn pattern(text: &str) -> Result<PathPattern> {
    PathPattern::new(text).map_err(|error| Error::Internal(error.to_string()))
}

/// The time `after` a time in Unix milliseconds, to the second, as metadata has it.
fn time_after(unix_ms: u64, after: Duration) -> String {
    let seconds = i64::try_from(unix_ms / 1000 + after.as_secs()).unwrap_or(i64::MAX);
    chrono::DateTime::from_timestamp(seconds, 0)
        .unwrap_or_default()
        .to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn parse_time<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse()
        .map_err(|_| Error::Internal(format!("{text:?} is not a time")))
}

fn file_names(folder: &Path) -> Result<Vec<String>> {
    let unreadable = |error| Error::Setup(format!("{}: {error}", folder.display()));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.path().is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Setup(format!("{}: {error}", folder.display())))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
