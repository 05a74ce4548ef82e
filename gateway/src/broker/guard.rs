//! The hook inside the broker: nothing is let in, published or subscribed to unless
//! `fleet::access` allows it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use noroshi_fleet::access::{self, Action, Broker as Side, Principal};
use noroshi_protocol::{Grant, Identity, SiteId, Topic, TopicFilter};
use rmqtt::codec::types::MQTT_LEVEL_5;
use rmqtt::codec::v5::{PublishAckReason, SubscribeAckReason};
use rmqtt::hook::{Handler, HookResult, Parameter, ReturnType};
use rmqtt::session::Session;
use rmqtt::types::{
    AuthResult, ConnectInfo, FromType, LastWill, Publish, PublishAclResult, PublishResult, QoS,
    Subscribe, SubscribeAclResult,
};
use tracing::{debug, warn};

use super::door::{Arrival, Door, Verdict};
use super::self_test::STRANGER;

/// The listener of certificate holders.
pub(super) const CERTIFICATES: u16 = 1;
/// The listener of dashboards.
pub(super) const DASHBOARDS: u16 = 2;

/// What the hook counts.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) dropped: AtomicU64,
    pub(super) refused: AtomicU64,
}

/// A dashboard's session.
#[derive(Debug, Clone)]
pub(super) struct DashboardSession {
    pub(super) grant: Grant,
}

/// Shared by every clone of the hook and by the broker's handle.
pub(super) struct Shared {
    pub(super) door: Arc<dyn Door>,
    pub(super) side: Side,
    pub(super) counters: Counters,
    /// By client id, so that their sessions can be ended at the expiry.
    pub(super) dashboards: Mutex<HashMap<String, DashboardSession>>,
    /// Who was refused last, and why.
    pub(super) refusal: Mutex<String>,
}

impl Shared {
    fn site(&self) -> SiteId {
        match &self.side {
            Side::Cloud => SiteId::direct(),
            Side::Site(site) => site.clone(),
        }
    }

    pub(super) fn dashboards(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<String, DashboardSession>> {
        // A map of grants is whole even if a holder panicked.
        self.dashboards
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn may(&self, principal: &Principal, action: Action<'_>) -> bool {
        match access::decide(principal, &self.side, action) {
            access::Decision::Allow => true,
            access::Decision::Deny(reason) => {
                debug!(?principal, %reason, "denied");
                self.counters.refused.fetch_add(1, Ordering::Relaxed);
                false
            }
        }
    }
}

/// The broker's hook.
#[derive(Clone)]
pub(super) struct Guard(pub(super) Arc<Shared>);

#[async_trait]
impl Handler for Guard {
    async fn hook(&self, parameter: &Parameter, given: Option<HookResult>) -> ReturnType {
        match parameter {
            Parameter::ClientAuthenticate(connect) => (
                false,
                Some(HookResult::AuthResult(self.authenticate(connect).await)),
            ),
            Parameter::ClientSubscribeCheckAcl(session, subscribe) => {
                let result = self.subscribe(session, subscribe);
                (false, Some(HookResult::SubscribeAclResult(result)))
            }
            Parameter::MessagePublishCheckAcl(session, publish) => {
                let result = self.publish(session, publish).await;
                (false, Some(HookResult::PublishAclResult(result)))
            }
            Parameter::MessagePublish(Some(session), from, publish) => {
                // Wills skip the access check of the broker; ours was made at CONNECT. Every
                // other message comes again for its decision.
                if matches!(from.typ(), FromType::LastWill) {
                    self.will(session, publish).await;
                }
                (true, given)
            }
            Parameter::MessageDropped(to, _, publish, reason) => {
                // Without a receiver it is one that we refused, and answered so.
                if to.is_some() {
                    self.0.counters.dropped.fetch_add(1, Ordering::Relaxed);
                    debug!(topic = %publish.topic, ?reason, "the broker dropped a message");
                }
                (true, given)
            }
            Parameter::SessionTerminated(session, _) => {
                if session.id.lid() == DASHBOARDS {
                    self.0.dashboards().remove(&*session.id.client_id);
                }
                (true, given)
            }
            _ => (true, given),
        }
    }
}

impl Guard {
    async fn authenticate(&self, connect: &ConnectInfo) -> AuthResult {
        let outcome = match connect.id().lid() {
            CERTIFICATES => self.admit_certificate(connect).await,
            DASHBOARDS => self.admit_dashboard(connect).await,
            _ => Err("no such listener".to_owned()),
        };
        match outcome {
            Ok(()) => AuthResult::Allow(false, None),
            Err(reason) => {
                self.0.counters.refused.fetch_add(1, Ordering::Relaxed);
                self.log_refusal(connect.client_id(), &reason);
                AuthResult::NotAuthorized
            }
        }
    }

    /// One line a change: a client that knocks for days would fill the log.
    fn log_refusal(&self, client_id: &str, reason: &str) {
        if client_id == STRANGER {
            return;
        }
        let refusal = format!("{client_id}: {reason}");
        let mut last = self
            .0
            .refusal
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *last != refusal {
            warn!(client.id = client_id, reason, "a client is not let in");
            *last = refusal;
        }
    }

    async fn admit_certificate(&self, connect: &ConnectInfo) -> Result<(), String> {
        let certificate = connect.cert().ok_or("it shows no certificate")?;
        let organisation = certificate.organization.as_deref().unwrap_or_default();
        let name = certificate.common_name.as_deref().unwrap_or_default();
        let identity =
            Identity::from_subject(organisation, name).map_err(|error| error.to_string())?;
        access::admit(&identity, connect.client_id()).map_err(|error| error.to_string())?;
        if connect.proto_ver() != MQTT_LEVEL_5 {
            // In 3.1.1 a refused publish looks like an accepted one, and is lost.
            return Err("devices and gateways speak MQTT 5".to_owned());
        }
        let principal = Principal::of(&identity, &self.0.site());
        if let Some(will) = connect.last_will() {
            self.check_will(&principal, &will)?;
        }
        if self
            .0
            .door
            .admit(&identity, certificate.serial.as_deref())
            .await
        {
            Ok(())
        } else {
            Err("it is unknown here or was revoked".to_owned())
        }
    }

    fn check_will(&self, principal: &Principal, will: &LastWill<'_>) -> Result<(), String> {
        let (topic, length, retain) = match will {
            LastWill::V3(will) => (&will.topic, will.message.len(), will.retain),
            LastWill::V5(will) => (&will.topic, will.message.len(), will.retain),
        };
        let topic: Topic = topic
            .parse()
            .map_err(|_| "its will's topic is none of ours")?;
        let sound = length <= topic.channel.limit() && retain == topic.channel.retained();
        if sound && self.0.may(principal, Action::Will(&topic)) {
            Ok(())
        } else {
            Err("its will is not its own status".to_owned())
        }
    }

    async fn admit_dashboard(&self, connect: &ConnectInfo) -> Result<(), String> {
        let client_id: &str = connect.client_id();
        if client_id.is_empty() || client_id.len() > 64 || client_id.contains('/') {
            return Err("a dashboard's client id has 1 to 64 bytes and no slash".to_owned());
        }
        if !connect.clean_start() {
            // Else it could inherit the subscriptions of another token.
            return Err("dashboards connect with a clean start".to_owned());
        }
        if connect.last_will().is_some() {
            return Err("dashboards leave no will".to_owned());
        }
        if connect.username().map(|name| &**name) != Some("token") {
            return Err("dashboards sign in as `token`".to_owned());
        }
        let password = connect
            .password()
            .map(|bytes| bytes.to_vec())
            .unwrap_or_default();
        let token = String::from_utf8(password).map_err(|_| "the token is not text")?;
        let grant = self
            .0
            .door
            .grant(&token)
            .await
            .ok_or("the token is not valid")?;
        access::admit_grant(&grant, self.0.door.now_ms()).map_err(|error| error.to_string())?;
        self.0
            .dashboards()
            .insert(client_id.to_owned(), DashboardSession { grant });
        Ok(())
    }

    /// Who a session is. The client id was checked when it was let in.
    fn principal(&self, session: &Session) -> Option<Principal> {
        let client_id: &str = &session.id.client_id;
        match session.id.lid() {
            CERTIFICATES => {
                let (organisation, name) = client_id.split_once('/')?;
                let identity = Identity::from_subject(organisation, name).ok()?;
                Some(Principal::of(&identity, &self.0.site()))
            }
            DASHBOARDS => {
                let dashboards = self.0.dashboards();
                Some(Principal::Dashboard(
                    dashboards.get(client_id)?.grant.clone(),
                ))
            }
            _ => None,
        }
    }

    fn subscribe(&self, session: &Session, subscribe: &Subscribe) -> SubscribeAclResult {
        let allowed = self.principal(session).is_some_and(|principal| {
            subscribe
                .topic_filter
                .parse::<TopicFilter>()
                .is_ok_and(|filter| self.0.may(&principal, Action::Subscribe(&filter)))
        });
        if allowed {
            SubscribeAclResult::new_success(subscribe.opts.qos(), None)
        } else {
            SubscribeAclResult::new_failure(SubscribeAckReason::NotAuthorized)
        }
    }

    async fn publish(&self, session: &Session, publish: &Publish) -> PublishAclResult {
        let Some(principal) = self.principal(session) else {
            return refuse(PublishAckReason::NotAuthorized, true);
        };
        // A 3.1.1 client would take the refusal for success, so it is disconnected.
        let is_old = session.protocol().await.unwrap_or(0) != MQTT_LEVEL_5;
        match self.consider(principal, publish).await {
            Ok(()) => PublishAclResult::allow(),
            Err(reason) => refuse(reason, is_old),
        }
    }

    async fn consider(
        &self,
        principal: Principal,
        publish: &Publish,
    ) -> Result<(), PublishAckReason> {
        let topic: Topic = publish
            .topic
            .parse()
            .map_err(|_| PublishAckReason::TopicNameInvalid)?;
        if !self.0.may(&principal, Action::Publish(&topic)) {
            return Err(PublishAckReason::NotAuthorized);
        }
        let sound = publish.payload.len() <= topic.channel.limit()
            && publish.retain == topic.channel.retained()
            && publish.qos != QoS::ExactlyOnce;
        if !sound {
            return Err(PublishAckReason::PayloadFormatInvalid);
        }
        let payload = publish.payload.clone();
        let arrival = Arrival {
            principal,
            topic,
            payload,
            is_will: false,
        };
        match self.0.door.ingest(arrival).await {
            Verdict::Taken => Ok(()),
            Verdict::Busy => Err(PublishAckReason::QuotaExceeded),
            Verdict::Refused => Err(PublishAckReason::PayloadFormatInvalid),
        }
    }

    async fn will(&self, session: &Session, publish: &Publish) {
        let (Some(principal), Ok(topic)) = (self.principal(session), publish.topic.parse()) else {
            return;
        };
        let payload = publish.payload.clone();
        self.0
            .door
            .ingest(Arrival {
                principal,
                topic,
                payload,
                is_will: true,
            })
            .await;
    }
}

fn refuse(reason: PublishAckReason, disconnect: bool) -> PublishAclResult {
    PublishAclResult(PublishResult::reason_code(reason, None, disconnect))
}
