//! The address and token that `noroshi login` keeps.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Failure, Tried};

/// What is kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    /// The cloud's address.
    pub url: String,
    /// An API token.
    pub token: String,
}

fn path() -> Result<PathBuf, Failure> {
    let folder = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")));
    folder
        .map(|folder| folder.join("noroshi/credentials.json"))
        .ok_or_else(|| Failure::Usage("neither XDG_CONFIG_HOME nor HOME is set".into()))
}

/// What an earlier login kept, if anything.
pub(crate) fn load() -> Result<Option<Credentials>, Failure> {
    let path = path()?;
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).tried(format!(
            "{} can't be read; run `noroshi login` again",
            path.display()
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).tried(path.display()),
    }
}

/// Keeps `credentials` in a file of mode 0600; where it is.
pub(crate) fn save(credentials: &Credentials) -> Result<PathBuf, Failure> {
    let path = path()?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).tried(folder.display())?;
    }
    let bytes = serde_json::to_vec_pretty(credentials).tried("the credentials")?;
    noroshi_service::files::write_secret(&path, &bytes).tried(path.display())?;
    Ok(path)
}
