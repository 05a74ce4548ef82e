//! What can go wrong in the agent; the variants are what a caller decides on.

use std::io;

use noroshi_service::files::FileError;

/// Why something in the agent did not work.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The configuration can't be used; the text says which key and what to write.
    #[error("{0}")]
    Config(String),
    /// The operating system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, with the path.
        what: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A frame ring or one of its headers breaks a rule.
    #[error("frame ring: {0}")]
    Ring(String),
    /// The other end of a process link broke its rules.
    #[error("process link: {0}")]
    Link(String),
    /// The other end of a process link is gone.
    #[error("the other process closed its link")]
    LinkClosed,
    /// The outbox can't be used.
    #[error("outbox: {0}")]
    Outbox(String),
    /// A source can't go on.
    #[error("source: {0}")]
    Source(String),
    /// A worker can't go on, or refused a model.
    #[error("worker: {0}")]
    Worker(String),
    /// A child process was ended by somebody else than itself or us.
    #[error("killed from outside: {0}")]
    Killed(String),
    /// Enrolment was refused or is not done.
    #[error("{0}")]
    Identity(String),
    /// Something that was received is refused; the text is shown to people.
    #[error("{0}")]
    Refused(String),
    /// A service this agent needs did not answer.
    #[error("{0}")]
    Unreachable(String),
}

impl AgentError {
    /// Wraps a system error with what was tried.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// A file of ours that can't be used.
    pub(crate) fn refused(error: FileError) -> Self {
        Self::Refused(error.to_string())
    }

    /// Wraps a rustix error with what was tried.
    pub fn os(what: impl Into<String>) -> impl FnOnce(rustix::io::Errno) -> Self {
        let what = what.into();
        move |source| Self::Io {
            what,
            source: source.into(),
        }
    }
}

impl From<FileError> for AgentError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io {
                action,
                path,
                source,
            } => Self::Io {
                what: format!("{action} {}", path.display()),
                source,
            },
            other => Self::Refused(other.to_string()),
        }
    }
}
