//! Ids: machine-made, permanent, 1 to 40 of `[a-z0-9-]`. Names for people are elsewhere.

use std::fmt;
use std::str::FromStr;

use noroshi_model::id;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

id! {
    /// An organisation: the unit of trust; owns a CA and a TUF repository.
    OrgId
}
id! {
    /// A site of an organisation.
    SiteId
}
id! {
    /// A device; `gateway` is the gateway of its site.
    DeviceId
}
id! {
    /// A pipeline: a named source, a model, filters.
    PipelineId
}
id! {
    /// A rollout.
    RolloutId
}
id! {
    /// A plan: what one device does in one wave of a rollout. A retry is a new plan.
    PlanId
}
id! {
    /// A command, once for ever.
    CommandId
}
id! {
    /// A token's public half.
    TokenId
}
id! {
    /// A store of results; changed by init and by restore.
    StoreId
}
id! {
    /// What an event is about, such as `worker-failed`.
    EventKind
}
id! {
    /// A group of metrics, such as `agent`.
    MetricGroup
}

impl SiteId {
    /// The site of devices that have no gateway; served by the cloud.
    pub fn direct() -> Self {
        Self::from_str("direct").expect("a valid id")
    }
}

impl DeviceId {
    /// The device name that a site's gateway has in topics.
    pub fn gateway() -> Self {
        Self::from_str("gateway").expect("a valid id")
    }
}

macro_rules! bits128 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// From 16 bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = noroshi_model::NameError;

            /// Reads 32 hexadecimal digits; dashes as in a UUID are skipped.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let error = || noroshi_model::NameError { text: text.chars().take(60).collect() };
                if text.len() > 36 {
                    return Err(error());
                }
                let digits: String = text.chars().filter(|c| *c != '-').collect();
                let bytes =
                    data_encoding::HEXLOWER.decode(digits.as_bytes()).map_err(|_| error())?;
                bytes.try_into().map(Self).map_err(|_| error())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de::Error;
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
                } else {
                    let bytes = serde_bytes::ByteBuf::deserialize(deserializer)?;
                    let bytes = <[u8; 16]>::try_from(bytes.as_slice())
                        .map_err(|_| D::Error::invalid_length(bytes.len(), &"16 bytes"))?;
                    Ok(Self(bytes))
                }
            }
        }
    };
}

bits128! {
    /// One start of an agent or gateway: random, 128 bit.
    BootId
}
bits128! {
    /// One start of the operating system: the kernel's `boot_id`.
    OsBoot
}

/// A frame, unique over restarts of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FrameId {
    /// One start of the source process: random.
    pub source: u64,
    /// Counts from 0 within it.
    pub number: u64,
}

impl fmt::Display for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.source, self.number)
    }
}
