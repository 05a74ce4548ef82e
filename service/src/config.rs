//! Reading a daemon's TOML file: bounded, unknown keys refused, errors that name file, line
//! and key.
//!
//! A config struct derives `Deserialize` with `deny_unknown_fields` on it and on everything in
//! it; its defaults are in it and nowhere else.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::files;

/// The most bytes a config file may have.
pub const MAX_CONFIG_BYTES: u64 = 256 * 1024;

/// Why a config file was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error(
        "{}: cannot be read: {source}; give the right path with --config and check its permissions",
        path.display()
    )]
    Unreadable {
        /// The file asked for.
        path: PathBuf,
        /// Why.
        source: files::FileError,
    },
    /// The file is not what the daemon expects.
    #[error("{}{place}: {message}; correct this line and try again with --check", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Where in it.
        place: Place,
        /// What is wrong, in words.
        message: String,
    },
}

/// A place in a config file, shown as `:line (key `key`)`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The line, counted from 1.
    pub line: Option<usize>,
    /// The key that stands on it.
    pub key: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(formatter, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(formatter, " (key `{key}`)")?;
        }
        Ok(())
    }
}

/// Reads and checks a config file.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let bytes = files::read_bounded(path, MAX_CONFIG_BYTES).map_err(unreadable)?;
    parse(path, &bytes)
}

/// Checks the text of a config file; `path` is only for the message.
pub fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, ConfigError> {
    let invalid = |place, message: &str| ConfigError::Invalid {
        path: path.to_owned(),
        place,
        message: message.to_owned(),
    };
    let text = std::str::from_utf8(bytes)
        .map_err(|_| invalid(Place::default(), "the file is not UTF-8 text"))?;
    toml::from_str(text).map_err(|error| {
        invalid(
            place(text, error.span().map(|span| span.start)),
            error.message(),
        )
    })
}

/// What `--check` does after [`load`] succeeded: says so on standard output.
pub fn report_valid(path: &Path) {
    println!("{}: valid", path.display());
}

fn place(text: &str, offset: Option<usize>) -> Place {
    let Some(offset) = offset.filter(|offset| *offset > 0 || !text.is_empty()) else {
        return Place::default();
    };
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let key = text
        .lines()
        .nth(line - 1)
        .and_then(|line| line.split_once('='))
        .map(|(key, _)| key.trim().to_owned());
    Place {
        line: Some(line),
        key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        port: u16,
        #[serde(default)]
        store: Store,
    }

    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Store {
        #[serde(default)]
        quota_bytes: u64,
    }

    fn message(text: &str) -> String {
        parse::<Example>(Path::new("agent.toml"), text.as_bytes())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_valid_file_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent.toml");
        std::fs::write(&path, "port = 1\n[store]\nquota_bytes = 5\n").unwrap();
        let example: Example = load(&path).unwrap();
        assert_eq!((example.port, example.store.quota_bytes), (1, 5));
    }

    #[test]
    fn a_typo_is_named_with_file_line_and_key() {
        let text = message("port = 1\n[store]\nquota_byte = 5\n");
        assert!(
            text.starts_with("agent.toml:3 (key `quota_byte`): "),
            "{text}"
        );
        assert!(
            text.contains("unknown field") && text.contains("quota_bytes"),
            "{text}"
        );
    }

    #[test]
    fn a_wrong_type_a_missing_key_and_bad_syntax_say_where() {
        assert!(message("port = \"x\"\n").starts_with("agent.toml:1 (key `port`): "));
        assert!(message("# nothing\n").contains("missing field `port`"));
        assert!(message("port = \n").starts_with("agent.toml:1"));
    }

    #[test]
    fn a_missing_and_an_endless_file_are_refused() {
        let error = load::<Example>(Path::new("/nonexistent/agent.toml")).unwrap_err();
        assert!(error.to_string().contains("--config"));
        let error = load::<Example>(Path::new("/dev/zero")).unwrap_err();
        assert!(matches!(error, ConfigError::Unreadable { .. }));
    }
}
