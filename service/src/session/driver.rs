//! Connection after connection, with a backoff between them and one log line a change.

use std::convert::Infallible;
use std::mem::discriminant;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::connection::{self, Ended, Shared};
use super::handle::SessionHandle;
use super::options::SessionOptions;
use super::patience::Patience;
use super::stash::Stash;
use super::types::{DisconnectReason, SessionEvent, SessionEvents};

/// After a takeover by a twin the wait is at least this, so that two devices with one identity
/// do not keep throwing each other out.
const AFTER_TAKEOVER: Duration = Duration::from_secs(30);

/// Opens a session. Nothing happens until the driver's `run` is spawned.
pub fn open(options: SessionOptions) -> (SessionHandle, SessionEvents, SessionDriver) {
    let (publishes_in, publishes) = mpsc::channel(options.publish_queue.max(1));
    let (events, events_out) = mpsc::channel(options.event_queue.max(1));
    let (live, live_out) = watch::channel(None);
    let handle = SessionHandle {
        publishes: publishes_in,
        live: live_out,
    };
    let patience = Patience::new(options.backoff);
    let shared = Shared {
        options,
        publishes,
        events,
        live,
        stash: Stash::default(),
    };
    (
        handle,
        events_out,
        SessionDriver {
            shared,
            patience,
            epoch: 0,
            repeats: Repeats::default(),
        },
    )
}

/// Keeps the connection; spawn its [`run`](Self::run) as a part.
#[must_use = "nothing happens until `run` is spawned"]
pub struct SessionDriver {
    shared: Shared,
    patience: Patience,
    epoch: u64,
    repeats: Repeats,
}

impl SessionDriver {
    /// Connects and reconnects until `stop` is cancelled or nobody reads the events any more.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), Infallible> {
        while !stop.is_cancelled() && !self.shared.events.is_closed() {
            self.epoch += 1;
            let ended = self.attempt(&stop).await;
            self.lose_queued();
            if ended.reason == DisconnectReason::Stopping {
                break;
            }
            let retry_in = self.after(&ended);
            self.pause(retry_in, &stop).await;
        }
        debug!(
            client.id = self.shared.options.client_id,
            "the session ended"
        );
        Ok(())
    }

    async fn attempt(&mut self, stop: &CancellationToken) -> Ended {
        match self.shared.options.connect(self.epoch) {
            Ok(connect) => {
                let address = format!("{:?}", connect.address);
                self.repeats.trying(self.epoch, &address);
                connection::run(self.epoch, connect, &mut self.shared, stop).await
            }
            Err(reason) => Ended {
                reason: DisconnectReason::NotReady(reason),
                lasted: Duration::ZERO,
                proven: false,
            },
        }
    }

    fn after(&mut self, ended: &Ended) -> Duration {
        let mut retry_in = self
            .patience
            .after(ended.lasted, ended.proven, Instant::now());
        if ended.reason == DisconnectReason::TakenOver {
            retry_in = retry_in.max(AFTER_TAKEOVER.min(self.shared.options.backoff.longest));
        }
        self.repeats.ended(self.epoch, ended, retry_in);
        self.shared.stash.disconnected(SessionEvent::Disconnected {
            epoch: self.epoch,
            reason: ended.reason.clone(),
            retry_in,
        });
        retry_in
    }

    /// Waits, and meanwhile delivers the news of the disconnection.
    async fn pause(&mut self, retry_in: Duration, stop: &CancellationToken) {
        let until = Instant::now() + retry_in;
        loop {
            let delivers = self.shared.stash.is_ready();
            tokio::select! {
                () = tokio::time::sleep_until(until) => break,
                () = stop.cancelled() => break,
                permit = self.shared.events.reserve(), if delivers => {
                    let Ok(permit) = permit else { break };
                    if let Some(waiting) = self.shared.stash.take() {
                        permit.send(waiting.event);
                    }
                }
            }
        }
        self.lose_queued();
    }

    /// Publishes that were queued for a connection that is no more.
    fn lose_queued(&mut self) {
        while let Ok(publish) = self.shared.publishes.try_recv() {
            publish.lose();
        }
    }
}

impl std::fmt::Debug for SessionDriver {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SessionDriver")
            .field("options", &self.shared.options)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

/// One log line a change of state; what repeats is counted.
#[derive(Debug, Default)]
struct Repeats {
    last: Option<std::mem::Discriminant<DisconnectReason>>,
    count: u64,
    address: String,
}

impl Repeats {
    fn trying(&mut self, epoch: u64, address: &str) {
        if self.address != address {
            info!(epoch, address, "connecting to the broker");
            address.clone_into(&mut self.address);
        }
    }

    fn ended(&mut self, epoch: u64, ended: &Ended, retry_in: Duration) {
        let kind = Some(discriminant(&ended.reason));
        if self.last == kind && ended.lasted.is_zero() {
            self.count += 1;
            debug!(epoch, reason = %ended.reason, repeats = self.count, "still not connected");
            return;
        }
        warn!(
            epoch,
            reason = %ended.reason,
            lasted_s = ended.lasted.as_secs(),
            retry_in_ms = retry_in.as_millis() as u64,
            earlier_attempts = self.count,
            "not connected to the broker"
        );
        self.last = kind;
        self.count = 0;
    }
}
