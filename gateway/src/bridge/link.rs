//! The session to the cloud: where, as whom, with which will and subscriptions.

use std::sync::Arc;
use std::time::Duration;

use noroshi_protocol::{
    Channel, Identity as Peer, Kind, Presence, Status, Topic, TopicFilter, limits,
};
use noroshi_service::clock::SessionClock;
use noroshi_service::session::{Address, Connect, Qos, SessionOptions, Subscription, Will};
use noroshi_service::tls::{ExpectedPeers, Identity, client_config};

use crate::start::Start;

/// A short interruption is no loss.
const WILL_DELAY: Duration = Duration::from_secs(20);

/// Where the cloud is, and who we are.
#[derive(Clone)]
pub struct CloudLink {
    /// Name or address of the cloud's broker.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Our certificate and trust.
    pub identity: Arc<Identity>,
    /// The clock that TLS is judged by.
    pub clock: Arc<SessionClock>,
    /// Which start of which gateway.
    pub start: Start,
}

impl CloudLink {
    pub(super) fn status(&self, presence: Presence, connection: u64) -> (Topic, Vec<u8>) {
        let status = Status {
            status: presence,
            start: self.start.number,
            connection,
            boot: self.start.boot,
            since_ms: self.clock.now().wall_ms,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        (self.start.topic(Channel::Status), status.to_json())
    }

    pub(super) fn session_options(&self) -> SessionOptions {
        let link = self.clone();
        let me = Peer::Gateway {
            org: self.start.org.clone(),
            site: self.start.site.clone(),
        };
        let mut options = SessionOptions::new(me.client_id(), move |epoch| link.connect(epoch));
        let desired = Channel::Desired.name().to_owned();
        let downward = [
            (Kind::State, Some(desired)),
            (Kind::Command, None),
            (Kind::Ack, None),
        ];
        options.subscriptions = downward
            .map(|(kind, name)| {
                let filter = TopicFilter {
                    org: self.start.org.clone(),
                    site: Some(self.start.site.clone()),
                    device: None,
                    kind,
                    name,
                };
                Subscription {
                    retain_as_published: true,
                    ..Subscription::new(filter.to_string())
                }
            })
            .to_vec();
        // Longer than the will's delay, or the will would not wait.
        options.session_expiry = WILL_DELAY * 3;
        options.max_packet = limits::PACKET as u32;
        options
    }

    fn connect(&self, epoch: u64) -> Result<Connect, String> {
        let cloud = Peer::Cloud {
            org: self.start.org.clone(),
        };
        let config = client_config(
            self.identity.trust_anchors(),
            &ExpectedPeers::exactly([&cloud]),
            Some(&self.identity),
            &self.clock,
        )
        .map_err(|error| error.to_string())?;
        let (topic, payload) = self.status(Presence::Lost, epoch);
        Ok(Connect {
            address: Address::tls(self.host.clone(), self.port, Arc::new(config)),
            credentials: None,
            will: Some(Will {
                topic: topic.to_string(),
                payload: payload.into(),
                qos: Qos::AtLeastOnce,
                retain: true,
                delay: WILL_DELAY,
            }),
        })
    }
}
