//! What can go wrong, in the words of whoever has to decide what to do about it.

use std::path::PathBuf;

use noroshi_service::files::FileError;
use noroshi_service::tls::TlsError;

/// Why a part of the gateway does not work.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// A listener could not be opened.
    #[error("can't listen on {address}: {reason}; is another process using the port?")]
    Listen {
        /// The address asked for.
        address: String,
        /// What the system answered.
        reason: String,
    },
    /// The embedded broker could not be set up.
    #[error("the broker can't be started: {0}")]
    Broker(String),
    /// The broker lets through what it must refuse; it was not opened to anybody.
    #[error(
        "the broker's access check does not work ({0}); nothing was served, please report this"
    )]
    SelfTest(&'static str),
    /// The spool could not be used.
    #[error("the spool at {}: {reason}", folder.display())]
    Spool {
        /// Where it is.
        folder: PathBuf,
        /// What failed.
        reason: String,
        /// Whether the disk is full.
        full: bool,
    },
    /// The spool's thread has ended.
    #[error("the spool is closed")]
    SpoolClosed,
    /// A file of the gateway could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Certificates, keys or trust.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The gateway has no identity yet.
    #[error("this gateway is not enrolled: run `noroshi-gateway enrol --token-file FILE` first")]
    NotEnrolled,
    /// The cloud could not be reached or refused.
    #[error("the cloud: {0}")]
    Cloud(String),
    /// Something given by the user does not fit.
    #[error("{0}")]
    Invalid(String),
}

impl GatewayError {
    pub(crate) fn io(
        action: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| {
            Self::File(FileError::Io {
                action,
                path,
                source,
            })
        }
    }
}
