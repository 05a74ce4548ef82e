//! Publishing from anywhere, without ever waiting.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use rumqttc::v5::mqttbytes::v5::Publish;
use tokio::sync::{mpsc, oneshot, watch};

use super::types::{Properties, PublishOutcome, Qos};

/// The longest topic, in bytes.
const MAX_TOPIC_BYTES: usize = 256;

/// The connection that publishes go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) epoch: u64,
    pub(super) max_packet: u32,
}

/// A publish on its way to the session's task.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) epoch: u64,
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) qos: Qos,
    pub(super) retain: bool,
    pub(super) properties: Properties,
    /// Taken when it is handed over.
    pub(super) reply: Option<oneshot::Sender<PublishOutcome>>,
}

impl Outgoing {
    pub(super) fn lose(self) {
        if let Some(reply) = self.reply {
            let _ = reply.send(PublishOutcome::Lost);
        }
    }
}

/// Why a publish was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// There is no connection now; wait for the next `Connected`.
    #[error("not connected to the broker")]
    Offline,
    /// The queue is full; wait for a ticket to settle.
    #[error("the publish queue is full")]
    Full,
    /// The packet is larger than the broker takes; sending it again can't help.
    #[error("the packet has {size} bytes, the broker takes {limit}")]
    TooLarge {
        /// The packet's size in bytes.
        size: usize,
        /// The most the broker takes.
        limit: u32,
    },
    /// The topic is empty, too long or has a wildcard in it.
    #[error("the topic is not one that can be published to")]
    TopicInvalid,
}

/// Publishes into a session. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SessionHandle {
    pub(super) publishes: mpsc::Sender<Outgoing>,
    pub(super) live: watch::Receiver<Option<Live>>,
}

impl SessionHandle {
    /// Queues a publish for the present connection; never waits.
    ///
    /// Publishes are sent in the order of these calls, but brokers may deliver them in another
    /// one after a reconnect, so what depends on order carries a number.
    pub fn publish(
        &self,
        topic: impl Into<String>,
        payload: impl Into<Bytes>,
        qos: Qos,
        retain: bool,
        properties: Properties,
    ) -> Result<PublishTicket, PublishError> {
        let live = (*self.live.borrow()).ok_or(PublishError::Offline)?;
        let (topic, payload) = (topic.into(), payload.into());
        check_topic(&topic)?;
        check_size(&topic, &payload, qos, &properties, live.max_packet)?;
        let (reply, outcome) = oneshot::channel();
        let epoch = live.epoch;
        let outgoing = Outgoing {
            epoch,
            topic,
            payload,
            qos,
            retain,
            properties,
            reply: Some(reply),
        };
        self.publishes
            .try_send(outgoing)
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => PublishError::Full,
                mpsc::error::TrySendError::Closed(_) => PublishError::Offline,
            })?;
        Ok(PublishTicket { epoch, outcome })
    }

    /// The epoch of the present connection; `None` while there is none.
    pub fn epoch(&self) -> Option<u64> {
        self.live.borrow().map(|live| live.epoch)
    }

    /// Completes when there is a connection, and answers its epoch; `None` when the session has
    /// ended for good.
    pub async fn connected(&self) -> Option<u64> {
        let mut live = self.live.clone();
        let connected = live.wait_for(Option::is_some).await.ok()?;
        (*connected).map(|live| live.epoch)
    }
}

fn check_topic(topic: &str) -> Result<(), PublishError> {
    let usable =
        !topic.is_empty() && topic.len() <= MAX_TOPIC_BYTES && !topic.contains(['+', '#', '\0']);
    if usable {
        Ok(())
    } else {
        Err(PublishError::TopicInvalid)
    }
}

// A publish over the broker's limit is an error of the library's connection, so sending it again
// and again would end every connection.
fn check_size(
    topic: &str,
    payload: &Bytes,
    qos: Qos,
    properties: &Properties,
    limit: u32,
) -> Result<(), PublishError> {
    let wire = (!properties.is_empty()).then(|| properties.to_wire());
    let mut publish = Publish::new(topic, qos.into(), payload.clone(), wire);
    publish.pkid = 1;
    let size = publish.size();
    if size as u64 > u64::from(limit) {
        return Err(PublishError::TooLarge { size, limit });
    }
    Ok(())
}

/// Resolves to what became of a publish.
#[derive(Debug)]
pub struct PublishTicket {
    epoch: u64,
    outcome: oneshot::Receiver<PublishOutcome>,
}

impl PublishTicket {
    /// The connection the publish belongs to.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}

impl Future for PublishTicket {
    type Output = PublishOutcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<PublishOutcome> {
        Pin::new(&mut self.outcome)
            .poll(context)
            .map(|outcome| outcome.unwrap_or(PublishOutcome::Lost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_and_sizes_are_checked_before_they_are_queued() {
        assert!(check_topic("noroshi/v1/o/s/d/status/agent").is_ok());
        for topic in ["", "a/+/b", "a/#", "a\0b", &"a".repeat(257)] {
            assert_eq!(check_topic(topic), Err(PublishError::TopicInvalid));
        }
        let payload = Bytes::from(vec![0; 100]);
        let none = Properties::default();
        assert!(check_size("t", &payload, Qos::AtLeastOnce, &none, 108).is_ok());
        let error = check_size("t", &payload, Qos::AtLeastOnce, &none, 105).unwrap_err();
        assert!(matches!(
            error,
            PublishError::TooLarge {
                size: 106..=108,
                limit: 105
            }
        ));
    }
}
