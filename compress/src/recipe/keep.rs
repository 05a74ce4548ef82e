//! What is finished, in a folder: whole or not there.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use noroshi_train::Recipe;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::chain::Chain;
use super::plan::{Distil, Plan, Prune, Quantize};
use crate::{Error, Result};

/// What the files of finished steps depend on, beside their names. Limits, and which choices there
/// are, may change: what is there is used again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// The version of this program.
    tool: String,
    /// SHA-256 of the original's file.
    model: String,
    /// SHA-256 of the samples and their targets, those that are held out behind the others.
    data: String,
    teach: Recipe,
    prune: Option<Prune>,
    distil: Option<Distil>,
    quantize: Option<Quantize>,
    packed: Option<bool>,
    rounds: usize,
}

impl Identity {
    pub(super) fn of(plan: &Plan, model: &str, data: &str) -> Self {
        Self {
            tool: env!("CARGO_PKG_VERSION").into(),
            model: model.into(),
            data: data.into(),
            teach: plan.teach.clone(),
            prune: plan.prune.clone().map(|prune| Prune {
                keep: Vec::new(),
                ..prune
            }),
            distil: plan.distil.clone().map(|distil| Distil {
                widths: Vec::new(),
                optional: true,
                ..distil
            }),
            quantize: plan.quantize.clone().map(|quantize| Quantize {
                bits: Vec::new(),
                ..quantize
            }),
            packed: plan.compile.as_ref().map(|compile| compile.packed),
            rounds: plan.search.rounds,
        }
    }
}

/// The folder of a run.
pub(super) struct Folder {
    path: PathBuf,
    /// Held as long as the run lasts: two would write the same files.
    _lock: fs::File,
}

/// The file that says what a folder belongs to.
const IDENTITY: &str = "identity.json";

/// Forgets what an earlier run kept in this folder, if one did.
pub fn forget(path: &Path) -> Result<()> {
    if !path.join(IDENTITY).exists() {
        return Ok(());
    }
    let _lock = lock(path)?;
    fs::remove_dir_all(path).map_err(Error::file(path))
}

/// Takes a folder for oneself.
fn lock(folder: &Path) -> Result<fs::File> {
    let path = folder.join("lock");
    let lock = fs::File::create(&path).map_err(Error::file(&path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => {
            let text = format!("another run works in {}: wait for it", folder.display());
            Err(Error::Plan(text))
        }
        Err(fs::TryLockError::Error(error)) => Err(Error::file(&path)(error)),
    }
}

impl Folder {
    /// Takes a folder that is new, or that belongs to the same run.
    pub(super) fn open(path: &Path, identity: &Identity) -> Result<Self> {
        fs::create_dir_all(path).map_err(Error::file(path))?;
        let lock = lock(path)?;
        let folder = Self {
            path: path.to_owned(),
            _lock: lock,
        };
        let own = folder.path.join(IDENTITY);
        match Self::read::<Identity>(&own)? {
            Some(known) if known == *identity => {}
            Some(_) => {
                let text = format!(
                    "{} belongs to another recipe, model or data: name another folder, or begin \
                     afresh (--fresh)",
                    path.display()
                );
                return Err(Error::Plan(text));
            }
            None => folder.write_json(&own, identity)?,
        }
        Ok(folder)
    }

    /// The file of a chain.
    pub(super) fn model(&self, chain: &Chain) -> PathBuf {
        file(&self.path, chain)
    }

    /// What was measured of it.
    pub(super) fn figures(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.figures.json"))
    }

    /// The state of a training.
    pub(super) fn checkpoint(&self, name: &str, step: usize) -> PathBuf {
        self.path.join(format!("{name}.step-{step}.safetensors"))
    }

    /// A value that was written; none if there is no such file.
    pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
        if !path.exists() {
            return Ok(None);
        }
        let bytes = fs::read(path).map_err(Error::file(path))?;
        let read = serde_json::from_slice(&bytes);
        read.map(Some).map_err(|error| {
            let text = format!(
                "{} is no file of this program ({error}): remove it",
                path.display()
            );
            Error::Plan(text)
        })
    }

    /// Writes a value as JSON.
    pub(super) fn write_json<T: Serialize>(&self, path: &Path, value: &T) -> Result<()> {
        let text = serde_json::to_vec_pretty(value)
            .map_err(|error| Error::Plan(format!("{}: {error}", path.display())))?;
        self.write(path, &text)
    }

    /// Writes beside the place, syncs, then takes it: a crash leaves all of it or nothing.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let written = fs::File::create(&part).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&part, path)?;
            fs::File::open(&self.path)?.sync_all()
        });
        written.map_err(Error::file(path))
    }

    /// Forgets a training that is finished.
    pub(super) fn forget(path: &Path) -> Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::file(path)(error))
            }
            _ => Ok(()),
        }
    }
}

/// The file of a chain in a run's folder.
pub fn file(folder: &Path, chain: &Chain) -> PathBuf {
    folder.join(format!("{chain}.{}", chain.ending()))
}
