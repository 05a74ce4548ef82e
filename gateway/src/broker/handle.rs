//! What can be done with a running broker from anywhere.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use noroshi_protocol::{Kind, Topic, TopicFilter};
use rmqtt::codec::types::Publish as WirePublish;
use rmqtt::context::ServerContext;
use rmqtt::session::{Session, SessionState};
use rmqtt::types::{ClientId, From, Id, Publish, QoS};
use tokio::runtime::Handle;
use tracing::warn;

use super::guard::{CERTIFICATES, Shared};

/// Numbers of a broker since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BrokerCounts {
    /// Clients connected now.
    pub connections: u64,
    /// Messages that a client never got although they were accepted: its queue was full.
    pub dropped: u64,
    /// Connections, publishes and subscriptions that were refused.
    pub refused: u64,
}

/// Publishes into a broker and looks at it. Cheap to clone.
#[derive(Clone)]
pub struct BrokerHandle {
    pub(super) context: ServerContext,
    pub(super) runtime: Handle,
    pub(super) shared: Arc<Shared>,
}

impl BrokerHandle {
    /// Publishes in the broker's own name. Quality and retain flag are the channel's; an empty
    /// payload clears a retained topic. Nothing is asked of the [`Door`](super::Door).
    pub async fn publish(&self, topic: &Topic, payload: Bytes) {
        let context = self.context.clone();
        let publish = WirePublish {
            dup: false,
            retain: topic.channel.retained(),
            qos: if topic.channel.qos() == 0 {
                QoS::AtMostOnce
            } else {
                QoS::AtLeastOnce
            },
            topic: topic.to_string().into(),
            packet_id: None,
            payload,
            properties: None,
        };
        let publish = Publish::new(Box::new(publish), None, None, None);
        let from = From::from_system(Id::from(
            context.node.id(),
            ClientId::from_static("noroshi"),
        ));
        // On the broker's own threads: what it starts must end with it.
        let sent = self.runtime.spawn(async move {
            SessionState::forwards(&context, from, publish, false, None).await
        });
        match sent.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%topic, %error, "the broker did not pass a message on"),
            Err(_) => tracing::debug!(%topic, "the broker is stopping"),
        }
    }

    /// The filters of `kind` that somebody subscribes to now.
    pub async fn watched(&self, kind: Kind) -> Vec<TopicFilter> {
        let router = self.context.extends.router().await;
        router
            .relations()
            .iter()
            .filter_map(|relation| relation.key().parse::<TopicFilter>().ok())
            .filter(|filter| filter.kind == kind)
            .collect()
    }

    /// Ends a client's session, if it has one.
    pub async fn kick(&self, client_id: &str) {
        let context = self.context.clone();
        let id = Id::from(context.node.id(), ClientId::from(client_id.to_owned()));
        let kicked = self.runtime.spawn(async move {
            let entry = context.extends.shared().await.entry(id);
            let mut entry = entry.try_lock().await?;
            entry.kick(true, true, true).await
        });
        if let Ok(Err(error)) = kicked.await {
            warn!(client.id = client_id, %error, "a session could not be ended");
        }
    }

    /// Ends the session of every certificate holder whose certificate's serial is `forbidden`.
    pub async fn kick_certificates(&self, forbidden: impl Fn(Option<&str>) -> bool) {
        let shared = self.context.extends.shared().await;
        let sessions: Vec<Session> = shared.iter().filter_map(|entry| entry.session()).collect();
        drop(shared);
        for session in sessions {
            if session.id.lid() != CERTIFICATES {
                continue;
            }
            let Ok(connect) = session.connect_info().await else {
                continue;
            };
            let serial = connect.cert().and_then(|cert| cert.serial.as_deref());
            if forbidden(serial) {
                tracing::info!(client.id = %session.id.client_id, "its certificate was revoked");
                self.kick(&session.id.client_id).await;
            }
        }
    }

    /// Ends the sessions of dashboards whose token has expired.
    pub async fn kick_expired(&self) {
        let now_ms = self.shared.door.now_ms();
        let expired: Vec<String> = self
            .shared
            .dashboards()
            .iter()
            .filter(|(_, session)| session.grant.expires_ms <= now_ms)
            .map(|(client_id, _)| client_id.clone())
            .collect();
        for client_id in expired {
            self.shared.dashboards().remove(&client_id);
            self.kick(&client_id).await;
        }
    }

    /// Its numbers.
    pub fn counts(&self) -> BrokerCounts {
        let counters = &self.shared.counters;
        BrokerCounts {
            connections: self.context.connections.count().max(0) as u64,
            dropped: counters.dropped.load(Ordering::Relaxed),
            refused: counters.refused.load(Ordering::Relaxed),
        }
    }
}

impl std::fmt::Debug for BrokerHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("BrokerHandle")
            .field("counts", &self.counts())
            .finish()
    }
}
