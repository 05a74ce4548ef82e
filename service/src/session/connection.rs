//! One connection, from CONNECT to its end.

use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use rumqttc::Outgoing as Written;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnAck, Publish, SubAck, SubscribeReasonCode};
use rumqttc::v5::{ConnectionError, Event, Incoming};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::client::Client;
use super::handle::{Live, Outgoing};
use super::options::{Connect, SessionOptions};
use super::stash::Stash;
use super::types::{
    DeniedSubscription, DisconnectReason, Message, PublishOutcome, Refusal, SessionEvent,
};
use super::window::Window;

/// How long a broker may take to answer our subscriptions.
const SUBSCRIBE_PATIENCE: Duration = Duration::from_secs(20);
/// How long open publishes and the goodbye may take when the session stops.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(2);

/// What outlives a connection.
pub(super) struct Shared {
    pub(super) options: SessionOptions,
    pub(super) publishes: mpsc::Receiver<Outgoing>,
    pub(super) events: mpsc::Sender<SessionEvent>,
    pub(super) live: watch::Sender<Option<Live>>,
    pub(super) stash: Stash,
}

/// How a connection went.
pub(super) struct Ended {
    pub(super) reason: DisconnectReason,
    /// How long it was complete, from CONNACK and SUBACK to the end.
    pub(super) lasted: Duration,
    /// Whether the broker acknowledged a publish: it works, and does not only accept and drop.
    pub(super) proven: bool,
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connecting,
    Subscribing {
        session_present: bool,
    },
    Live {
        since: Instant,
    },
    /// No new publishes; waiting for the open ones.
    Draining {
        since: Instant,
    },
    /// DISCONNECT was handed over.
    Leaving {
        since: Instant,
    },
}

/// What a turn of the connection's loop is about.
enum Turn<'a> {
    Polled(Option<Result<Event, ConnectionError>>),
    Publish(Option<Outgoing>),
    /// A place in the event queue; `None` if nobody reads it.
    Place(Option<mpsc::Permit<'a, SessionEvent>>),
    Stop,
    Expired,
}

struct Connection<'a> {
    epoch: u64,
    shared: &'a mut Shared,
    client: Client,
    window: Window,
    phase: Phase,
    max_packet: u32,
    without_publishers: bool,
    proven: bool,
    /// When this connection is given up unless something happens first.
    deadline: Instant,
}

/// Connects, subscribes and carries messages until something ends it.
pub(super) async fn run(
    epoch: u64,
    connect: Connect,
    shared: &mut Shared,
    stop: &CancellationToken,
) -> Ended {
    let (client, event_loop) = Client::new(&shared.options, connect);
    // The stream keeps the future of a poll between our turns: it must not be dropped half done.
    let polls = stream::unfold(Box::new(event_loop), |mut event_loop| async move {
        let polled = event_loop.poll().await;
        Some((polled, event_loop))
    });
    tokio::pin!(polls);
    let mut connection = Connection {
        epoch,
        client,
        window: Window::new(shared.options.packet_ids()),
        phase: Phase::Connecting,
        max_packet: shared.options.max_packet,
        without_publishers: false,
        proven: false,
        // The library bounds connecting itself; this is only behind it.
        deadline: Instant::now() + SUBSCRIBE_PATIENCE * 2,
        shared,
    };
    let reason = connection.turn_until_end(&mut polls, stop).await;
    connection.end(reason)
}

impl Connection<'_> {
    async fn turn_until_end(
        &mut self,
        polls: &mut (impl Stream<Item = Result<Event, ConnectionError>> + Unpin),
        stop: &CancellationToken,
    ) -> DisconnectReason {
        let events = self.shared.events.clone();
        loop {
            let live = matches!(self.phase, Phase::Live { .. });
            let takes_publishes = live && !self.without_publishers && self.window.has_room();
            let delivers = self.shared.stash.is_ready();
            let stoppable = !matches!(self.phase, Phase::Draining { .. } | Phase::Leaving { .. });
            let turn = tokio::select! {
                polled = polls.next() => Turn::Polled(polled),
                publish = self.shared.publishes.recv(), if takes_publishes => Turn::Publish(publish),
                place = events.reserve(), if delivers => Turn::Place(place.ok()),
                () = stop.cancelled(), if stoppable => Turn::Stop,
                () = tokio::time::sleep_until(self.deadline) => Turn::Expired,
            };
            if let Err(reason) = self.turn(turn) {
                return reason;
            }
            self.leave_when_drained();
        }
    }

    fn turn(&mut self, turn: Turn<'_>) -> Result<(), DisconnectReason> {
        match turn {
            Turn::Polled(Some(Ok(event))) => self.happened(event),
            Turn::Polled(Some(Err(error))) => Err(self.failed(&error)),
            Turn::Polled(None) => Err(DisconnectReason::Network("the client ended".to_owned())),
            Turn::Publish(Some(publish)) => self.hand_over(publish),
            Turn::Publish(None) => {
                // Every handle is gone; messages still come in.
                self.without_publishers = true;
                Ok(())
            }
            Turn::Place(Some(place)) => deliver(place, &mut self.shared.stash, &self.client),
            // Nobody reads the events any more.
            Turn::Place(None) | Turn::Stop => self.drain(),
            Turn::Expired => Err(self.expired()),
        }
    }

    fn happened(&mut self, event: Event) -> Result<(), DisconnectReason> {
        match event {
            Event::Incoming(packet) => self.came(packet)?,
            Event::Outgoing(Written::Publish(packet_id)) => self.window.written(packet_id),
            Event::Outgoing(Written::Disconnect) => return Err(DisconnectReason::Stopping),
            Event::Outgoing(_) => {}
        }
        if matches!(self.phase, Phase::Live { .. }) {
            // A ping goes out every keep-alive, so an event comes at least that often, unless a
            // write blocks: then the library's own timer does not run.
            self.deadline = Instant::now() + self.shared.options.keep_alive().mul_f64(2.5);
        }
        Ok(())
    }

    fn came(&mut self, packet: Incoming) -> Result<(), DisconnectReason> {
        match packet {
            Incoming::ConnAck(answer) => self.accepted(&answer),
            Incoming::SubAck(answer) => {
                self.subscribed(&answer);
                Ok(())
            }
            Incoming::Publish(publish) => self.message(publish),
            Incoming::PubAck(answer) => {
                let outcome = Refusal::from_wire(answer.reason)
                    .map_or(PublishOutcome::Acked, PublishOutcome::Refused);
                self.proven |= outcome == PublishOutcome::Acked;
                self.window.acknowledged(answer.pkid, outcome);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn accepted(&mut self, answer: &ConnAck) -> Result<(), DisconnectReason> {
        let mut packet_ids = self.shared.options.packet_ids();
        if let Some(properties) = &answer.properties {
            // The library goes through the smaller of the two as well.
            packet_ids = packet_ids.min(properties.receive_max.unwrap_or(u16::MAX));
            self.max_packet = self
                .max_packet
                .min(properties.max_packet_size.unwrap_or(u32::MAX));
        }
        self.window = Window::new(packet_ids);
        let session_present = answer.session_present;
        self.phase = Phase::Subscribing { session_present };
        self.deadline = Instant::now() + SUBSCRIBE_PATIENCE;
        if self.shared.options.subscriptions.is_empty() {
            self.live(session_present, Vec::new());
            return Ok(());
        }
        self.window.subscribed();
        self.client.subscribe(&self.shared.options.subscriptions)
    }

    fn subscribed(&mut self, answer: &SubAck) {
        let Phase::Subscribing { session_present } = self.phase else {
            return;
        };
        let codes = answer
            .return_codes
            .iter()
            .map(Some)
            .chain(std::iter::repeat(None));
        let denied = self
            .shared
            .options
            .subscriptions
            .iter()
            .zip(codes)
            .filter(|(_, code)| !matches!(code, Some(SubscribeReasonCode::Success(_))))
            .map(|(wanted, code)| DeniedSubscription {
                filter: wanted.filter.clone(),
                reason: code.map_or_else(|| "not answered".to_owned(), |code| format!("{code:?}")),
            })
            .collect();
        self.live(session_present, denied);
    }

    fn live(&mut self, session_present: bool, denied: Vec<DeniedSubscription>) {
        let epoch = self.epoch;
        if !denied.is_empty() {
            warn!(epoch, ?denied, "the broker denied subscriptions");
        }
        let denied =
            (!denied.is_empty()).then_some(SessionEvent::SubscriptionsDenied { epoch, denied });
        // Publishing is possible before anybody hears of the connection.
        self.shared.live.send_replace(Some(Live {
            epoch,
            max_packet: self.max_packet,
        }));
        self.shared.stash.connected(
            denied,
            SessionEvent::Connected {
                epoch,
                session_present,
            },
        );
        self.phase = Phase::Live {
            since: Instant::now(),
        };
    }

    fn message(&mut self, publish: Publish) -> Result<(), DisconnectReason> {
        let packet_id = (publish.qos != QoS::AtMostOnce).then_some(publish.pkid);
        if self.shared.stash.len() > usize::from(self.shared.options.receive_maximum) + 512 {
            return Err(DisconnectReason::Network(
                "the broker ignores our receive maximum".to_owned(),
            ));
        }
        match Message::from_wire(publish) {
            Some(message) => {
                if !self.shared.stash.message(message, packet_id) {
                    debug!(
                        dropped = self.shared.stash.dropped(),
                        "messages are not read in time"
                    );
                }
                Ok(())
            }
            None => {
                warn!("a message with a topic that is not text was dropped");
                packet_id.map_or(Ok(()), |packet_id| self.client.acknowledge(packet_id))
            }
        }
    }

    fn hand_over(&mut self, mut outgoing: Outgoing) -> Result<(), DisconnectReason> {
        if outgoing.epoch != self.epoch {
            outgoing.lose();
            return Ok(());
        }
        if let Some(reply) = outgoing.reply.take() {
            self.window.handed_over(outgoing.qos, reply);
        }
        self.client.publish(outgoing)
    }

    /// Takes no more publishes, gives the open ones a moment, then says goodbye.
    fn drain(&mut self) -> Result<(), DisconnectReason> {
        let Phase::Live { since } = self.phase else {
            return Err(DisconnectReason::Stopping);
        };
        self.shared.live.send_replace(None);
        while self.window.has_room() {
            let Ok(publish) = self.shared.publishes.try_recv() else {
                break;
            };
            self.hand_over(publish)?;
        }
        self.phase = Phase::Draining { since };
        self.deadline = Instant::now() + GOODBYE_PATIENCE;
        Ok(())
    }

    fn leave_when_drained(&mut self) {
        if let Phase::Draining { since } = self.phase
            && self.window.unsettled() == 0
        {
            self.leave(since);
        }
    }

    fn leave(&mut self, since: Instant) {
        if let Err(error) = self.client.goodbye() {
            debug!(%error, "leaving without a goodbye");
        }
        self.phase = Phase::Leaving { since };
        self.deadline = Instant::now() + GOODBYE_PATIENCE;
    }

    fn expired(&mut self) -> DisconnectReason {
        match self.phase {
            Phase::Draining { .. } | Phase::Leaving { .. } => DisconnectReason::Stopping,
            Phase::Connecting => DisconnectReason::Stalled("no answer while connecting".to_owned()),
            Phase::Subscribing { .. } => {
                DisconnectReason::Stalled("no answer to the subscriptions".to_owned())
            }
            Phase::Live { .. } => DisconnectReason::Stalled("nothing moves".to_owned()),
        }
    }

    fn failed(&self, error: &ConnectionError) -> DisconnectReason {
        match self.phase {
            // The broker may close before it has read our goodbye.
            Phase::Leaving { .. } => DisconnectReason::Stopping,
            _ => DisconnectReason::from_wire(error),
        }
    }

    fn end(self, reason: DisconnectReason) -> Ended {
        self.shared.live.send_replace(None);
        self.window.lose_all();
        let lasted = match self.phase {
            Phase::Live { since } | Phase::Draining { since } | Phase::Leaving { since } => {
                since.elapsed()
            }
            Phase::Connecting | Phase::Subscribing { .. } => Duration::ZERO,
        };
        Ended {
            reason,
            lasted,
            proven: self.proven,
        }
    }
}

fn deliver(
    place: mpsc::Permit<'_, SessionEvent>,
    stash: &mut Stash,
    client: &Client,
) -> Result<(), DisconnectReason> {
    let Some(waiting) = stash.take() else {
        return Ok(());
    };
    place.send(waiting.event);
    waiting
        .packet_id
        .map_or(Ok(()), |packet_id| client.acknowledge(packet_id))
}
