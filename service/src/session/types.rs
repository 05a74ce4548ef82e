//! What a session tells and is told, in words of ours.

use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{DisconnectReasonCode, PubAckReason, Publish, PublishProperties};
use rumqttc::v5::{ConnectionError, StateError};
use tokio::sync::mpsc;

/// How hard delivery is tried. QoS 2 is not used: our stores deduplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Qos {
    /// Sent once, never acknowledged (QoS 0).
    AtMostOnce,
    /// Acknowledged by the broker (QoS 1).
    AtLeastOnce,
}

impl From<Qos> for QoS {
    fn from(qos: Qos) -> Self {
        match qos {
            Qos::AtMostOnce => Self::AtMostOnce,
            Qos::AtLeastOnce => Self::AtLeastOnce,
        }
    }
}

/// The MQTT 5 properties that we use, of a message in either direction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Properties {
    /// The media type of the payload.
    pub content_type: Option<String>,
    /// How long the message is worth anything, in whole seconds; counts down on the way.
    pub expiry: Option<Duration>,
    /// Free pairs, in order.
    pub user: Vec<(String, String)>,
}

impl Properties {
    pub(super) fn to_wire(&self) -> PublishProperties {
        PublishProperties {
            content_type: self.content_type.clone(),
            message_expiry_interval: self.expiry.map(seconds),
            user_properties: self.user.clone(),
            ..PublishProperties::default()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn from_wire(properties: PublishProperties) -> Self {
        Self {
            content_type: properties.content_type,
            expiry: properties
                .message_expiry_interval
                .map(|s| Duration::from_secs(s.into())),
            user: properties.user_properties,
        }
    }
}

pub(super) fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

/// A message from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it was published.
    pub topic: String,
    /// What was published, at most the session's packet limit.
    pub payload: Bytes,
    /// The quality it came with.
    pub qos: Qos,
    /// It was stored by the broker before we subscribed (or, with `retain_as_published`, it is
    /// to be stored).
    pub retain: bool,
    /// The broker has sent it before. Only a hint.
    pub duplicate: bool,
    /// Its properties.
    pub properties: Properties,
}

impl Message {
    /// `None` for a topic that is not text, which no broker of ours lets through.
    pub(super) fn from_wire(publish: Publish) -> Option<Self> {
        Some(Self {
            topic: String::from_utf8(publish.topic.to_vec()).ok()?,
            payload: publish.payload,
            qos: match publish.qos {
                QoS::AtMostOnce => Qos::AtMostOnce,
                QoS::AtLeastOnce | QoS::ExactlyOnce => Qos::AtLeastOnce,
            },
            retain: publish.retain,
            duplicate: publish.dup,
            properties: publish
                .properties
                .map(Properties::from_wire)
                .unwrap_or_default(),
        })
    }
}

/// What became of a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishOutcome {
    /// QoS 1: the broker took it. QoS 0: it was written to the connection.
    /// Neither means that anybody has stored it.
    Acked,
    /// The broker refused it and will refuse it again until something changes there.
    Refused(Refusal),
    /// The connection ended first: unknown. Send it again if it matters.
    Lost,
}

/// Why a broker refused a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// This client may not publish there.
    NotAuthorized,
    /// The receiver's queue is full; try again later.
    QuotaExceeded,
    /// The topic is not allowed.
    TopicInvalid,
    /// The payload is not what its format says.
    PayloadInvalid,
    /// The packet id is in use at the broker.
    PacketIdInUse,
    /// Refused for a reason of the broker's own.
    Other,
}

impl Refusal {
    /// `None` for the two reasons that mean success.
    pub(super) fn from_wire(reason: PubAckReason) -> Option<Self> {
        match reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => None,
            PubAckReason::NotAuthorized => Some(Self::NotAuthorized),
            PubAckReason::QuotaExceeded => Some(Self::QuotaExceeded),
            PubAckReason::TopicNameInvalid => Some(Self::TopicInvalid),
            PubAckReason::PayloadFormatInvalid => Some(Self::PayloadInvalid),
            PubAckReason::PacketIdentifierInUse => Some(Self::PacketIdInUse),
            PubAckReason::UnspecifiedError | PubAckReason::ImplementationSpecificError => {
                Some(Self::Other)
            }
        }
    }
}

/// A filter that the broker refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeniedSubscription {
    /// The filter.
    pub filter: String,
    /// The broker's reason, for people.
    pub reason: String,
}

/// Why a connection ended or did not come about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DisconnectReason {
    /// The caller could not say how to connect (an unreadable certificate, for instance).
    #[error("not ready to connect: {0}")]
    NotReady(String),
    /// The broker answered the CONNECT with a refusal.
    #[error("the broker refused the connection: {0}")]
    Refused(String),
    /// The TLS handshake failed: a foreign certificate, or one out of its time.
    #[error("TLS failed: {0}; check the clock, the certificates and the address")]
    Tls(String),
    /// The broker cannot be reached, or the connection broke.
    #[error("the connection failed: {0}")]
    Network(String),
    /// Another client took this session over: the same identity is in use twice.
    #[error("another client with the same identity took the session over")]
    TakenOver,
    /// The broker ended the connection and said why.
    #[error("the broker ended the connection: {0}")]
    Closed(String),
    /// Nothing came back in time.
    #[error("the connection stalled: {0}")]
    Stalled(String),
    /// The session is stopping.
    #[error("the session is stopping")]
    Stopping,
}

impl DisconnectReason {
    pub(super) fn from_wire(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::ConnectionRefused(code) => Self::Refused(format!("{code:?}")),
            ConnectionError::Tls(error) => Self::Tls(error.to_string()),
            ConnectionError::Timeout(_) => Self::Stalled("no answer while connecting".to_owned()),
            ConnectionError::MqttState(StateError::AwaitPingResp) => {
                Self::Stalled("no answer to a ping".to_owned())
            }
            ConnectionError::MqttState(StateError::ServerDisconnect {
                reason_code,
                reason_string,
            }) => Self::from_code(*reason_code, reason_string.as_deref()),
            other => Self::Network(other.to_string()),
        }
    }

    fn from_code(code: DisconnectReasonCode, text: Option<&str>) -> Self {
        match (code, text) {
            (DisconnectReasonCode::SessionTakenOver, _) => Self::TakenOver,
            (code, None) => Self::Closed(format!("{code:?}")),
            (code, Some(text)) => Self::Closed(format!("{code:?}, {text}")),
        }
    }
}

/// What a session tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// Connected, and every filter has been answered by the broker.
    Connected {
        /// The number of this connection attempt, counted from 1 in this process.
        epoch: u64,
        /// The broker kept our session. Do not rely on it: see [`PublishOutcome::Lost`].
        session_present: bool,
    },
    /// A connection ended, or an attempt failed. While nobody reads the events, attempts that
    /// fail one after the other are told once, by the newest.
    Disconnected {
        /// The attempt.
        epoch: u64,
        /// Why.
        reason: DisconnectReason,
        /// When the next attempt will be made.
        retry_in: Duration,
    },
    /// The broker refused some filters; the connection goes on without them. Comes before
    /// `Connected` of the same epoch.
    SubscriptionsDenied {
        /// The connection.
        epoch: u64,
        /// The filters and reasons.
        denied: Vec<DeniedSubscription>,
    },
    /// A message, always after `Connected` of its connection.
    Message(Message),
}

/// The events of a session, in order.
pub type SessionEvents = mpsc::Receiver<SessionEvent>;
