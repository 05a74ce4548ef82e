//! The embedded broker: rmqtt on threads of its own, with nothing on disk.
//!
//! Two kinds of clients come in by two listeners: holders of a certificate of the organisation's
//! CA by TLS, speaking MQTT 5 under the client id of their certificate, and dashboards with a
//! signed token by plain TCP on loopback, where a WebSocket proxy stands before them. Every
//! connection, publish, subscription and will is decided by `fleet::access`; what is allowed is
//! given to the embedder's [`Door`] before it is acknowledged.

mod door;
mod guard;
mod handle;
mod self_test;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use noroshi_fleet::access::Broker as Side;
use noroshi_protocol::limits;
use rmqtt::context::ServerContext;
use rmqtt::hook::{Register, Type};
use rmqtt::net::{Builder, Listener};
use rmqtt::server::MqttServer;
use rmqtt::types::QoS;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::GatewayError;
use guard::{CERTIFICATES, Counters, DASHBOARDS, Guard, Shared};

pub use door::{Arrival, Door, Verdict};
pub use handle::{BrokerCounts, BrokerHandle};
pub use noroshi_fleet::access::Principal;

/// Messages that wait for one client before the broker drops the oldest.
const QUEUE: usize = 10_000;
/// Messages in flight to one client.
const IN_FLIGHT: u16 = 64;
/// A session that is away longer than this is forgotten.
const LONGEST_SESSION: Duration = Duration::from_hours(24);
/// Retained messages never expire: their owner clears them.
const RETAINER: &str = "storage.type = \"ram\"\nretained_message_ttl = \"0s\"\n";
/// How often tokens are looked at.
const EXPIRY_CHECK: Duration = Duration::from_secs(1);

/// The listener for devices, gateways and the cloud.
#[derive(Debug, Clone)]
pub struct CertificateListener {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// PEM file: our certificate chain, leaf first.
    pub chain_pem: PathBuf,
    /// PEM file: our PKCS#8 key.
    pub key_pem: PathBuf,
    /// PEM file: CA certificates that clients' certificates must come from.
    pub ca_pem: PathBuf,
}

/// What a broker serves.
#[derive(Debug, Clone)]
pub struct BrokerOptions {
    /// TLS with mandatory certificates.
    pub certificates: Option<CertificateListener>,
    /// Plain TCP for dashboards; a loopback address.
    pub dashboards: Option<SocketAddr>,
    /// Whose broker this is, for the access rule.
    pub side: Side,
    /// Threads of its runtime.
    pub threads: usize,
}

/// A running broker.
pub struct Broker {
    handle: BrokerHandle,
    mqtts: Option<SocketAddr>,
    dashboards: Option<SocketAddr>,
    runtime: Option<Runtime>,
    serving: JoinHandle<()>,
    // Dropping it would leave the hooks as they are; it is kept to say whose they are.
    _register: Box<dyn Register>,
}

impl Broker {
    /// Opens the listeners, checks that a foreign publish is refused, and serves.
    pub async fn start(options: BrokerOptions, door: Arc<dyn Door>) -> Result<Self, GatewayError> {
        if let Some(address) = options
            .dashboards
            .filter(|address| !address.ip().is_loopback())
        {
            return Err(GatewayError::Invalid(format!(
                "dashboards come by plain TCP, so {address} must be a loopback address"
            )));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(options.threads.max(1))
            .thread_name("broker")
            .enable_all()
            .build()
            .map_err(|error| GatewayError::Broker(error.to_string()))?;
        let owned = runtime.handle().clone();
        let opened = runtime.spawn(open(options, door, owned)).await;
        match opened
            .map_err(|error| GatewayError::Broker(error.to_string()))
            .and_then(|o| o)
        {
            Ok(Opened {
                handle,
                mqtts,
                dashboards,
                serving,
                register,
            }) => Ok(Self {
                handle,
                mqtts,
                dashboards,
                runtime: Some(runtime),
                serving,
                _register: register,
            }),
            Err(error) => {
                // A runtime may not be dropped where others run.
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// Where certificate holders connect.
    pub fn mqtts(&self) -> Option<SocketAddr> {
        self.mqtts
    }

    /// Where dashboards connect.
    pub fn dashboards(&self) -> Option<SocketAddr> {
        self.dashboards
    }

    /// To publish and look.
    pub fn handle(&self) -> BrokerHandle {
        self.handle.clone()
    }

    /// Closes the listeners and ends every session; the ports are free when this returns.
    pub async fn stop(mut self) {
        self.serving.abort();
        // Ended by the abort: the listeners are dropped with it.
        let _ = (&mut self.serving).await;
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.serving.abort();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct Opened {
    handle: BrokerHandle,
    mqtts: Option<SocketAddr>,
    dashboards: Option<SocketAddr>,
    serving: JoinHandle<()>,
    register: Box<dyn Register>,
}

async fn open(
    options: BrokerOptions,
    door: Arc<dyn Door>,
    runtime: tokio::runtime::Handle,
) -> Result<Opened, GatewayError> {
    let broken = |error: rmqtt::Error| GatewayError::Broker(format!("{error:#}"));
    let context = ServerContext::new()
        // On a loaded small machine it would turn everybody away.
        .busy_check_enable(false)
        .plugins_config_map_add("rmqtt-retainer", RETAINER)
        .build()
        .await;
    rmqtt_retainer::register(&context, true, true)
        .await
        .map_err(broken)?;
    let shared = Arc::new(Shared {
        door,
        side: options.side,
        counters: Counters::default(),
        dashboards: Mutex::new(HashMap::new()),
        refusal: Mutex::default(),
    });
    let register = install(&context, &shared).await;
    self_test::run(&context).await?;
    // What it was refused is nobody's.
    shared
        .counters
        .refused
        .store(0, std::sync::atomic::Ordering::Relaxed);

    let mut server = MqttServer::new(context.clone());
    let (mut mqtts, mut dashboards) = (None, None);
    if let Some(certificates) = &options.certificates {
        let listener = bind(certificate_listener(certificates), certificates.address)?;
        let listener = listener.tls().map_err(broken)?;
        mqtts = listener.local_addr().ok();
        server = server.listener_by_id(listener, CERTIFICATES);
    }
    if let Some(address) = options.dashboards {
        let listener = bind(dashboard_listener(address), address)?
            .tcp()
            .map_err(broken)?;
        dashboards = listener.local_addr().ok();
        server = server.listener_by_id(listener, DASHBOARDS);
    }
    let handle = BrokerHandle {
        context,
        runtime: runtime.clone(),
        shared,
    };
    let watched = handle.clone();
    let server = server.build();
    let serving = runtime.spawn(async move {
        tokio::join!(server.run(), expire(watched))
            .0
            .unwrap_or_else(|error| {
                tracing::error!(%error, "the broker ended");
            });
    });
    Ok(Opened {
        handle,
        mqtts,
        dashboards,
        serving,
        register,
    })
}

async fn install(context: &ServerContext, shared: &Arc<Shared>) -> Box<dyn Register> {
    let register = context.extends.hook_mgr().register();
    for hook in [
        Type::ClientAuthenticate,
        Type::ClientSubscribeCheckAcl,
        Type::MessagePublishCheckAcl,
        Type::MessagePublish,
        Type::MessageDropped,
        Type::SessionTerminated,
    ] {
        register
            .add_priority(hook, 100, Box::new(Guard(shared.clone())))
            .await;
    }
    register.start().await;
    register
}

async fn expire(handle: BrokerHandle) {
    let mut tick = tokio::time::interval(EXPIRY_CHECK);
    loop {
        tick.tick().await;
        handle.kick_expired().await;
    }
}

fn bind(builder: Builder, address: SocketAddr) -> Result<Listener, GatewayError> {
    builder.bind().map_err(|error| GatewayError::Listen {
        address: address.to_string(),
        reason: error.to_string(),
    })
}

fn listener(name: &str, address: SocketAddr) -> Builder {
    Builder::new()
        .name(name)
        .laddr(address)
        .reuseaddr(Some(true))
        .nodelay(true)
        .allow_anonymous(false)
        .allow_zero_keepalive(false)
        .max_connections(20_000)
        .max_handshaking_limit(200)
        .max_packet_size(limits::PACKET as u32)
        .max_clientid_len(128)
        .max_topic_levels(8)
        .max_qos_allowed(QoS::AtLeastOnce)
        .max_inflight(NonZeroU16::new(IN_FLIGHT).expect("not zero"))
        .max_mqueue_len(QUEUE)
        // Our senders repeat what was not acknowledged; the broker would only duplicate it.
        .message_retry_interval(Duration::ZERO)
        .message_expiry_interval(Duration::ZERO)
}

fn certificate_listener(options: &CertificateListener) -> Builder {
    let text = |path: &PathBuf| Some(path.to_string_lossy().into_owned());
    listener("mqtts", options.address)
        .session_expiry_interval(Duration::ZERO)
        .max_session_expiry_interval(LONGEST_SESSION)
        .max_subscriptions(64)
        .tls_cert(text(&options.chain_pem))
        .tls_key(text(&options.key_pem))
        .tls_client_ca_certs(text(&options.ca_pem))
        .tls_cross_certificate(true)
        .collect_cert_info(true)
}

fn dashboard_listener(address: SocketAddr) -> Builder {
    listener("dashboards", address)
        .session_expiry_interval(Duration::ZERO)
        .max_session_expiry_interval(Duration::from_secs(1))
        .max_subscriptions(256)
        .max_mqueue_len(500)
}
