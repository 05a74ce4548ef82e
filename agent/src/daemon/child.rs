//! How the agent starts itself again as a child.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tokio::process::{Child, Command};

use crate::AgentError;
use crate::link::{AgentLink, pair};

/// How long a child may take to go after its link is closed.
const GRACE: Duration = Duration::from_secs(2);
/// Signals that come from others: a person, the session's end, the kernel out of memory.
const OUTSIDE: [Signal; 5] = [
    Signal::KILL,
    Signal::TERM,
    Signal::INT,
    Signal::QUIT,
    Signal::HUP,
];
/// What of the agent's environment its children see.
const INHERITED: [&str; 5] = [
    "RUST_LOG",
    "RUST_BACKTRACE",
    "TZ",
    "NOROSHI_ONNXRUNTIME",
    noroshi_service::failpoint::VARIABLE,
];

/// How a child ended.
pub(super) struct Ending {
    /// For people.
    pub(super) how: String,
    /// Whether somebody else killed it: a signal that a process does not get by its own doing.
    pub(super) killed: bool,
}

impl Ending {
    fn own(how: impl Into<String>) -> Self {
        Self {
            how: how.into(),
            killed: false,
        }
    }

    /// An error that begins with `what`; `own` makes it if the child ended by its own doing.
    pub(super) fn error(self, what: &str, own: impl FnOnce(String) -> AgentError) -> AgentError {
        let text = format!("{what}: {}", self.how);
        if self.killed {
            AgentError::Killed(text)
        } else {
            own(text)
        }
    }
}

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
    pub(super) async fn ended(&mut self) -> Ending {
        describe(self.child.wait().await)
    }

    /// Kills it if it does not go by itself, and tells how it ended.
    pub(super) async fn end(&mut self, grace: Duration) -> Ending {
        if let Ok(ended) = tokio::time::timeout(grace, self.child.wait()).await {
            return describe(ended);
        }
        if let Err(e) = self.child.start_kill() {
            return Ending::own(e.to_string());
        }
        match tokio::time::timeout(GRACE, self.child.wait()).await {
            Ok(_) => Ending::own("it was killed because it did not answer"),
            Err(_) => Ending::own("it can't be killed"),
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

fn describe(ended: std::io::Result<ExitStatus>) -> Ending {
    match ended {
        Ok(status) if status.success() => Ending::own("it ended by itself"),
        Ok(status) => Ending {
            how: format!("it ended with {status}"),
            killed: status
                .signal()
                .is_some_and(|signal| OUTSIDE.iter().any(|outside| outside.as_raw() == signal)),
        },
        Err(e) => Ending::own(e.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_is_told_from_a_crash() {
        let killed = |raw| describe(Ok(ExitStatus::from_raw(raw))).killed;
        assert!(killed(9) && killed(15));
        // SIGABRT, SIGSEGV, an exit code.
        assert!(!killed(6) && !killed(11) && !killed(101 << 8));
    }
}
