//! A small TUF repository with a delegation for models, signed by hand.

use std::collections::HashMap;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use chrono::{DateTime, SecondsFormat, Utc};
use data_encoding::HEXLOWER;
use noroshi_service::files::sha256;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tough::schema::key::Key;
use tough::schema::{Role, Root, Snapshot, Targets, Timestamp};

pub(crate) type Files = HashMap<String, Vec<u8>>;

pub(crate) struct TufKey(Ed25519KeyPair);

impl TufKey {
    pub(crate) fn new() -> Self {
        Self(Ed25519KeyPair::generate().unwrap())
    }

    fn json(&self) -> Value {
        let public = HEXLOWER.encode(self.0.public_key().as_ref());
        json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public}})
    }

    fn id(&self) -> String {
        let key: Key = serde_json::from_value(self.json()).unwrap();
        HEXLOWER.encode(&key.key_id().unwrap().into_vec())
    }
}

/// What a repository says at one moment.
pub(crate) struct Release {
    /// Of timestamp, snapshot, targets and models alike.
    pub(crate) version: u64,
    /// When all of them expire, Unix seconds.
    pub(crate) expires_s: i64,
    pub(crate) targets: Vec<(&'static str, &'static [u8])>,
}

pub(crate) struct Repository {
    pub(crate) root: TufKey,
    pub(crate) online: TufKey,
    models: TufKey,
}

impl Repository {
    pub(crate) fn new() -> Self {
        Self {
            root: TufKey::new(),
            online: TufKey::new(),
            models: TufKey::new(),
        }
    }

    /// A root that names `online` for everything but itself.
    pub(crate) fn root(&self, version: u64, signers: &[&TufKey], expires_s: i64) -> Vec<u8> {
        let mut keys = serde_json::Map::new();
        for key in [&self.root, &self.online] {
            keys.insert(key.id(), key.json());
        }
        let role = |key: &TufKey| json!({"keyids": [key.id()], "threshold": 1});
        let root = json!({
            "_type": "root", "spec_version": "1.0.0", "consistent_snapshot": true,
            "version": version, "expires": moment(expires_s), "keys": keys,
            "x-development": true,
            "roles": {
                "root": role(&self.root), "timestamp": role(&self.online),
                "snapshot": role(&self.online), "targets": role(&self.online),
            },
        });
        signed::<Root>(root, signers)
    }

    pub(crate) fn release(&self, release: &Release) -> Files {
        let (version, expires) = (release.version, moment(release.expires_s));
        let common = |kind: &str| json!({"_type": kind, "spec_version": "1.0.0", "version": version, "expires": expires});
        let mut files = Files::new();
        let (models, others): (Vec<_>, Vec<_>) = release
            .targets
            .iter()
            .partition(|(name, _)| name.starts_with("models/"));
        let mut delegated = common("targets");
        delegated["targets"] = target_files(&models);
        let mut targets = common("targets");
        targets["targets"] = target_files(&others);
        targets["delegations"] = json!({
            "keys": {self.models.id(): self.models.json()},
            "roles": [{
                "name": "models", "keyids": [self.models.id()], "threshold": 1,
                "paths": ["models/*/*"], "terminating": true,
            }],
        });
        let mut snapshot = common("snapshot");
        snapshot["meta"] = json!({
            "targets.json": {"version": version}, "models.json": {"version": version},
        });
        let mut timestamp = common("timestamp");
        timestamp["meta"] = json!({"snapshot.json": {"version": version}});
        let by = |key: &'static str| format!("{version}.{key}.json");
        files.insert(by("models"), signed::<Targets>(delegated, &[&self.models]));
        files.insert(by("targets"), signed::<Targets>(targets, &[&self.online]));
        files.insert(
            by("snapshot"),
            signed::<Snapshot>(snapshot, &[&self.online]),
        );
        files.insert(
            "timestamp.json".to_owned(),
            signed::<Timestamp>(timestamp, &[&self.online]),
        );
        files
    }
}

fn target_files(targets: &[&(&'static str, &'static [u8])]) -> Value {
    let entry = |bytes: &[u8]| json!({"length": bytes.len(), "hashes": {"sha256": HEXLOWER.encode(&sha256(bytes))}});
    targets
        .iter()
        .map(|(name, bytes)| ((*name).to_owned(), entry(bytes)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn moment(seconds: i64) -> String {
    DateTime::<Utc>::from_timestamp(seconds, 0)
        .unwrap()
        .to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn signed<R: Role + DeserializeOwned>(role: Value, signers: &[&TufKey]) -> Vec<u8> {
    let typed: R = serde_json::from_value(role.clone()).unwrap();
    let canonical = typed.canonical_form().unwrap();
    let signatures: Vec<Value> = signers
        .iter()
        .map(|key| json!({"keyid": key.id(), "sig": HEXLOWER.encode(key.0.sign(&canonical).as_ref())}))
        .collect();
    serde_json::to_vec(&json!({"signed": role, "signatures": signatures})).unwrap()
}
