//! The flows of messages that the access rule tells apart.

use std::fmt;

use noroshi_protocol::{Channel, Kind, Stream, TopicFilter};

/// A [`Kind`], with the two directions of `state` apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "described at the channels")]
pub enum Flow {
    Status,
    Desired,
    Reported,
    Choice,
    Result,
    Event,
    Ack,
    Live,
    Metric,
    Command,
    Reply,
}

impl Flow {
    /// Every flow.
    pub const ALL: [Self; 11] = [
        Self::Status,
        Self::Desired,
        Self::Reported,
        Self::Choice,
        Self::Result,
        Self::Event,
        Self::Ack,
        Self::Live,
        Self::Metric,
        Self::Command,
        Self::Reply,
    ];

    /// The flow of a channel.
    pub const fn of(channel: &Channel) -> Self {
        match channel {
            Channel::Status => Self::Status,
            Channel::Desired => Self::Desired,
            Channel::Reported => Self::Reported,
            Channel::Choice => Self::Choice,
            Channel::Result(_) => Self::Result,
            Channel::Event(_) => Self::Event,
            Channel::Ack(_) => Self::Ack,
            Channel::Live(_) => Self::Live,
            Channel::Metric(_) => Self::Metric,
            Channel::Command(_) => Self::Command,
            Channel::Reply(_) => Self::Reply,
        }
    }

    /// Whether a device says it: it flows up, to the cloud.
    pub const fn is_upward(self) -> bool {
        matches!(
            self,
            Self::Status | Self::Reported | Self::Result | Self::Event | Self::Metric | Self::Reply
        )
    }

    /// The flows that a filter's kind and name cover; empty if no topic has such a name.
    pub(super) fn covered(filter: &TopicFilter) -> Vec<Self> {
        let name = filter.name.as_deref();
        let named = |word: &str| name.is_none_or(|name| name == word);
        match filter.kind {
            Kind::Status if named("agent") => vec![Self::Status],
            Kind::Choice if named("plan") => vec![Self::Choice],
            Kind::State => [("desired", Self::Desired), ("reported", Self::Reported)]
                .into_iter()
                .filter(|(word, _)| named(word))
                .map(|(_, flow)| flow)
                .collect(),
            Kind::Ack if Stream::ALL.into_iter().any(|stream| named(stream.word())) => {
                vec![Self::Ack]
            }
            Kind::Status | Kind::Choice | Kind::Ack => vec![],
            Kind::Result => vec![Self::Result],
            Kind::Event => vec![Self::Event],
            Kind::Live => vec![Self::Live],
            Kind::Metric => vec![Self::Metric],
            Kind::Command => vec![Self::Command],
            Kind::Reply => vec![Self::Reply],
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status => "status",
            Self::Desired => "state/desired",
            Self::Reported => "state/reported",
            Self::Choice => "choice",
            Self::Result => "result",
            Self::Event => "event",
            Self::Ack => "ack",
            Self::Live => "live",
            Self::Metric => "metric",
            Self::Command => "command",
            Self::Reply => "reply",
        })
    }
}
