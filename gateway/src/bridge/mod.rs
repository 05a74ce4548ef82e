//! The bridge to the cloud: one MQTT 5 client, two directions with disjoint kinds, so nothing
//! loops.
//!
//! Up go status, reported, result, event, metric and reply; down come desired and command, and
//! acknowledgements that end here. After a reconnect the site's state goes first, then new
//! records, and the backlog at a limited rate beside them.

mod lanes;
mod link;
mod records;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use noroshi_protocol::{Ack, Channel, Message as _, Presence, Topic};
use noroshi_service::session::{
    self, Message, Properties, PublishError, PublishOutcome, Qos, Refusal, SessionEvent,
    SessionEvents, SessionHandle,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::GatewayError;
use crate::spool::Spool;
use lanes::Item;
use noroshi_service::failpoint;
use records::RecordLane;

pub use lanes::Uplink;
pub use link::CloudLink;

/// Publishes under way at once; fewer than the session's window.
const IN_FLIGHT: usize = 24;
/// Backlog batches a tick, and the tick: 200 a second.
const BACKLOG: u32 = 10;
const TICK: Duration = Duration::from_millis(50);
const RECHECK: Duration = Duration::from_secs(5);
const GOODBYE: Duration = Duration::from_secs(2);

/// What the cloud sends down to a site.
#[async_trait]
pub trait Downlink: Send + Sync + 'static {
    /// A desired document for `topic.device`, which may be the gateway; empty clears it.
    async fn desired(&self, topic: Topic, document: Bytes);
    /// A command for a device.
    async fn command(&self, topic: Topic, command: Bytes);
    /// The connection to the cloud came (`true`) or went.
    fn linked(&self, up: bool);
}

/// The bridge, before it runs.
pub struct Bridge {
    link: CloudLink,
    uplink: Uplink,
    spool: Spool,
    down: Arc<dyn Downlink>,
}

enum Sent {
    Item(Item, PublishOutcome),
    Record(u64, PublishOutcome),
}

impl Bridge {
    /// A bridge between a site's spool and lanes and the cloud.
    pub fn new(link: CloudLink, uplink: Uplink, spool: Spool, down: Arc<dyn Downlink>) -> Self {
        Self {
            link,
            uplink,
            spool,
            down,
        }
    }

    /// Runs until `stop` is cancelled; then says goodbye.
    pub async fn run(self, stop: CancellationToken) -> Result<(), GatewayError> {
        let (handle, events, driver) = session::open(self.link.session_options());
        // The session outlives the stop by the goodbye.
        let session_stop = CancellationToken::new();
        let _ends = session_stop.clone().drop_guard();
        let mut bridging = Bridging {
            records: RecordLane::new(self.spool.clone()),
            link: self.link,
            uplink: self.uplink,
            spool: self.spool,
            down: self.down,
            handle,
            in_flight: FuturesUnordered::new(),
            connected: None,
            later: Vec::new(),
        };
        let driver = driver.run(session_stop.clone());
        tokio::pin!(driver);
        tokio::select! {
            _ = &mut driver => return Ok(()),
            ended = bridging.until(&stop, events) => ended?,
        }
        let goodbye = bridging.goodbye();
        tokio::select! {
            _ = &mut driver => return Ok(()),
            _ = tokio::time::timeout(GOODBYE, goodbye) => {}
        }
        session_stop.cancel();
        let _ = tokio::time::timeout(GOODBYE, driver).await;
        Ok(())
    }
}

struct Bridging {
    link: CloudLink,
    uplink: Uplink,
    spool: Spool,
    down: Arc<dyn Downlink>,
    records: RecordLane,
    handle: SessionHandle,
    in_flight: FuturesUnordered<BoxFuture<'static, Sent>>,
    connected: Option<u64>,
    /// Items that the cloud had no room for.
    later: Vec<Item>,
}

impl Bridging {
    async fn until(
        &mut self,
        stop: &CancellationToken,
        mut events: SessionEvents,
    ) -> Result<(), GatewayError> {
        let mut tick = tokio::time::interval(TICK);
        let mut recheck = tokio::time::interval(RECHECK);
        let mut newest = self.spool.newest();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                event = events.recv() => match event {
                    Some(event) => self.event(event).await?,
                    None => return Ok(()),
                },
                Some(sent) = self.in_flight.next() => self.sent(sent).await?,
                () = self.uplink.offered() => {}
                changed = newest.changed() => changed.map_err(|_| GatewayError::SpoolClosed)?,
                _ = tick.tick() => self.records.allow(BACKLOG),
                _ = recheck.tick() => {
                    std::mem::take(&mut self.later)
                        .into_iter()
                        .for_each(|item| self.uplink.put_back(item));
                    self.records.recheck().await?;
                }
            }
            self.pump().await?;
        }
    }

    async fn event(&mut self, event: SessionEvent) -> Result<(), GatewayError> {
        match event {
            SessionEvent::Connected { epoch, .. } => {
                info!(cloud.host = self.link.host, "connected to the cloud");
                self.connected = Some(epoch);
                self.say(self.link.status(Presence::Online, epoch));
                self.uplink.all_state_again();
                self.records.restart();
                self.down.linked(true);
            }
            SessionEvent::Disconnected { .. } => {
                self.connected = None;
                self.down.linked(false);
            }
            SessionEvent::SubscriptionsDenied { denied, .. } => {
                for denied in denied {
                    warn!(
                        filter = denied.filter,
                        reason = denied.reason,
                        "the cloud denies"
                    );
                }
            }
            SessionEvent::Message(message) => self.message(message).await?,
        }
        Ok(())
    }

    fn say(&self, status: (Topic, Vec<u8>)) -> Option<session::PublishTicket> {
        let (topic, payload) = status;
        let said = self.handle.publish(
            topic.to_string(),
            payload,
            Qos::AtLeastOnce,
            true,
            Properties::default(),
        );
        // Without a connection the next one says it.
        said.ok()
    }

    async fn message(&mut self, message: Message) -> Result<(), GatewayError> {
        let Ok(topic) = message.topic.parse::<Topic>() else {
            return Ok(());
        };
        let start = &self.link.start;
        let ours = topic.org == start.org && topic.site == start.site;
        if !ours || message.payload.len() > topic.channel.limit() {
            return Ok(());
        }
        match topic.channel {
            Channel::Desired => self.down.desired(topic, message.payload).await,
            Channel::Command(_) => self.down.command(topic, message.payload).await,
            Channel::Ack(stream) => match Ack::from_cbor(&message.payload) {
                Ok(ack) => {
                    failpoint::pass("bridge.before_settle");
                    let settled = self
                        .spool
                        .settle(topic.device.as_str(), stream, ack)
                        .await?;
                    if settled.replaced {
                        info!("the cloud's store is another one: what is kept is sent again");
                    }
                    self.records.settled(&settled);
                }
                Err(error) => warn!(%error, "an acknowledgement can't be read"),
            },
            _ => {}
        }
        Ok(())
    }

    /// Hands over as much as the connection takes.
    async fn pump(&mut self) -> Result<(), GatewayError> {
        while self.connected.is_some() && self.in_flight.len() < IN_FLIGHT {
            if let Some(item) = self.uplink.urgent() {
                if !self.send_item(item) {
                    break;
                }
            } else if let Some(waiting) = self.records.next().await? {
                let number = waiting.number;
                if !self
                    .send_record(number, waiting.topic, waiting.payload)
                    .await?
                {
                    break;
                }
            } else if let Some(item) = self.uplink.idle() {
                if !self.send_item(item) {
                    break;
                }
            } else {
                break;
            }
        }
        Ok(())
    }

    fn send_item(&mut self, item: Item) -> bool {
        let (Item::State(topic, payload)
        | Item::Reply(topic, payload)
        | Item::Metric(topic, payload)) = item.clone();
        let qos = if topic.channel.qos() == 0 {
            Qos::AtMostOnce
        } else {
            Qos::AtLeastOnce
        };
        let retain = topic.channel.retained();
        let properties = Properties::default();
        match self
            .handle
            .publish(topic.to_string(), payload, qos, retain, properties)
        {
            Ok(ticket) => {
                self.in_flight
                    .push(Box::pin(async move { Sent::Item(item, ticket.await) }));
                true
            }
            Err(PublishError::Offline | PublishError::Full) => {
                self.uplink.put_back(item);
                false
            }
            Err(error) => {
                warn!(%topic, %error, "not sent to the cloud");
                true
            }
        }
    }

    async fn send_record(
        &mut self,
        number: u64,
        topic: String,
        payload: Vec<u8>,
    ) -> Result<bool, GatewayError> {
        let properties = Properties::default();
        match self
            .handle
            .publish(topic, payload, Qos::AtLeastOnce, false, properties)
        {
            Ok(ticket) => {
                self.in_flight
                    .push(Box::pin(async move { Sent::Record(number, ticket.await) }));
                Ok(true)
            }
            Err(PublishError::Offline | PublishError::Full) => {
                self.records.lost(number);
                Ok(false)
            }
            Err(error) => {
                self.records.gone(number);
                self.spool.park(number, error.to_string()).await?;
                Ok(true)
            }
        }
    }

    async fn sent(&mut self, sent: Sent) -> Result<(), GatewayError> {
        match sent {
            Sent::Item(item, PublishOutcome::Lost) => self.uplink.put_back(item),
            Sent::Item(item, PublishOutcome::Refused(Refusal::QuotaExceeded)) => {
                self.later.push(item);
            }
            Sent::Item(item, PublishOutcome::Refused(reason)) => {
                // The same would be refused again; a newer one is tried.
                warn!(?item, ?reason, "the cloud refuses a message");
            }
            Sent::Item(_, PublishOutcome::Acked) => {}
            Sent::Record(number, PublishOutcome::Acked) => self.records.accepted(number),
            Sent::Record(number, PublishOutcome::Lost) => self.records.lost(number),
            Sent::Record(number, PublishOutcome::Refused(reason)) => match reason {
                Refusal::QuotaExceeded | Refusal::PacketIdInUse => self.records.busy(number),
                reason => {
                    warn!(
                        ?reason,
                        "the cloud refuses a batch of records; it is parked"
                    );
                    self.records.gone(number);
                    self.spool.park(number, format!("{reason:?}")).await?;
                }
            },
        }
        Ok(())
    }

    async fn goodbye(&mut self) {
        let Some(epoch) = self.connected else { return };
        if let Some(ticket) = self.say(self.link.status(Presence::Stopped, epoch)) {
            let _ = ticket.await;
        }
    }
}
