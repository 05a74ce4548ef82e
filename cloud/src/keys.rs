//! The organisation's private keys, each in a file of mode 0600 under `<state_dir>/keys`.

use std::path::{Path, PathBuf};

use noroshi_protocol::SigningKey;
use noroshi_service::{files, tls};

use crate::error::{Error, Result};

const MOST_BYTES: u64 = 4096;

/// What a key is for; its file is named after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRole {
    /// Issues certificates.
    Ca,
    /// The cloud's own certificate.
    Cloud,
    /// Signs answers to enrolments.
    Answer,
    /// Signs desired documents, commands and dashboard tokens.
    Online,
    /// TUF root.
    Root,
    /// TUF top-level targets: only `trust/*`.
    Targets,
    /// TUF snapshot.
    Snapshot,
    /// TUF timestamp.
    Timestamp,
    /// TUF delegation: `models/*`.
    Release,
}

impl KeyRole {
    /// Every role.
    pub const ALL: [Self; 9] = [
        Self::Ca,
        Self::Cloud,
        Self::Answer,
        Self::Online,
        Self::Root,
        Self::Targets,
        Self::Snapshot,
        Self::Timestamp,
        Self::Release,
    ];

    const fn file(self) -> &'static str {
        match self {
            Self::Ca => "ca.pk8",
            Self::Cloud => "cloud.pk8",
            Self::Answer => "answer.pk8",
            Self::Online => "online.pk8",
            Self::Root => "root.pk8",
            Self::Targets => "targets.pk8",
            Self::Snapshot => "snapshot.pk8",
            Self::Timestamp => "timestamp.pk8",
            Self::Release => "release.pk8",
        }
    }
}

/// The folder of keys.
#[derive(Debug, Clone)]
pub struct Keys {
    folder: PathBuf,
}

impl Keys {
    /// The keys under `state_dir`.
    pub fn under(state_dir: &Path) -> Self {
        Self {
            folder: state_dir.join("keys"),
        }
    }

    /// Whether init has been here.
    pub fn exist(&self) -> bool {
        self.folder.exists()
    }

    /// Makes every key; an existing one is never overwritten.
    pub fn create(&self) -> Result<()> {
        files::create_private_folder(&self.folder)?;
        for role in KeyRole::ALL {
            let key = tls::new_device_key().map_err(setup)?;
            files::write_secret(&self.path(role), &key)?;
        }
        Ok(())
    }

    /// Where a key is.
    pub fn path(&self, role: KeyRole) -> PathBuf {
        self.folder.join(role.file())
    }

    /// The key's PKCS#8 bytes.
    pub fn bytes(&self, role: KeyRole) -> Result<Vec<u8>> {
        Ok(files::read_bounded(&self.path(role), MOST_BYTES)?)
    }

    /// The key, to sign with.
    pub fn signing(&self, role: KeyRole) -> Result<SigningKey> {
        SigningKey::from_pkcs8(&self.bytes(role)?)
            .map_err(|error| Error::Setup(format!("{}: {error}", self.path(role).display())))
    }
}

fn setup(error: tls::TlsError) -> Error {
    Error::Setup(error.to_string())
}
