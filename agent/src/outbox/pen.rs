//! The thread that alone writes the outbox: one durable write for all who wait at the time.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use noroshi_protocol::{BootId, SequenceRange, Stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::{Held, Holdings, NewRecord, Outbox, Place, Quota, SledOutbox, Start};
use crate::AgentError;
use noroshi_service::failpoint;

/// Most records in one durable write.
const GROUP: usize = 256;
/// Most records that wait to be written; who comes then waits.
const WAITING: usize = 1_024;
/// How long a store that failed is left alone.
const RETRY: Duration = Duration::from_secs(5);

type Answer<T> = oneshot::Sender<Result<T, String>>;

enum Task {
    Append(NewRecord, Answer<u64>, OwnedSemaphorePermit),
    Read {
        stream: Stream,
        after: Option<Place>,
        count: usize,
        bytes: usize,
        answer: Answer<Vec<Held>>,
    },
    Settle {
        stream: Stream,
        boot: BootId,
        ranges: Vec<SequenceRange>,
        answer: Answer<u64>,
    },
    StartOf(u64, Answer<Option<Start>>),
}

/// How the outbox is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// How much there is.
    pub holdings: Holdings,
    /// Rises with every durable write.
    pub writes: u64,
    /// Records that could not be written: they never existed.
    pub unwritten: u64,
    /// Why the store can't be used at the moment.
    pub fault: Option<String>,
}

/// A handle to the writing thread; clones share it. It ends when the last handle is gone.
#[derive(Clone)]
pub struct OutboxPen {
    tasks: Sender<Task>,
    room: Arc<Semaphore>,
    account: watch::Receiver<Account>,
}

/// Opens the store in `folder` on a thread of its own. `linger` is how long a record waits for
/// others to share its write.
pub fn open(
    folder: PathBuf,
    quota: Quota,
    start: Start,
    linger: Duration,
) -> Result<OutboxPen, AgentError> {
    let (tasks, received) = channel();
    let (publish, account) = watch::channel(Account::default());
    let mut desk = Desk {
        folder,
        quota,
        start,
        linger,
        store: None,
        next: [0; 2],
        retry_at: Instant::now(),
        account: Account::default(),
        publish,
    };
    desk.reopen();
    std::thread::Builder::new()
        .name("outbox".into())
        .spawn(move || desk.work(&received))
        .map_err(AgentError::io("start the outbox's thread"))?;
    Ok(OutboxPen {
        tasks,
        room: Arc::new(Semaphore::new(WAITING)),
        account,
    })
}

impl OutboxPen {
    /// Hands a record over, waiting while too many others wait. The answer comes when the record
    /// exists, with its sequence; who need not know may drop it.
    pub async fn submit(
        &self,
        record: NewRecord,
    ) -> Result<oneshot::Receiver<Result<u64, String>>, AgentError> {
        let permit = Arc::clone(&self.room)
            .acquire_owned()
            .await
            .map_err(|_| closed())?;
        let (answer, written) = oneshot::channel();
        self.tasks
            .send(Task::Append(record, answer, permit))
            .map_err(|_| closed())?;
        Ok(written)
    }

    /// Makes a record exist and returns its sequence.
    pub async fn append(&self, record: NewRecord) -> Result<u64, AgentError> {
        let written = self.submit(record).await?;
        written
            .await
            .map_err(|_| closed())?
            .map_err(AgentError::Outbox)
    }

    /// As [`Outbox::read`].
    pub async fn read(
        &self,
        stream: Stream,
        after: Option<Place>,
        count: usize,
        bytes: usize,
    ) -> Result<Vec<Held>, AgentError> {
        self.ask(|answer| Task::Read {
            stream,
            after,
            count,
            bytes,
            answer,
        })
        .await
    }

    /// As [`Outbox::settle`].
    pub async fn settle(
        &self,
        stream: Stream,
        boot: BootId,
        ranges: Vec<SequenceRange>,
    ) -> Result<u64, AgentError> {
        self.ask(|answer| Task::Settle {
            stream,
            boot,
            ranges,
            answer,
        })
        .await
    }

    /// As [`Outbox::start`].
    pub async fn start_of(&self, number: u64) -> Result<Option<Start>, AgentError> {
        self.ask(|answer| Task::StartOf(number, answer)).await
    }

    /// How the outbox is, now and after every change.
    pub fn account(&self) -> watch::Receiver<Account> {
        self.account.clone()
    }

    async fn ask<T>(&self, task: impl FnOnce(Answer<T>) -> Task) -> Result<T, AgentError> {
        let (answer, answered) = oneshot::channel();
        self.tasks.send(task(answer)).map_err(|_| closed())?;
        answered
            .await
            .map_err(|_| closed())?
            .map_err(AgentError::Outbox)
    }
}

fn closed() -> AgentError {
    AgentError::Outbox("its thread has ended".into())
}

/// Appends that share one write, and what else came in meanwhile.
#[derive(Default)]
struct Group {
    records: Vec<NewRecord>,
    answers: Vec<Answer<u64>>,
    permits: Vec<OwnedSemaphorePermit>,
    others: Vec<Task>,
}

impl Group {
    fn take(&mut self, task: Task) {
        match task {
            Task::Append(record, answer, permit) => {
                self.records.push(record);
                self.answers.push(answer);
                self.permits.push(permit);
            }
            other => self.others.push(other),
        }
    }

    fn is_full(&self) -> bool {
        self.records.len() >= GROUP || self.others.len() >= GROUP
    }
}

struct Desk {
    folder: PathBuf,
    quota: Quota,
    start: Start,
    linger: Duration,
    store: Option<SledOutbox>,
    /// Sequences that were given, by stream, whatever became of the write.
    next: [u64; 2],
    retry_at: Instant,
    account: Account,
    publish: watch::Sender<Account>,
}

impl Desk {
    fn work(mut self, tasks: &Receiver<Task>) {
        while let Ok(first) = tasks.recv() {
            let mut group = Group::default();
            group.take(first);
            self.gather(tasks, &mut group);
            self.write(group);
        }
    }

    fn gather(&self, tasks: &Receiver<Task>, group: &mut Group) {
        let until = Instant::now() + self.linger;
        while !group.is_full() {
            // Only appends are worth waiting for.
            let patience = if group.records.is_empty() || !group.others.is_empty() {
                Duration::ZERO
            } else {
                until.saturating_duration_since(Instant::now())
            };
            match tasks.recv_timeout(patience) {
                Ok(task) => group.take(task),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
    }

    fn write(&mut self, group: Group) {
        if !group.records.is_empty() {
            let written = self.with(|store| store.append(&group.records));
            failpoint::pass("outbox.before_answer");
            match &written {
                Ok(_) => self.account.writes += 1,
                Err(_) => self.account.unwritten += group.records.len() as u64,
            }
            self.tell();
            for (at, answer) in group.answers.into_iter().enumerate() {
                let one = written
                    .as_ref()
                    .map_err(Clone::clone)
                    .map(|sequences| sequences[at]);
                // Who does not listen does not need to know.
                drop(answer.send(one));
            }
            drop(group.permits);
        }
        for task in group.others {
            self.answer(task);
        }
    }

    fn answer(&mut self, task: Task) {
        match task {
            Task::Append(..) => {}
            Task::Read {
                stream,
                after,
                count,
                bytes,
                answer,
            } => {
                let read = self.with(|store| store.read(stream, after, count, bytes));
                drop(answer.send(read));
            }
            Task::Settle {
                stream,
                boot,
                ranges,
                answer,
            } => {
                let settled = self.with(|store| store.settle(stream, boot, &ranges));
                self.tell();
                drop(answer.send(settled));
            }
            Task::StartOf(number, answer) => {
                let start = self.with(|store| store.start(number));
                drop(answer.send(start));
            }
        }
    }

    /// Uses the store, reopening it if it failed a while ago; a failure closes it.
    fn with<T>(
        &mut self,
        act: impl FnOnce(&mut SledOutbox) -> Result<T, AgentError>,
    ) -> Result<T, String> {
        if self.store.is_none() && Instant::now() >= self.retry_at {
            self.reopen();
        }
        let Some(store) = &mut self.store else {
            return Err(self.account.fault.clone().unwrap_or_default());
        };
        let done = act(store);
        for (next, stream) in self.next.iter_mut().zip(Stream::ALL) {
            *next = store.next_sequence(stream);
        }
        done.map_err(|e| self.close(&e))
    }

    fn reopen(&mut self) {
        match SledOutbox::open(&self.folder, self.quota, self.start) {
            Ok(mut store) => {
                for (next, stream) in self.next.iter().zip(Stream::ALL) {
                    store.skip_to(stream, *next);
                }
                self.store = Some(store);
                self.account.fault = None;
            }
            Err(e) => {
                self.close(&e);
            }
        }
        self.tell();
    }

    fn close(&mut self, error: &AgentError) -> String {
        let text = error.to_string();
        if self.account.fault.is_none() {
            tracing::error!(error = %text, "the outbox can't be used; trying again later");
        }
        self.store = None;
        self.retry_at = Instant::now() + RETRY;
        self.account.fault = Some(text.clone());
        text
    }

    fn tell(&mut self) {
        if let Some(store) = &self.store {
            self.account.holdings = store.holdings();
        }
        self.publish.send_replace(self.account.clone());
    }
}
