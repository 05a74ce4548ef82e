//! The library's client, used only from the task that polls and only without waiting.

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Publish;
use rumqttc::v5::{AsyncClient, ClientError, EventLoop};

use super::handle::Outgoing;
use super::options::{Connect, SessionOptions, Subscription};
use super::types::DisconnectReason;

/// A client for one connection.
pub(super) struct Client(AsyncClient);

impl Client {
    pub(super) fn new(options: &SessionOptions, connect: Connect) -> (Self, EventLoop) {
        let (client, event_loop) =
            AsyncClient::new(options.mqtt_options(connect), channel_capacity(options));
        (Self(client), event_loop)
    }

    /// Subscribes to everything in one packet.
    pub(super) fn subscribe(&self, wanted: &[Subscription]) -> Result<(), DisconnectReason> {
        let filters: Vec<_> = wanted.iter().map(Subscription::to_wire).collect();
        self.0.try_subscribe_many(filters).map_err(|error| {
            DisconnectReason::NotReady(format!("a subscription is malformed: {error}"))
        })
    }

    /// Hands a publish over, less its reply, which the caller keeps.
    pub(super) fn publish(&self, outgoing: Outgoing) -> Result<(), DisconnectReason> {
        let Outgoing {
            topic,
            payload,
            qos,
            retain,
            properties,
            ..
        } = outgoing;
        let handed = if properties.is_empty() {
            self.0.try_publish(topic, qos.into(), retain, payload)
        } else {
            let wire = properties.to_wire();
            self.0
                .try_publish_with_properties(topic, qos.into(), retain, payload, wire)
        };
        handed.map_err(channel_full)
    }

    /// Acknowledges a message that somebody has now.
    pub(super) fn acknowledge(&self, packet_id: u16) -> Result<(), DisconnectReason> {
        let publish = Publish {
            qos: QoS::AtLeastOnce,
            pkid: packet_id,
            ..Publish::default()
        };
        self.0.try_ack(&publish).map_err(channel_full)
    }

    /// A normal DISCONNECT, which keeps the will from being published.
    pub(super) fn goodbye(&self) -> Result<(), DisconnectReason> {
        self.0.try_disconnect().map_err(channel_full)
    }
}

// Room for every publish the window allows, every acknowledgement that can be due, and the
// subscription and the goodbye: the `try_` calls cannot find it full.
fn channel_capacity(options: &SessionOptions) -> usize {
    usize::from(options.packet_ids()) + usize::from(options.receive_maximum) + 32
}

fn channel_full(error: ClientError) -> DisconnectReason {
    // Never seen, see the capacity. Ending the connection is safe.
    DisconnectReason::Network(format!("the client's channel is full: {error}"))
}
