//! What can go wrong, by what the user can do about it.

use std::process::ExitCode;

/// A command that did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line asks for something that can't be.
    #[error("{0}")]
    Usage(String),
    /// The cloud said no; the sentence is its own.
    #[error("{detail}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The problem's stable word.
        code: String,
        /// What the cloud says.
        detail: String,
    },
    /// The cloud could not be asked.
    #[error("{url} can't be reached: {cause}; check the address and that the cloud runs")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        cause: String,
    },
    /// Anything else, in a sentence.
    #[error("{0}")]
    Failed(String),
}

impl Failure {
    /// 2 for usage, 1 for everything else.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            _ => ExitCode::from(1),
        }
    }
}

/// Adds what was tried to an error.
pub(crate) trait Tried<T> {
    /// The failure "`what`: cause".
    fn tried(self, what: impl std::fmt::Display) -> Result<T, Failure>;
}

impl<T, E: std::error::Error> Tried<T> for Result<T, E> {
    fn tried(self, what: impl std::fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| {
            let mut text = format!("{what}: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                text += &format!(": {cause}");
                source = cause.source();
            }
            Failure::Failed(text)
        })
    }
}
