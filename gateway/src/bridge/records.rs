//! Which batches of the spool go up next: new ones at once, the backlog at a limited rate.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::GatewayError;
use crate::spool::{Settled, Spool, Waiting};

/// Batches that may be with the cloud unacknowledged.
const UNACKNOWLEDGED: usize = 256;
/// Read from the spool at once.
const READ: usize = 32;
/// Sent again if the cloud has not acknowledged by then.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to hold back after the cloud said that it is full.
const BUSY: Duration = Duration::from_secs(1);

/// A lane's place in the spool: entries from `next` up to `end` (without it).
#[derive(Debug, Default)]
struct Cursor {
    next: u64,
    end: u64,
    read: VecDeque<Waiting>,
}

/// The records' way up.
#[derive(Debug)]
pub(super) struct RecordLane {
    spool: Spool,
    fresh: Cursor,
    backlog: Cursor,
    again: BTreeSet<u64>,
    sending: BTreeSet<u64>,
    sent: BTreeMap<u64, Instant>,
    allowance: u32,
    held_until: Option<Instant>,
}

impl RecordLane {
    pub(super) fn new(spool: Spool) -> Self {
        Self {
            spool,
            fresh: Cursor::default(),
            backlog: Cursor::default(),
            again: BTreeSet::new(),
            sending: BTreeSet::new(),
            sent: BTreeMap::new(),
            allowance: 0,
            held_until: None,
        }
    }

    /// A new connection, or a new store in the cloud: everything that waits is backlog.
    pub(super) fn restart(&mut self) {
        let newest = *self.spool.newest().borrow();
        self.fresh = Cursor {
            next: newest,
            end: u64::MAX,
            read: VecDeque::new(),
        };
        self.backlog = Cursor {
            next: 0,
            end: newest,
            read: VecDeque::new(),
        };
        self.again.clear();
        self.sent.clear();
        self.held_until = None;
    }

    /// Lets `more` batches of the backlog go.
    pub(super) fn allow(&mut self, more: u32) {
        self.allowance = more;
    }

    /// The next batch to send, if one may be sent now.
    pub(super) async fn next(&mut self) -> Result<Option<Waiting>, GatewayError> {
        let open = self.sent.len() + self.sending.len();
        if open >= UNACKNOWLEDGED || self.held_until.is_some_and(|until| until > Instant::now()) {
            return Ok(None);
        }
        let mut waiting = pull(&self.spool, &mut self.fresh).await?;
        if waiting.is_none() && self.allowance > 0 {
            waiting = match self.again.pop_first() {
                Some(number) => one(&self.spool, number).await?,
                None => pull(&self.spool, &mut self.backlog).await?,
            };
            self.allowance -= u32::from(waiting.is_some());
        }
        if let Some(waiting) = &waiting {
            self.sending.insert(waiting.number);
        }
        Ok(waiting)
    }

    /// The cloud's broker took it; its store has not spoken yet.
    pub(super) fn accepted(&mut self, number: u64) {
        // A store may answer before its broker does.
        if self.sending.remove(&number) {
            self.sent.insert(number, Instant::now());
        }
    }

    /// It has to be sent again.
    pub(super) fn lost(&mut self, number: u64) {
        if self.sending.remove(&number) {
            self.again.insert(number);
        }
    }

    /// The cloud has no room.
    pub(super) fn busy(&mut self, number: u64) {
        self.lost(number);
        self.held_until = Some(Instant::now() + BUSY);
    }

    /// It waits no more.
    pub(super) fn gone(&mut self, number: u64) {
        self.sending.remove(&number);
        self.sent.remove(&number);
        self.again.remove(&number);
    }

    /// The cloud's store has spoken.
    pub(super) fn settled(&mut self, settled: &Settled) {
        settled.done.iter().for_each(|number| self.gone(*number));
        if settled.replaced {
            self.restart();
        }
    }

    /// Has what the cloud forgot sent again.
    pub(super) async fn recheck(&mut self) -> Result<(), GatewayError> {
        let now = Instant::now();
        let late: Vec<u64> = self
            .sent
            .iter()
            .filter(|(_, at)| now.duration_since(**at) >= PATIENCE)
            .map(|(number, _)| *number)
            .collect();
        if late.is_empty() {
            return Ok(());
        }
        self.sent.retain(|number, _| !late.contains(number));
        self.again.extend(self.spool.still_pending(late).await?);
        Ok(())
    }
}

async fn pull(spool: &Spool, cursor: &mut Cursor) -> Result<Option<Waiting>, GatewayError> {
    if cursor.read.is_empty() && cursor.next < cursor.end {
        // The number itself may be 0, so `after` is the one before or none.
        let after = cursor.next.checked_sub(1);
        if *spool.newest().borrow() > cursor.next {
            cursor.read = spool.waiting(after, READ).await?.into();
        }
        if cursor.read.is_empty() && cursor.end != u64::MAX {
            cursor.next = cursor.end;
        }
    }
    match cursor.read.pop_front() {
        Some(waiting) if waiting.number < cursor.end => {
            cursor.next = waiting.number + 1;
            Ok(Some(waiting))
        }
        Some(_) => {
            cursor.next = cursor.end;
            cursor.read.clear();
            Ok(None)
        }
        None => Ok(None),
    }
}

async fn one(spool: &Spool, number: u64) -> Result<Option<Waiting>, GatewayError> {
    let found = spool.waiting(number.checked_sub(1), 1).await?;
    Ok(found.into_iter().find(|waiting| waiting.number == number))
}
