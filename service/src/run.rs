//! Running and stopping a daemon: parts, a stop signal, and a grace that names who was late.
//!
//! A daemon binds its listeners, spawns its parts and then calls [`Parts::run_until_stopped`].
//! Nothing runs outside of a part, so nothing outlives the call.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// What a part may end with.
pub type PartError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Why a daemon did not run to a clean stop.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A part ended with an error; every other part was stopped because of it.
    #[error("part `{part}` failed: {source}")]
    Failed {
        /// The name it was spawned with.
        part: String,
        /// What it ended with.
        source: PartError,
    },
    /// A part panicked; every other part was stopped because of it.
    #[error("part `{part}` panicked: {message}; this is a defect, please report it")]
    Panicked {
        /// The name it was spawned with.
        part: String,
        /// The text of the panic.
        message: String,
    },
    /// Parts did not stop within the grace and were aborted.
    #[error("did not stop within {grace:?} and were aborted: {}", parts.join(", "))]
    Late {
        /// The names of the late parts, sorted.
        parts: Vec<String>,
        /// The grace that was given.
        grace: Duration,
    },
}

/// The parts of a daemon, and the token that stops all of them.
#[derive(Debug, Default)]
pub struct Parts {
    running: JoinSet<Result<(), PartError>>,
    names: HashMap<Id, String>,
    stop: CancellationToken,
}

impl Parts {
    /// No parts yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parts that stop when `stop` is cancelled, for instance by a test.
    pub fn stopped_by(stop: CancellationToken) -> Self {
        Self {
            stop,
            ..Self::default()
        }
    }

    /// The token that is cancelled when the daemon stops; a part that waits selects on it.
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts a part. It ends by itself with `Ok`, or soon after the stop token is cancelled;
    /// ending with an error stops the whole daemon.
    pub fn spawn<F, E>(&mut self, name: impl Into<String>, part: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<PartError> + 'static,
    {
        let handle = self
            .running
            .spawn(async move { part.await.map_err(Into::into) });
        self.names.insert(handle.id(), name.into());
    }

    /// Runs until `signal` completes, the stop token is cancelled, a part fails, or every part
    /// has ended; then cancels the stop token, waits up to `grace`, and aborts whoever is late.
    ///
    /// Tells systemd that the service is ready at once (listeners are bound by now) and that it
    /// is stopping, and feeds the watchdog while this loop turns.
    pub async fn run_until_stopped(
        mut self,
        signal: impl Future<Output = ()>,
        grace: Duration,
    ) -> Result<(), RunError> {
        notify(sd_notify::NotifyState::Ready);
        let first = self.until_first_failure(signal).await;
        notify(sd_notify::NotifyState::Stopping);
        self.stop.cancel();
        match (first, self.within(grace).await) {
            (Some(failure), late) => {
                if let Err(late) = late {
                    error!(error = %late, "stopping after a failure");
                }
                Err(failure)
            }
            (None, outcome) => outcome,
        }
    }

    async fn until_first_failure(&mut self, signal: impl Future<Output = ()>) -> Option<RunError> {
        tokio::pin!(signal);
        let stop = self.stop.clone();
        let mut watchdog = watchdog_interval();
        loop {
            tokio::select! {
                () = &mut signal => {
                    info!("stop requested");
                    return None;
                }
                () = stop.cancelled() => return None,
                () = next_tick(&mut watchdog) => notify(sd_notify::NotifyState::Watchdog),
                ended = self.running.join_next_with_id() => match ended {
                    None => return None,
                    Some(ended) => if let Some(failure) = self.outcome(ended) {
                        error!(error = %failure, "stopping");
                        return Some(failure);
                    }
                },
            }
        }
    }

    async fn within(&mut self, grace: Duration) -> Result<(), RunError> {
        let deadline = Instant::now() + grace;
        let mut failure = None;
        while let Ok(ended) =
            tokio::time::timeout_at(deadline, self.running.join_next_with_id()).await
        {
            match ended {
                None => return failure.map_or(Ok(()), Err),
                Some(ended) => failure = failure.or_else(|| self.outcome(ended)),
            }
        }
        let mut parts: Vec<String> = self.names.drain().map(|(_, name)| name).collect();
        parts.sort();
        warn!(parts = parts.join(", "), "aborting late parts");
        self.running.shutdown().await;
        Err(failure.unwrap_or(RunError::Late { parts, grace }))
    }

    fn outcome(
        &mut self,
        ended: Result<(Id, Result<(), PartError>), JoinError>,
    ) -> Option<RunError> {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let part = self
            .names
            .remove(&id)
            .unwrap_or_else(|| "unnamed".to_owned());
        match ended {
            Ok((_, Ok(()))) => None,
            Ok((_, Err(source))) => Some(RunError::Failed { part, source }),
            Err(error) if error.is_panic() => Some(RunError::Panicked {
                part,
                message: panic_text(error),
            }),
            Err(_) => None,
        }
    }
}

fn panic_text(error: JoinError) -> String {
    let payload = error.into_panic();
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a text".to_owned())
}

/// A future that completes at the first SIGTERM or SIGINT after this call.
pub fn stop_signal() -> io::Result<impl Future<Output = ()> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn notify(state: sd_notify::NotifyState<'_>) {
    // Without NOTIFY_SOCKET this does nothing; with it a failure must not stop the service.
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!(%error, "cannot notify systemd");
    }
}

fn watchdog_interval() -> Option<tokio::time::Interval> {
    // Half of what systemd waits, as it asks for.
    sd_notify::watchdog_enabled()
        .map(|patience| tokio::time::interval((patience / 2).max(Duration::from_millis(100))))
}

async fn next_tick(interval: &mut Option<tokio::time::Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_millis(50);

    async fn until(stop: CancellationToken) -> Result<(), PartError> {
        stop.cancelled().await;
        Ok(())
    }

    #[tokio::test]
    async fn a_signal_stops_every_part() {
        let mut parts = Parts::new();
        parts.spawn("one", until(parts.stop_token()));
        parts.spawn("two", until(parts.stop_token()));
        parts.run_until_stopped(async {}, GRACE).await.unwrap();
    }

    #[tokio::test]
    async fn the_first_failure_stops_all_and_is_named() {
        let mut parts = Parts::new();
        let stop = parts.stop_token();
        parts.spawn("steady", until(parts.stop_token()));
        parts.spawn("broken", async { Err::<(), PartError>("no disk".into()) });
        let error = parts
            .run_until_stopped(std::future::pending(), GRACE)
            .await
            .unwrap_err();
        assert!(matches!(&error, RunError::Failed { part, .. } if part == "broken"));
        assert!(error.to_string().contains("no disk"));
        assert!(stop.is_cancelled());
    }

    #[tokio::test]
    async fn a_panic_names_its_part() {
        let mut parts = Parts::new();
        parts.spawn("wild", async {
            assert!(std::env::args().count() > 1_000, "on purpose");
            Ok::<(), PartError>(())
        });
        let error = parts
            .run_until_stopped(std::future::pending(), GRACE)
            .await
            .unwrap_err();
        assert!(
            matches!(&error, RunError::Panicked { part, message } if part == "wild" && message.contains("on purpose"))
        );
    }

    #[tokio::test]
    async fn whoever_is_late_is_named_and_aborted() {
        let mut parts = Parts::new();
        let stop = parts.stop_token();
        parts.spawn("punctual", until(parts.stop_token()));
        parts.spawn("deaf", std::future::pending::<Result<(), PartError>>());
        stop.cancel();
        let error = parts
            .run_until_stopped(std::future::pending(), GRACE)
            .await
            .unwrap_err();
        assert!(matches!(error, RunError::Late { parts, .. } if parts == ["deaf"]));
    }

    #[tokio::test]
    async fn parts_that_all_end_end_the_run() {
        let mut parts = Parts::new();
        parts.spawn("once", async { Ok::<(), PartError>(()) });
        parts
            .run_until_stopped(std::future::pending(), GRACE)
            .await
            .unwrap();
    }
}
