//! Before anybody is let in: a stranger must not connect, publish or subscribe. Hooks that were
//! not started would let everything through without a word.

use std::sync::Arc;

use noroshi_protocol::{Channel, Topic};
use rmqtt::codec::types::Publish as WirePublish;
use rmqtt::codec::v5::Connect;
use rmqtt::context::ServerContext;
use rmqtt::net::Builder;
use rmqtt::session::Session;
use rmqtt::types::{ConnectInfo, Id, Publish, QoS, SessionSubs, Subscribe, SubscriptionOptions};

use super::guard::CERTIFICATES;
use crate::GatewayError;

/// A device that asks for what is another's.
pub(super) const STRANGER: &str = "self-test/device/stranger";

/// A topic of the device that the stranger is not.
fn foreign(channel: Channel) -> String {
    let topic = Topic {
        org: "self-test".parse().expect("an id"),
        site: "self-test".parse().expect("an id"),
        device: "other".parse().expect("an id"),
        channel,
    };
    topic.to_string()
}

pub(super) async fn run(context: &ServerContext) -> Result<(), GatewayError> {
    let broken = |error: rmqtt::Error| GatewayError::Broker(format!("{error:#}"));
    let id = Id::new(
        context.node.id(),
        CERTIFICATES,
        None,
        None,
        STRANGER.into(),
        None,
    );
    let connect = Connect::default().client_id(STRANGER);
    let connect = Arc::new(ConnectInfo::V5(id.clone(), Box::new(connect)));
    let (ack, ..) = context
        .extends
        .hook_mgr()
        .client_authenticate(&connect, false)
        .await;
    if ack.success() {
        return Err(GatewayError::SelfTest(
            "a client without a certificate may connect",
        ));
    }
    let session = session(context, id, connect).await.map_err(broken)?;
    let hook = context.extends.hook_mgr().hook(session);
    if hook
        .message_publish_check_acl(&foreign_publish())
        .await
        .is_allow()
    {
        return Err(GatewayError::SelfTest("a device may publish as another"));
    }
    match hook
        .client_subscribe_check_acl(&foreign_subscription())
        .await
    {
        Some(answer) if answer.failure() => Ok(()),
        _ => Err(GatewayError::SelfTest(
            "a device may read what is for another",
        )),
    }
}

async fn session(
    context: &ServerContext,
    id: Id,
    connect: Arc<ConnectInfo>,
) -> Result<Session, rmqtt::Error> {
    let listener = Arc::new(Builder::new());
    let fitter =
        context
            .extends
            .fitter_mgr()
            .await
            .create(connect.clone(), id.clone(), listener.clone());
    let in_flight = fitter.max_inflight();
    Session::new(
        id,
        context.clone(),
        1,
        listener,
        fitter,
        None,
        in_flight,
        0,
        connect,
        false,
        false,
        false,
        0,
        SessionSubs::new(),
        None,
        None,
    )
    .await
}

fn foreign_publish() -> Publish {
    let publish = WirePublish {
        dup: false,
        retain: false,
        qos: QoS::AtLeastOnce,
        topic: foreign(Channel::Result("p".parse().expect("an id"))).into(),
        packet_id: None,
        payload: Vec::new().into(),
        properties: None,
    };
    Publish::new(Box::new(publish), None, None, None)
}

fn foreign_subscription() -> Subscribe {
    Subscribe {
        topic_filter: foreign(Channel::Desired).into(),
        opts: SubscriptionOptions::default(),
    }
}
