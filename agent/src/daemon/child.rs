//! How the agent starts itself again as a child.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::AgentError;
use crate::link::{AgentLink, pair};

/// How long a child may take to go after its link is closed.
const GRACE: Duration = Duration::from_secs(2);
/// What of the agent's environment its children see.
const INHERITED: [&str; 5] = [
    "RUST_LOG",
    "RUST_BACKTRACE",
    "TZ",
    "NOROSHI_ONNXRUNTIME",
    noroshi_service::failpoint::VARIABLE,
];

/// A child process with the agent's end of its link. It dies with this value.
pub(super) struct LinkedChild {
    child: Child,
    pub(super) link: AgentLink,
}

impl LinkedChild {
    /// Starts `noroshi-agent <subcommand>`.
    pub(super) fn start(
        subcommand: &str,
        environment: Vec<(&'static str, String)>,
    ) -> Result<Self, AgentError> {
        let (link, theirs) = pair()?;
        let inherited = INHERITED
            .into_iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?)));
        let child = Command::new(crate::program())
            .arg(subcommand)
            .env_clear()
            .envs(inherited)
            .envs(environment)
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(AgentError::io(format!("start a {subcommand} process")))?;
        Ok(Self { child, link })
    }

    /// Its process id while it lives.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Completes when it ends by itself, and tells how; safe to drop at any time.
    pub(super) async fn ended(&mut self) -> String {
        describe(self.child.wait().await)
    }

    /// Kills it if it does not go by itself, and tells how it ended.
    pub(super) async fn end(&mut self, grace: Duration) -> String {
        if let Ok(ended) = tokio::time::timeout(grace, self.child.wait()).await {
            return describe(ended);
        }
        if let Err(e) = self.child.start_kill() {
            return e.to_string();
        }
        match tokio::time::timeout(GRACE, self.child.wait()).await {
            Ok(_) => "it was killed because it did not answer".to_owned(),
            Err(_) => "it can't be killed".to_owned(),
        }
    }

    /// Closes the link and waits until it is gone.
    pub(super) async fn retire(self) {
        let Self { mut child, link } = self;
        drop(link);
        if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
            // kill_on_drop does the rest.
            tracing::warn!(process.id = child.id(), "a child did not go and is killed");
        }
    }
}

fn describe(ended: std::io::Result<ExitStatus>) -> String {
    match ended {
        Ok(status) if status.success() => "it ended by itself".to_owned(),
        Ok(status) => format!("it ended with {status}"),
        Err(e) => e.to_string(),
    }
}
