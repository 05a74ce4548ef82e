//! What can go wrong in the cloud, by what the caller can do about it.

/// An error of the cloud.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The thing asked for is not there.
    #[error("there is no {what} {id:?}; it may be gone, or the id is not right")]
    NotFound {
        /// What was looked for, in one word.
        what: &'static str,
        /// The id that was given, cut to a printable length.
        id: String,
    },
    /// The request breaks a rule; trying it again unchanged can't help.
    #[error("{detail}")]
    Invalid {
        /// A stable word for programs.
        code: &'static str,
        /// What is wrong and what to do.
        detail: String,
    },
    /// The request does not fit the present state of what it is about.
    #[error("{detail}")]
    Conflict {
        /// A stable word for programs.
        code: &'static str,
        /// What is in the way and what to do.
        detail: String,
    },
    /// Nobody is signed in, or the credentials are wrong.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// The caller may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// More bytes than are read.
    #[error("{what} may have at most {limit} bytes")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit in bytes.
        limit: u64,
    },
    /// Too many attempts.
    #[error("{0}")]
    RateLimited(String),
    /// The pushed file and its manifest disagree, or the file can't be inspected.
    #[error("{0}")]
    ModelRefused(String),
    /// Files that the manifest names are not here.
    #[error("{} of the manifest's files are not here yet; upload them first", missing.len())]
    BlobsMissing {
        /// Their digests.
        missing: Vec<String>,
    },
    /// It can't be done now; trying again later may help.
    #[error("{0}")]
    Unavailable(String),
    /// A configuration or state folder that can't be used.
    #[error("{0}")]
    Setup(String),
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] sqlx::Error),
    /// The store's layout could not be brought up to date.
    #[error("the store can't be brought up to date: {0}; it may be from a newer version")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// What the store holds can't be read back.
    #[error("the store holds a {what} that can't be read: {detail}")]
    Corrupt {
        /// What was read.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] noroshi_service::files::FileError),
    /// Signing or checking the release repository failed.
    #[error("the release repository failed: {0}")]
    Repository(Box<tough::error::Error>),
    /// An artifact could not be kept or read.
    #[error("the artifact store failed: {0}")]
    Artifacts(#[from] object_store::Error),
    /// Something that should not happen.
    #[error("{0}")]
    Internal(String),
}

impl From<tough::error::Error> for Error {
    fn from(error: tough::error::Error) -> Self {
        Self::Repository(Box::new(error))
    }
}

impl Error {
    /// An [`Error::NotFound`] for an id that a caller gave.
    pub fn not_found(what: &'static str, id: impl AsRef<str>) -> Self {
        Self::NotFound {
            what,
            id: id.as_ref().chars().take(80).collect(),
        }
    }

    /// An [`Error::Invalid`] with the general code.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::Invalid {
            code: "invalid",
            detail: detail.into(),
        }
    }

    /// An [`Error::Corrupt`].
    pub fn corrupt(what: &'static str, detail: impl std::fmt::Display) -> Self {
        Self::Corrupt {
            what,
            detail: detail.to_string(),
        }
    }
}

/// What the cloud's functions answer.
pub type Result<T> = std::result::Result<T, Error>;
