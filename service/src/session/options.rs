//! How a session connects, subscribes and says goodbye.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::MqttOptions;
use rumqttc::v5::mqttbytes::v5::{Filter, LastWill, LastWillProperties};
use rumqttc::{TlsConfiguration, Transport};
use rustls::ClientConfig;

use super::types::{Qos, seconds};
use crate::backoff::BackoffLimits;

/// The shortest keep-alive; below it `rumqttc` panics and links gain nothing.
const SHORTEST_KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How long reaching a broker, TLS and its CONNACK may take together.
const CONNECT_PATIENCE: Duration = Duration::from_secs(20);

/// Where the broker is.
#[derive(Clone)]
pub enum Address {
    /// Plain TCP, for tests and for brokers on loopback only.
    Tcp {
        /// A name or an IP address.
        host: String,
        /// The port.
        port: u16,
    },
    /// TLS with a configuration made for this attempt.
    Tls {
        /// A name or an IP address; not checked against the certificate (identity is its URI).
        host: String,
        /// The port.
        port: u16,
        /// From [`crate::tls`].
        config: Arc<ClientConfig>,
    },
    /// MQTT over WebSocket, `ws://host:port/path`.
    WebSocket {
        /// The whole URL.
        url: String,
    },
    /// MQTT over WebSocket over TLS, `wss://host:port/path`.
    SecureWebSocket {
        /// The whole URL.
        url: String,
        /// From [`crate::tls`].
        config: Arc<ClientConfig>,
    },
}

impl Address {
    /// `mqtts` over TLS.
    pub fn tls(host: impl Into<String>, port: u16, config: Arc<ClientConfig>) -> Self {
        Self::Tls {
            host: host.into(),
            port,
            config,
        }
    }

    fn parts(self) -> (String, u16, Transport) {
        let rustls = |config| TlsConfiguration::Rustls(config);
        match self {
            Self::Tcp { host, port } => (host, port, Transport::Tcp),
            Self::Tls { host, port, config } => (host, port, Transport::Tls(rustls(config))),
            // The library takes host and port out of the URL, and ignores this port.
            Self::WebSocket { url } => (url, 0, Transport::Ws),
            Self::SecureWebSocket { url, config } => (url, 0, Transport::Wss(rustls(config))),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(formatter, "mqtt://{host}:{port}"),
            Self::Tls { host, port, .. } => write!(formatter, "mqtts://{host}:{port}"),
            Self::WebSocket { url } | Self::SecureWebSocket { url, .. } => formatter.write_str(url),
        }
    }
}

/// A user name and a password (a dashboard's token, for instance).
#[derive(Clone)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// The password; never logged.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:***", self.username)
    }
}

/// What the broker publishes for us when the connection is lost without a goodbye.
#[derive(Debug, Clone)]
pub struct Will {
    /// Where.
    pub topic: String,
    /// What.
    pub payload: Bytes,
    /// How.
    pub qos: Qos,
    /// Whether the broker stores it.
    pub retain: bool,
    /// How long the broker waits for us to come back first, in whole seconds.
    pub delay: Duration,
}

impl Will {
    fn into_wire(self) -> LastWill {
        let properties = LastWillProperties {
            delay_interval: Some(seconds(self.delay)),
            payload_format_indicator: None,
            message_expiry_interval: None,
            content_type: None,
            response_topic: None,
            correlation_data: None,
            user_properties: Vec::new(),
        };
        LastWill::new(
            self.topic,
            self.payload.to_vec(),
            self.qos.into(),
            self.retain,
            Some(properties),
        )
    }
}

/// One attempt to connect.
#[derive(Debug, Clone)]
pub struct Connect {
    /// The broker. Another one may be named at each attempt.
    pub address: Address,
    /// User name and password, where the certificate is not enough.
    pub credentials: Option<Credentials>,
    /// The last will of this connection.
    pub will: Option<Will>,
}

impl Connect {
    /// Without user name and will.
    pub fn to(address: Address) -> Self {
        Self {
            address,
            credentials: None,
            will: None,
        }
    }
}

/// A filter to subscribe to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The filter.
    pub filter: String,
    /// The highest quality the broker may use.
    pub qos: Qos,
    /// Keep the retain flag as it was published (a bridge needs it).
    pub retain_as_published: bool,
    /// Do not send us what we published ourselves.
    pub no_local: bool,
}

impl Subscription {
    /// At least once, and everything else as MQTT has it by default.
    pub fn new(filter: impl Into<String>) -> Self {
        Self {
            filter: filter.into(),
            qos: Qos::AtLeastOnce,
            retain_as_published: false,
            no_local: false,
        }
    }

    pub(super) fn to_wire(&self) -> Filter {
        Filter {
            nolocal: self.no_local,
            preserve_retain: self.retain_as_published,
            ..Filter::new(self.filter.clone(), self.qos.into())
        }
    }
}

type ConnectFactory = dyn Fn(u64) -> Result<Connect, String> + Send + Sync;

/// A session to be opened.
#[derive(Clone)]
pub struct SessionOptions {
    /// The MQTT client id, `<org>/<path>` of the certificate.
    pub client_id: String,
    /// Filters, subscribed to in one packet at every connection.
    pub subscriptions: Vec<Subscription>,
    /// How often to ping; a dead link is seen within two and a half of these. At least 5 s.
    pub keep_alive: Duration,
    /// How long the broker keeps our session and its queue; zero starts clean every time.
    pub session_expiry: Duration,
    /// Publishes that may wait for their acknowledgement at once (fewer if the broker says so).
    pub inflight: u16,
    /// Messages that the broker may send before we have acknowledged one; bounds the stash.
    pub receive_maximum: u16,
    /// The largest packet in either direction, in bytes.
    pub max_packet: u32,
    /// Publishes that may wait for their turn before `publish` answers `Full`.
    pub publish_queue: usize,
    /// Events that may wait to be read before messages are held back.
    pub event_queue: usize,
    /// How long to wait between attempts.
    pub backoff: BackoffLimits,
    connect: Arc<ConnectFactory>,
}

impl SessionOptions {
    /// A session with our defaults.
    ///
    /// `connect` is asked before every attempt, with its epoch, so a renewed certificate, a new
    /// clock, another address and the will's own counter take effect at the next one. Its error
    /// is shown as [`super::DisconnectReason::NotReady`] and asked again after the backoff.
    pub fn new(
        client_id: impl Into<String>,
        connect: impl Fn(u64) -> Result<Connect, String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            client_id: client_id.into(),
            subscriptions: Vec::new(),
            keep_alive: Duration::from_secs(30),
            session_expiry: Duration::ZERO,
            inflight: 32,
            receive_maximum: 64,
            max_packet: 128 * 1024,
            publish_queue: 64,
            event_queue: 64,
            backoff: BackoffLimits::default(),
            connect: Arc::new(connect),
        }
    }

    pub(super) fn connect(&self, epoch: u64) -> Result<Connect, String> {
        (self.connect)(epoch)
    }

    /// The window that the library is given: one more than we use, so that it never believes
    /// itself full and goes on taking our acknowledgements.
    pub(super) fn packet_ids(&self) -> u16 {
        self.inflight.max(1).saturating_add(1)
    }

    pub(super) fn keep_alive(&self) -> Duration {
        self.keep_alive.max(SHORTEST_KEEP_ALIVE)
    }

    pub(super) fn mqtt_options(&self, connect: Connect) -> MqttOptions {
        let (host, port, transport) = connect.address.parts();
        let mut options = MqttOptions::new(self.client_id.clone(), host, port);
        options
            .set_transport(transport)
            .set_keep_alive(self.keep_alive())
            .set_connection_timeout(CONNECT_PATIENCE.as_secs())
            .set_manual_acks(true)
            .set_outgoing_inflight_upper_limit(self.packet_ids())
            .set_receive_maximum(Some(self.receive_maximum.max(1)))
            .set_max_packet_size(Some(self.max_packet))
            .set_clean_start(self.session_expiry.is_zero())
            .set_session_expiry_interval(Some(seconds(self.session_expiry)));
        if let Some(Credentials { username, password }) = connect.credentials {
            options.set_credentials(username, password);
        }
        if let Some(will) = connect.will {
            options.set_last_will(will.into_wire());
        }
        options
    }
}

impl fmt::Debug for SessionOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SessionOptions")
            .field("client_id", &self.client_id)
            .field("subscriptions", &self.subscriptions)
            .finish_non_exhaustive()
    }
}
