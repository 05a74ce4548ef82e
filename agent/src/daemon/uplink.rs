//! The broker: says that we are there, hands on what it sends, and publishes state.

use std::sync::Arc;
use std::time::Duration;

use noroshi_protocol::{
    Ack, Batch, Channel, Kind, Message as _, Presence, RefusalReason, Reply, Status, Stream, Topic,
    TopicFilter,
};
use noroshi_service::session::{
    self, Address, Connect, Message, Properties, Qos, SessionDriver, SessionEvent, SessionEvents,
    SessionHandle, SessionOptions, Subscription, Will,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::acks::Acks;
use super::commands::Obedience;
use super::controller::Input;
use super::network::Network;
use super::notes::Notes;
use crate::AgentError;
use crate::outbox::{OutboxPen, Start};

/// How long the broker waits for us to come back before it says *lost*.
const WILL_DELAY: Duration = Duration::from_secs(20);
/// How often the desired document is fetched whatever the broker sends.
const FETCH: Duration = Duration::from_secs(600);
/// How long the goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// Topics of this device.
#[derive(Clone)]
pub(super) struct Topics {
    own: Topic,
}

impl Topics {
    pub(super) fn of(network: &Network) -> Result<Self, AgentError> {
        let file = network.identity.file().ok_or_else(|| {
            AgentError::Identity("the identity has no identity.json: enrol this device".into())
        })?;
        Ok(Self {
            own: Topic {
                org: file.org.clone(),
                site: file.site.clone(),
                device: file.device.clone(),
                channel: Channel::Status,
            },
        })
    }

    pub(super) fn on(&self, channel: Channel) -> Topic {
        Topic {
            channel,
            ..self.own.clone()
        }
    }

    /// Filters for everything that is sent to this device.
    fn subscriptions(&self) -> Vec<Subscription> {
        let mut filters: Vec<String> = [
            Channel::Status,
            Channel::Desired,
            Channel::Choice,
            Channel::Ack(Stream::Result),
            Channel::Ack(Stream::Event),
        ]
        .into_iter()
        .map(|channel| self.on(channel).to_string())
        .collect();
        let commands = TopicFilter {
            org: self.own.org.clone(),
            site: Some(self.own.site.clone()),
            device: Some(self.own.device.clone()),
            kind: Kind::Command,
            name: None,
        };
        filters.push(commands.to_string());
        filters.into_iter().map(Subscription::new).collect()
    }
}

/// Opens the session; the will of each connection carries its number.
pub(super) fn open(
    network: &Arc<Network>,
    topics: &Topics,
    start: Start,
) -> Result<(SessionHandle, SessionEvents, SessionDriver), AgentError> {
    let (host, port) = network.endpoint.broker()?;
    let client_id = network.identity.peer().client_id();
    let (network, will_topic) = (Arc::clone(network), topics.on(Channel::Status));
    let mut options = SessionOptions::new(client_id, move |epoch| {
        let config = network.tls().map_err(|e| e.to_string())?;
        let lost = status(&network, start, epoch, Presence::Lost);
        Ok(Connect {
            address: Address::tls(host.clone(), port, Arc::new(config)),
            credentials: None,
            will: Some(Will {
                topic: will_topic.to_string(),
                payload: lost.to_json().into(),
                qos: Qos::AtLeastOnce,
                retain: true,
                delay: WILL_DELAY,
            }),
        })
    });
    options.subscriptions = topics.subscriptions();
    // The will's delay ends with the session.
    options.session_expiry = Duration::from_secs(60);
    Ok(session::open(options))
}

fn status(network: &Network, start: Start, connection: u64, status: Presence) -> Status {
    Status {
        status,
        start: start.number,
        connection,
        boot: start.boot,
        since_ms: network.clock.now().wall_ms,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// The task.
pub(super) struct Uplink {
    pub(super) network: Arc<Network>,
    pub(super) topics: Topics,
    pub(super) start: Start,
    pub(super) handle: SessionHandle,
    pub(super) controller: mpsc::Sender<Input>,
    pub(super) obedience: Arc<Obedience>,
    pub(super) envelope: watch::Receiver<Vec<u8>>,
    pub(super) pen: OutboxPen,
    pub(super) acks: Acks,
    pub(super) notes: Notes,
    /// Fetches and commands on their way.
    pub(super) errands: JoinSet<()>,
}

impl Uplink {
    /// Runs until `stop`, then says goodbye and ends the session by `end`.
    pub(super) async fn run(
        mut self,
        mut events: SessionEvents,
        stop: CancellationToken,
        end: CancellationToken,
    ) -> Result<(), AgentError> {
        let mut fetch = tokio::time::interval(FETCH);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                event = events.recv() => match event {
                    Some(event) => self.take(event).await,
                    None => break,
                },
                changed = self.envelope.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    self.report();
                }
                _ = fetch.tick() => self.fetch_desired(),
                Some(ended) = self.errands.join_next() => if let Err(e) = ended {
                    tracing::error!(error = %e, "an errand failed");
                },
            }
        }
        if let Some(epoch) = self.handle.epoch() {
            let goodbye = status(&self.network, self.start, epoch, Presence::Stopped);
            let topic = self.topics.on(Channel::Status);
            if let Ok(ticket) = self.publish(&topic, goodbye.to_json())
                && tokio::time::timeout(GOODBYE, ticket).await.is_err()
            {
                tracing::info!("the broker did not take the goodbye in time");
            }
        }
        end.cancel();
        self.errands.shutdown().await;
        Ok(())
    }

    fn publish(
        &self,
        topic: &Topic,
        payload: Vec<u8>,
    ) -> Result<session::PublishTicket, session::PublishError> {
        let qos = match topic.channel.qos() {
            0 => Qos::AtMostOnce,
            _ => Qos::AtLeastOnce,
        };
        self.handle.publish(
            topic.to_string(),
            payload,
            qos,
            topic.channel.retained(),
            Properties::default(),
        )
    }

    /// Publishes state that is published again at the next connection if it is lost now.
    fn publish_state(&self, topic: &Topic, payload: Vec<u8>) {
        if let Err(e) = self.publish(topic, payload) {
            tracing::debug!(%topic, error = %e, "not published now");
        }
    }

    async fn take(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Connected { epoch, .. } => {
                self.say_online(epoch);
                self.report();
                self.fetch_desired();
            }
            SessionEvent::Disconnected { .. } => {}
            SessionEvent::SubscriptionsDenied { denied, .. } => {
                let filters: Vec<String> = denied.into_iter().map(|d| d.filter).collect();
                let text = format!("the broker refused to send {}", filters.join(", "));
                if self.notes.is_new(&text) {
                    let event = crate::event::event("subscription-denied", text);
                    self.notes.tell(event).await;
                }
            }
            SessionEvent::Message(message) => self.message(message).await,
        }
    }

    fn say_online(&self, epoch: u64) {
        let online = status(&self.network, self.start, epoch, Presence::Online);
        self.publish_state(&self.topics.on(Channel::Status), online.to_json());
    }

    fn report(&self) {
        let envelope = self.envelope.borrow().clone();
        if !envelope.is_empty() {
            self.publish_state(&self.topics.on(Channel::Reported), envelope);
        }
    }

    /// Retained MQTT is the wake-up, this is the truth.
    fn fetch_desired(&mut self) {
        let (network, controller) = (Arc::clone(&self.network), self.controller.clone());
        self.errands.spawn(async move {
            match network.desired().await {
                Ok(Some(bytes)) => {
                    if controller.send(Input::Desired(bytes)).await.is_err() {
                        tracing::debug!("stopping: the desired document is not looked at");
                    }
                }
                Ok(None) => {}
                Err(e) => tracing::info!(error = %e, "the desired document can't be fetched"),
            }
        });
    }

    async fn message(&mut self, message: Message) {
        let Ok(topic) = message.topic.parse::<Topic>() else {
            return;
        };
        // An empty one clears what was retained.
        if message.payload.is_empty() {
            return;
        }
        if self.topics.on(topic.channel.clone()) != topic
            || message.payload.len() > topic.channel.limit()
        {
            tracing::warn!(%topic, size_bytes = message.payload.len(), "message ignored");
            return;
        }
        match topic.channel {
            Channel::Desired => self.hand_on(Input::Desired(message.payload.to_vec())).await,
            Channel::Choice => self.hand_on(Input::Choice(message.payload.to_vec())).await,
            Channel::Command(_) => self.obey(message.payload.to_vec()),
            Channel::Ack(stream) => self.settle(stream, &message.payload).await,
            Channel::Status => self.see_status(&message.payload),
            _ => {}
        }
    }

    async fn hand_on(&self, input: Input) {
        if self.controller.send(input).await.is_err() {
            tracing::debug!("stopping: a message is not looked at");
        }
    }

    /// Our own *lost* means that a will came after we were back.
    fn see_status(&self, payload: &[u8]) {
        let Some(seen) = Status::from_json(payload) else {
            return;
        };
        if seen.status != Presence::Online
            && let Some(epoch) = self.handle.epoch()
        {
            tracing::info!("our own goodbye was seen after we came back; saying online again");
            self.say_online(epoch);
        }
    }

    fn obey(&mut self, bytes: Vec<u8>) {
        let (obedience, handle, topics) = (
            Arc::clone(&self.obedience),
            self.handle.clone(),
            self.topics.clone(),
        );
        self.errands.spawn(async move {
            if let Some(reply) = obedience.obey(&bytes).await {
                send_reply(&handle, &topics, &reply).await;
            }
        });
    }

    async fn settle(&mut self, stream: Stream, payload: &[u8]) {
        let ack = match Ack::from_cbor(payload) {
            Ok(ack) => ack,
            Err(e) => {
                tracing::warn!(error = %e, "acknowledgement ignored");
                return;
            }
        };
        let mut ranges = ack.settled.clone();
        for refusal in &ack.refused {
            ranges.push(refusal.range);
            self.tell_refusal(stream, &ack, refusal.reason, refusal.range.count())
                .await;
        }
        match self.pen.settle(stream, ack.boot, ranges).await {
            Ok(_) => self.acks.came(ack.store),
            Err(e) => tracing::warn!(error = %e, "an acknowledgement could not be kept"),
        }
    }

    async fn tell_refusal(&self, stream: Stream, ack: &Ack, reason: RefusalReason, count: u64) {
        // An event about a refused event could be refused as well, for ever.
        if stream == Stream::Event {
            tracing::warn!(?reason, count, "events were refused by the next holder");
            return;
        }
        let text = format!("{count} results were refused by the next holder: {reason:?}");
        let details = [("boot", ack.boot.to_string()), ("count", count.to_string())];
        let event = crate::event::detailed("record-refused", text, details);
        self.notes.tell(event).await;
    }
}

async fn send_reply(handle: &SessionHandle, topics: &Topics, reply: &Reply) {
    let topic = topics.on(Channel::Reply(reply.id.clone())).to_string();
    // A reply is kept: who misses it sends the command again.
    for _ in 0..3 {
        if handle.connected().await.is_none() {
            return;
        }
        let sent = handle.publish(
            topic.clone(),
            reply.to_cbor(),
            Qos::AtLeastOnce,
            false,
            Properties::default(),
        );
        if let Ok(ticket) = sent
            && ticket.await == session::PublishOutcome::Acked
        {
            return;
        }
    }
    tracing::info!(command.id = %reply.id, "the reply could not be sent");
}

/// Bytes of a batch's own fields, for the size of a read.
pub(super) fn batch_overhead() -> usize {
    // Boot, start and operating system's boot with their names, and a margin.
    std::mem::size_of::<Batch<noroshi_protocol::Event>>() + 256
}
