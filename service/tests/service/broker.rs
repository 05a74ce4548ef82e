//! A broker that can be ended and started again on its port.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rmqtt::codec::v5::PublishAckReason;
use rmqtt::context::ServerContext;
use rmqtt::hook::{Handler, HookResult, Parameter, ReturnType, Type};
use rmqtt::net::{Builder, Listener};
use rmqtt::server::MqttServer;
use rmqtt::types::{PublishAclResult, PublishResult, SubscribeAclResult};
use tokio::runtime::Runtime;

/// The files of a TLS listener.
#[derive(Debug, Clone)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) authority: PathBuf,
}

/// A broker with a runtime of its own: two in one process share nothing, and dropping it cuts
/// every connection.
pub(crate) struct Broker {
    pub(crate) port: u16,
    runtime: Option<Runtime>,
}

impl Broker {
    /// On `port`, or on a free one for 0. Publishes to `denied/…` and `full/…` are refused, and
    /// so are subscriptions to `secret/#`.
    pub(crate) async fn start(port: u16, tls: Option<TlsFiles>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (bound, port) = tokio::sync::oneshot::channel();
        runtime.spawn(serve(address, tls, bound));
        Self {
            port: port.await.unwrap(),
            runtime: Some(runtime),
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(
    address: SocketAddr,
    tls: Option<TlsFiles>,
    bound: tokio::sync::oneshot::Sender<u16>,
) {
    let context = ServerContext::new().build().await;
    let register = context.extends.hook_mgr().register();
    register
        .add(Type::MessagePublishCheckAcl, Box::new(Access))
        .await;
    register
        .add(Type::ClientSubscribeCheckAcl, Box::new(Access))
        .await;
    register.start().await;
    let listener = listen(address, tls).await;
    bound.send(listener.local_addr().unwrap().port()).unwrap();
    MqttServer::new(context)
        .listener_by_id(listener, 1)
        .build()
        .run()
        .await
        .unwrap();
}

async fn listen(address: SocketAddr, tls: Option<TlsFiles>) -> Listener {
    let door = || {
        Builder::new()
            .name("test")
            .laddr(address)
            .reuseaddr(Some(true))
            .allow_anonymous(true)
            .max_inflight(NonZeroU16::new(8).unwrap())
            .max_packet_size(4_096)
    };
    match tls {
        None => bound(door).await.tcp().unwrap(),
        Some(files) => bound(|| {
            door()
                .tls_cross_certificate(true)
                .tls_cert(Some(files.certificate.display().to_string()))
                .tls_key(Some(files.key.display().to_string()))
                .tls_client_ca_certs(Some(files.authority.display().to_string()))
        })
        .await
        .tls()
        .unwrap(),
    }
}

/// The runtime of an earlier broker may still hold the port for a moment.
async fn bound(door: impl Fn() -> Builder) -> Listener {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match door().bind() {
            Ok(listener) => return listener,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::task::yield_now().await;
    }
}

struct Access;

#[async_trait]
impl Handler for Access {
    async fn hook(&self, parameter: &Parameter, before: Option<HookResult>) -> ReturnType {
        let decision = match parameter {
            Parameter::MessagePublishCheckAcl(_, publish) => {
                HookResult::PublishAclResult(match publish.topic.split('/').next() {
                    Some("denied") => PublishAclResult::rejected(false, None),
                    Some("full") => {
                        let reason = PublishAckReason::QuotaExceeded;
                        PublishAclResult(PublishResult::reason_code(reason, None, false))
                    }
                    _ => PublishAclResult::allow(),
                })
            }
            Parameter::ClientSubscribeCheckAcl(_, subscribe)
                if subscribe.topic_filter.starts_with("secret/") =>
            {
                HookResult::SubscribeAclResult(SubscribeAclResult::new_failure(
                    rmqtt::codec::v5::SubscribeAckReason::NotAuthorized,
                ))
            }
            _ => return (true, before),
        };
        (false, Some(decision))
    }
}
