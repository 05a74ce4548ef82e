//! What verified metadata says.

use std::collections::HashMap;

use serde_json::Value;
use tough::schema::{DelegatedRole, Target};
use tough::{Repository, TargetName};

use super::TufError;
use crate::files::Sha256Digest;

/// A released file.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetFile {
    /// Its length in bytes.
    pub length: u64,
    /// Its digest.
    pub sha256: Sha256Digest,
    /// What the release says about it besides.
    pub custom: HashMap<String, Value>,
}

/// Targets whose signatures, versions and dates were all verified.
#[derive(Debug, Clone)]
pub struct VerifiedTargets {
    repository: Repository,
}

impl VerifiedTargets {
    pub(super) fn new(repository: Repository) -> Self {
        Self { repository }
    }

    /// The released file of that name, if there is one: the only way a name becomes bytes to
    /// trust.
    pub fn find(&self, name: &str) -> Option<TargetFile> {
        let name = TargetName::new(name).ok()?;
        let target = self
            .repository
            .targets()
            .signed
            .find_target(&name, false)
            .ok()?;
        target_file(target)
    }

    /// All released files, by name.
    pub fn all(&self) -> impl Iterator<Item = (&str, TargetFile)> {
        self.repository
            .all_targets()
            .filter_map(|(name, target)| Some((name.resolved(), target_file(target)?)))
    }

    /// When the metadata was issued, Unix milliseconds: raise the clock's floor to it.
    ///
    /// The version of the timestamp is its time in seconds. `None` if it is not one that could
    /// be (a repository that counts from 1, or a version after its own end).
    pub fn issued_ms(&self) -> Option<u64> {
        const EARLIEST_S: u64 = 1_700_000_000;
        let timestamp = &self.repository.timestamp().signed;
        let version = timestamp.version.get();
        let end = u64::try_from(timestamp.expires.as_second()).ok()?;
        (EARLIEST_S..end)
            .contains(&version)
            .then(|| version.saturating_mul(1_000))
    }

    /// When the first of the metadata files expires, Unix milliseconds.
    pub fn expires_ms(&self) -> u64 {
        self.expiries().map(|(_, ms)| ms).min().unwrap_or(0)
    }

    /// The versions of root, timestamp, snapshot and targets.
    pub fn versions(&self) -> [u64; 4] {
        [
            self.repository.root().signed.version.get(),
            self.repository.timestamp().signed.version.get(),
            self.repository.snapshot().signed.version.get(),
            self.repository.targets().signed.version.get(),
        ]
    }

    /// A field of the signed root that TUF itself does not know.
    pub fn root_extra(&self, key: &str) -> Option<&Value> {
        self.repository.root().signed._extra.get(key)
    }

    pub(super) fn check_expiry(&self, now_ms: u64) -> Result<(), TufError> {
        match self.expiries().find(|(_, expires_ms)| now_ms > *expires_ms) {
            Some((role, _)) => Err(TufError::Expired {
                role: role.to_owned(),
            }),
            None => Ok(()),
        }
    }

    fn expiries(&self) -> impl Iterator<Item = (&str, u64)> {
        let repository = &self.repository;
        let ms = |milliseconds: i64| u64::try_from(milliseconds).unwrap_or(0);
        let top = [
            (
                "root",
                ms(repository.root().signed.expires.as_millisecond()),
            ),
            (
                "timestamp",
                ms(repository.timestamp().signed.expires.as_millisecond()),
            ),
            (
                "snapshot",
                ms(repository.snapshot().signed.expires.as_millisecond()),
            ),
            (
                "targets",
                ms(repository.targets().signed.expires.as_millisecond()),
            ),
        ];
        let delegated = repository
            .targets()
            .signed
            .delegations
            .iter()
            .flat_map(|d| &d.roles);
        top.into_iter()
            .chain(delegated.filter_map(move |role: &DelegatedRole| {
                let targets = role.targets.as_ref()?;
                Some((
                    role.name.as_str(),
                    ms(targets.signed.expires.as_millisecond()),
                ))
            }))
    }
}

fn target_file(target: &Target) -> Option<TargetFile> {
    let sha256 = target.hashes.sha256.clone().into_vec().try_into().ok()?;
    Some(TargetFile {
        length: target.length,
        sha256,
        custom: target.custom.clone(),
    })
}
