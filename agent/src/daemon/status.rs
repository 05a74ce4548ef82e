//! Answers `noroshi-agent status` over a Unix socket in the state folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use noroshi_protocol::{Reported, SiteId};
use noroshi_service::session::SessionHandle;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::metrics::flat;
use crate::AgentError;
use crate::outbox::Account;

/// What the socket says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LocalStatus {
    /// The site.
    pub site: SiteId,
    /// Whether the broker is connected.
    pub connected: bool,
    /// Whether the organisation has only a development root.
    pub development: bool,
    /// Why the outbox can't be used, if so.
    pub outbox_fault: Option<String>,
    /// Figures of the whole agent.
    pub metrics: serde_json::Map<String, serde_json::Value>,
    /// The newest report; absent for the first moments.
    pub reported: Option<Reported>,
}

/// The task.
pub(super) struct StatusSocket {
    pub(super) path: PathBuf,
    pub(super) site: SiteId,
    pub(super) development: bool,
    pub(super) handle: SessionHandle,
    pub(super) state: watch::Receiver<Option<Arc<Reported>>>,
    pub(super) account: watch::Receiver<Account>,
}

impl StatusSocket {
    /// Binds the socket, in place of one that an earlier process left.
    pub(super) fn bind(path: &Path) -> Result<UnixListener, AgentError> {
        if path.exists() {
            std::fs::remove_file(path)
                .map_err(AgentError::io(format!("remove {}", path.display())))?;
        }
        UnixListener::bind(path).map_err(AgentError::io(format!("listen on {}", path.display())))
    }

    /// Runs until `stop`.
    pub(super) async fn run(
        self,
        listener: UnixListener,
        stop: CancellationToken,
    ) -> Result<(), AgentError> {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            let Ok((mut stream, _)) = accepted else {
                continue;
            };
            let text = serde_json::to_vec(&self.look()).unwrap_or_default();
            // Who asks and does not listen loses the answer.
            let sent =
                tokio::time::timeout(std::time::Duration::from_secs(1), stream.write_all(&text));
            let answered = sent.await.is_ok();
            tracing::trace!(answered, "status asked");
        }
        if let Err(e) = std::fs::remove_file(&self.path) {
            tracing::debug!(error = %e, "the socket is gone already");
        }
        Ok(())
    }

    fn look(&self) -> LocalStatus {
        let state = self.state.borrow().clone();
        let account = self.account.borrow().clone();
        LocalStatus {
            site: self.site.clone(),
            connected: self.handle.epoch().is_some(),
            development: self.development,
            metrics: flat(state.clone(), &account),
            outbox_fault: account.fault,
            reported: state.map(Arc::unwrap_or_clone),
        }
    }
}
