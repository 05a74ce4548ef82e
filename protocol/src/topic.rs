//! Topics: `noroshi/v1/<org>/<site>/<device>/<kind>/<name>`. This file spells them.

use std::fmt;
use std::str::FromStr;

use crate::{
    CommandId, DeviceId, EventKind, MetricGroup, OrgId, PipelineId, SiteId, Stream, limits,
};

pub(crate) const ROOT: &str = "noroshi";
pub(crate) const VERSION: &str = "v1";

/// The sixth level: what a topic carries, and so who may use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "described at the channels")]
pub enum Kind {
    Status,
    State,
    Choice,
    Result,
    Event,
    Ack,
    Live,
    Metric,
    Command,
    Reply,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Status,
        Self::State,
        Self::Choice,
        Self::Result,
        Self::Event,
        Self::Ack,
        Self::Live,
        Self::Metric,
        Self::Command,
        Self::Reply,
    ];

    /// The level's text.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::State => "state",
            Self::Choice => "choice",
            Self::Result => "result",
            Self::Event => "event",
            Self::Ack => "ack",
            Self::Live => "live",
            Self::Metric => "metric",
            Self::Command => "command",
            Self::Reply => "reply",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// The last two levels: one flow of messages of a device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// `status/agent`: device → all; flat JSON, retained; the will is *lost*.
    Status,
    /// `state/desired`: cloud → device; signed CBOR, retained.
    Desired,
    /// `state/reported`: device → cloud; signed CBOR, retained.
    Reported,
    /// `choice/plan`: gateway → device; CBOR, retained.
    Choice,
    /// `result/<pipeline>`: device → cloud; a batch of records.
    Result(PipelineId),
    /// `event/<kind>`: device → cloud; a batch of records.
    Event(EventKind),
    /// `ack/<stream>`: next holder → device, one hop.
    Ack(Stream),
    /// `live/<pipeline>`: rendered where the reader is; flat JSON.
    Live(PipelineId),
    /// `metric/<group>`: device → all; flat JSON of numbers.
    Metric(MetricGroup),
    /// `command/<id>`: cloud → device; signed CBOR.
    Command(CommandId),
    /// `reply/<id>`: device → cloud; CBOR.
    Reply(CommandId),
}

impl Channel {
    /// The kind level.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Status => Kind::Status,
            Self::Desired | Self::Reported => Kind::State,
            Self::Choice => Kind::Choice,
            Self::Result(_) => Kind::Result,
            Self::Event(_) => Kind::Event,
            Self::Ack(_) => Kind::Ack,
            Self::Live(_) => Kind::Live,
            Self::Metric(_) => Kind::Metric,
            Self::Command(_) => Kind::Command,
            Self::Reply(_) => Kind::Reply,
        }
    }

    /// The name level.
    pub fn name(&self) -> &str {
        match self {
            Self::Status => "agent",
            Self::Desired => "desired",
            Self::Reported => "reported",
            Self::Choice => "plan",
            Self::Result(pipeline) | Self::Live(pipeline) => pipeline.as_str(),
            Self::Event(kind) => kind.as_str(),
            Self::Ack(stream) => stream.word(),
            Self::Metric(group) => group.as_str(),
            Self::Command(id) | Self::Reply(id) => id.as_str(),
        }
    }

    /// Whether the broker keeps the last message.
    pub const fn retained(&self) -> bool {
        matches!(
            self,
            Self::Status | Self::Desired | Self::Reported | Self::Choice
        )
    }

    /// MQTT quality of service.
    pub const fn qos(&self) -> u8 {
        match self {
            Self::Live(_) | Self::Metric(_) => 0,
            _ => 1,
        }
    }

    /// Largest payload in bytes.
    pub const fn limit(&self) -> usize {
        match self {
            Self::Desired | Self::Reported | Self::Command(_) => limits::STATE,
            Self::Result(_) | Self::Event(_) | Self::Reply(_) => limits::BATCH,
            Self::Metric(_) => limits::METRIC,
            Self::Status | Self::Choice | Self::Ack(_) | Self::Live(_) => limits::SMALL,
        }
    }

    fn from_levels(kind: &str, name: &str) -> Option<Self> {
        Some(match (Kind::from_word(kind)?, name) {
            (Kind::Status, "agent") => Self::Status,
            (Kind::State, "desired") => Self::Desired,
            (Kind::State, "reported") => Self::Reported,
            (Kind::Choice, "plan") => Self::Choice,
            (Kind::Result, pipeline) => Self::Result(pipeline.parse().ok()?),
            (Kind::Event, kind) => Self::Event(kind.parse().ok()?),
            (Kind::Ack, stream) => Self::Ack(Stream::from_word(stream)?),
            (Kind::Live, pipeline) => Self::Live(pipeline.parse().ok()?),
            (Kind::Metric, group) => Self::Metric(group.parse().ok()?),
            (Kind::Command, id) => Self::Command(id.parse().ok()?),
            (Kind::Reply, id) => Self::Reply(id.parse().ok()?),
            (Kind::Status | Kind::State | Kind::Choice, _) => return None,
        })
    }
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic {
    /// The organisation.
    pub org: OrgId,
    /// The site.
    pub site: SiteId,
    /// The device, or `gateway`.
    pub device: DeviceId,
    /// What flows.
    pub channel: Channel,
}

/// Text that is no topic of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not noroshi/v1/<org>/<site>/<device>/<kind>/<name>")]
pub struct TopicError(pub(crate) String);

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            org,
            site,
            device,
            channel,
        } = self;
        let (kind, name) = (channel.kind().word(), channel.name());
        write!(f, "{ROOT}/{VERSION}/{org}/{site}/{device}/{kind}/{name}")
    }
}

impl FromStr for Topic {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        let error = || TopicError(text.chars().take(120).collect());
        if text.len() > limits::TOPIC {
            return Err(error());
        }
        let levels: Vec<&str> = text.split('/').collect();
        let [ROOT, VERSION, org, site, device, kind, name] = levels.as_slice() else {
            return Err(error());
        };
        Ok(Self {
            org: org.parse().map_err(|_| error())?,
            site: site.parse().map_err(|_| error())?,
            device: device.parse().map_err(|_| error())?,
            channel: Channel::from_levels(kind, name).ok_or_else(error)?,
        })
    }
}
