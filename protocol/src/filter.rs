//! Topic filters: what may be subscribed to. Organisation and kind are always fixed.

use std::fmt;
use std::str::FromStr;

use crate::topic::{ROOT, VERSION};
use crate::{DeviceId, Kind, OrgId, SiteId, Topic, TopicError, limits};

/// A filter of the form `noroshi/v1/<org>/<site|+>/<device|+>/<kind>/<name|+>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TopicFilter {
    /// The organisation.
    pub org: OrgId,
    /// One site, or every one.
    pub site: Option<SiteId>,
    /// One device, or every one.
    pub device: Option<DeviceId>,
    /// The kind.
    pub kind: Kind,
    /// One name, or every one.
    pub name: Option<String>,
}

impl TopicFilter {
    /// Whether `topic` is one of those meant.
    pub fn matches(&self, topic: &Topic) -> bool {
        self.org == topic.org
            && self.site.as_ref().is_none_or(|site| *site == topic.site)
            && self
                .device
                .as_ref()
                .is_none_or(|device| *device == topic.device)
            && self.kind == topic.channel.kind()
            && self
                .name
                .as_ref()
                .is_none_or(|name| name == topic.channel.name())
    }
}

impl From<&Topic> for TopicFilter {
    fn from(topic: &Topic) -> Self {
        Self {
            org: topic.org.clone(),
            site: Some(topic.site.clone()),
            device: Some(topic.device.clone()),
            kind: topic.channel.kind(),
            name: Some(topic.channel.name().to_owned()),
        }
    }
}

impl fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let site = self.site.as_ref().map_or("+", SiteId::as_str);
        let device = self.device.as_ref().map_or("+", DeviceId::as_str);
        let name = self.name.as_deref().unwrap_or("+");
        write!(
            f,
            "{ROOT}/{VERSION}/{}/{site}/{device}/{}/{name}",
            self.org,
            self.kind.word()
        )
    }
}

impl FromStr for TopicFilter {
    type Err = TopicError;

    /// Reads a filter. One that leaves organisation or kind open, or uses `#`, is refused,
    /// never narrowed.
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
            site: open(site)
                .map(str::parse)
                .transpose()
                .map_err(|_| error())?,
            device: open(device)
                .map(str::parse)
                .transpose()
                .map_err(|_| error())?,
            kind: Kind::from_word(kind).ok_or_else(error)?,
            name: match open(name) {
                None => None,
                Some(name) if noroshi_model::is_id(name) => Some(name.to_owned()),
                Some(_) => return Err(error()),
            },
        })
    }
}

fn open(level: &str) -> Option<&str> {
    (level != "+").then_some(level)
}
