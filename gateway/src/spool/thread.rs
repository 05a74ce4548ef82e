//! The thread that owns the store, and the handle to ask it.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use noroshi_protocol::{Ack, Event, StoreId, Stream};
use noroshi_service::clock::SessionClock;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::warn;

use super::quarantine::{self, Probe};
use super::store::{Settled, Store, Waiting};
use super::{SpoolOptions, SpoolStats};
use crate::GatewayError;
use crate::delivery::{BoxError, Holder, Incoming, Kept};
use crate::start::Start;

type Answer<T> = oneshot::Sender<Result<T, GatewayError>>;

enum Request {
    Keep(Vec<Arc<Incoming>>, Answer<Vec<Kept>>),
    Settle(String, Stream, Ack, Answer<Settled>),
    Waiting(Option<u64>, usize, Answer<Vec<Waiting>>),
    StillPending(Vec<u64>, Answer<Vec<u64>>),
    Park(u64, String, Answer<()>),
    Report(Event, Answer<()>),
    Tidy(Answer<()>),
    Stats(Answer<SpoolStats>),
    Close(Answer<()>),
}

/// The spool, from anywhere. Cheap to clone; the store is closed when the last clone is gone.
#[derive(Clone)]
pub struct Spool {
    requests: mpsc::Sender<Request>,
    newest: watch::Receiver<u64>,
    id: StoreId,
}

impl Spool {
    /// Opens the spool in `folder`, which is made if it is not there. A corrupt one is moved
    /// aside, and an event says so.
    pub async fn open(
        folder: &Path,
        options: SpoolOptions,
        start: Start,
        clock: Arc<SessionClock>,
        probe: Probe,
    ) -> Result<Self, GatewayError> {
        let (requests, inbox) = mpsc::channel(64);
        let (opened, answer) = oneshot::channel();
        let (newest, newest_out) = watch::channel(0);
        let folder = folder.to_owned();
        std::thread::Builder::new()
            .name("spool".into())
            .spawn(move || {
                let store = quarantine::open(&folder, options, &start, &clock, &probe);
                match store {
                    Ok(store) => {
                        let _ = newest.send(store.next());
                        if opened.send(Ok(store.id().clone())).is_ok() {
                            serve(store, &clock, inbox, &newest);
                        }
                    }
                    Err(error) => drop(opened.send(Err(error))),
                }
            })
            .map_err(|error| GatewayError::Invalid(format!("no thread for the spool: {error}")))?;
        let id = answer.await.map_err(|_| GatewayError::SpoolClosed)??;
        Ok(Self {
            requests,
            newest: newest_out,
            id,
        })
    }

    async fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, GatewayError> {
        let (sender, answer) = oneshot::channel();
        let sent = self.requests.send(request(sender)).await;
        sent.map_err(|_| GatewayError::SpoolClosed)?;
        answer.await.map_err(|_| GatewayError::SpoolClosed)?
    }

    /// Takes the cloud's acknowledgement of records of `device`.
    pub async fn settle(
        &self,
        device: &str,
        stream: Stream,
        ack: Ack,
    ) -> Result<Settled, GatewayError> {
        self.ask(|answer| Request::Settle(device.to_owned(), stream, ack, answer))
            .await
    }

    /// Batches that wait, numbered above `after`, oldest first, at most `count`.
    pub async fn waiting(
        &self,
        after: Option<u64>,
        count: usize,
    ) -> Result<Vec<Waiting>, GatewayError> {
        self.ask(|answer| Request::Waiting(after, count, answer))
            .await
    }

    /// Which of these batches still wait.
    pub async fn still_pending(&self, numbers: Vec<u64>) -> Result<Vec<u64>, GatewayError> {
        self.ask(|answer| Request::StillPending(numbers, answer))
            .await
    }

    /// The cloud will never take this batch: it waits no more, and an event says why.
    pub async fn park(&self, number: u64, reason: String) -> Result<(), GatewayError> {
        self.ask(|answer| Request::Park(number, reason, answer))
            .await
    }

    /// Keeps an event of the gateway.
    pub async fn report(&self, event: Event) -> Result<(), GatewayError> {
        self.ask(|answer| Request::Report(event, answer)).await
    }

    /// Deletes what was acknowledged long ago.
    pub async fn tidy(&self) -> Result<(), GatewayError> {
        self.ask(Request::Tidy).await
    }

    /// Its numbers.
    pub async fn stats(&self) -> Result<SpoolStats, GatewayError> {
        self.ask(Request::Stats).await
    }

    /// Closes the store; its folder may be opened again when this returns.
    pub async fn close(&self) {
        // Closed already is closed as well.
        let _ = self.ask(Request::Close).await;
    }

    /// Changes to the number that the next batch will get, whenever one was kept.
    pub fn newest(&self) -> watch::Receiver<u64> {
        self.newest.clone()
    }
}

#[async_trait]
impl Holder for Spool {
    async fn keep(&self, batches: Vec<Arc<Incoming>>) -> Result<Vec<Kept>, BoxError> {
        Ok(self.ask(|answer| Request::Keep(batches, answer)).await?)
    }

    fn store(&self) -> StoreId {
        self.id.clone()
    }
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Spool({})", self.id)
    }
}

// Whoever does not wait for an answer any more does not need it.
fn serve(
    mut store: Store,
    clock: &SessionClock,
    mut inbox: mpsc::Receiver<Request>,
    newest: &watch::Sender<u64>,
) {
    let mut closed = None;
    while let Some(request) = inbox.blocking_recv() {
        let now_ms = clock.now().wall_ms;
        match request {
            Request::Keep(batches, answer) => drop(answer.send(store.keep(&batches))),
            Request::Settle(device, stream, ack, answer) => {
                drop(answer.send(store.settle(&device, stream, &ack, now_ms)));
            }
            Request::Waiting(after, count, answer) => {
                drop(answer.send(store.waiting(after, count)));
            }
            Request::StillPending(numbers, answer) => {
                let pending = numbers
                    .into_iter()
                    .filter(|number| store.is_pending(*number));
                drop(answer.send(Ok(pending.collect())));
            }
            Request::Park(number, reason, answer) => {
                drop(answer.send(store.park(number, &reason, now_ms)));
            }
            Request::Report(event, answer) => drop(answer.send(store.report(vec![event]))),
            Request::Tidy(answer) => drop(answer.send(store.tidy(now_ms))),
            Request::Stats(answer) => drop(answer.send(Ok(store.stats()))),
            Request::Close(answer) => {
                closed = Some(answer);
                break;
            }
        }
        newest.send_if_modified(|known| {
            let changed = *known != store.next();
            *known = store.next();
            changed
        });
    }
    if let Err(error) = store.tidy(clock.now().wall_ms) {
        warn!(%error, "the spool could not be tidied at its end");
    }
    drop(store);
    if let Some(closed) = closed {
        let _ = closed.send(Ok(()));
    }
}
