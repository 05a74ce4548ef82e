//! Who may publish, subscribe to and leave a will on what, at which broker.
//!
//! One rule for broker hooks and HTTP routes. It is decided per kind *and direction*: what a
//! device may say, it may not be told, and the other way round. A filter is allowed only if
//! every topic that it matches is; it is never narrowed.

mod flow;
mod rule;

use std::fmt;

use noroshi_protocol::{DeviceId, Grant, Identity, OrgId, SiteId, Topic, TopicFilter};

pub use flow::Flow;

/// Who acts, after the broker or server has authenticated it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A device, at the site where it was admitted.
    Device {
        /// Its organisation.
        org: OrgId,
        /// Its id.
        device: DeviceId,
        /// The site of its topics: the broker's own site, or `direct` at the cloud.
        site: SiteId,
    },
    /// The gateway of a site.
    Gateway {
        /// Its organisation.
        org: OrgId,
        /// Its site.
        site: SiteId,
    },
    /// The cloud, for one organisation.
    Cloud {
        /// The organisation.
        org: OrgId,
    },
    /// A reader with a dashboard token. Its expiry is checked by [`admit_grant`].
    Dashboard(Grant),
}

/// Where it acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broker {
    /// The cloud's broker; it serves the site `direct` too.
    Cloud,
    /// The broker of a site's gateway.
    Site(SiteId),
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Action<'a> {
    /// Publish to the topic.
    Publish(&'a Topic),
    /// Subscribe to the filter.
    Subscribe(&'a TopicFilter),
    /// Receive what is published on the topic; also: read it by HTTP.
    Receive(&'a Topic),
    /// Leave a will on the topic.
    Will(&'a Topic),
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Allow,
    /// It may not.
    Deny(Reason),
}

impl Decision {
    /// Whether it is [`Decision::Allow`].
    pub const fn is_allowed(self) -> bool {
        matches!(self, Self::Allow)
    }
}

/// Why something is denied; its text is for logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The topic belongs to another organisation.
    #[error("it belongs to another organisation")]
    OtherOrganisation,
    /// The principal has no business at this broker.
    #[error("a {0} of that site has no business at this broker")]
    NotHere(Role),
    /// The topic is, or may be, of a site that is not the principal's.
    #[error("a {0} keeps to its own site, and a filter names it")]
    OtherSite(Role),
    /// The topic is, or may be, of a device that is not the principal's.
    #[error("a {0} keeps to its own device there, and a filter names it")]
    OtherDevice(Role),
    /// That kind does not flow in that direction.
    #[error("a {role} may not {verb} {flow} at this broker")]
    Direction {
        /// Who asked.
        role: Role,
        /// `publish`, `receive` or `will`.
        verb: &'static str,
        /// What for.
        flow: Flow,
    },
    /// The dashboard token does not cover all of it.
    #[error("the dashboard token does not cover all of it: ask for the sites or devices it names")]
    NotGranted,
    /// The filter can match no topic.
    #[error("no topic has such a name")]
    NamesNothing,
    /// `gateway` is no device's id.
    #[error("`gateway` is not the id of a device")]
    Reserved,
}

/// A principal's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "described at the principals")]
pub enum Role {
    Device,
    Gateway,
    Cloud,
    Dashboard,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Device => "device",
            Self::Gateway => "gateway",
            Self::Cloud => "cloud",
            Self::Dashboard => "dashboard",
        })
    }
}

impl Principal {
    /// The principal of a certificate. `site` is where a device's topics are: the site of the
    /// broker that admits it, or `direct` at the cloud; the others carry their own.
    pub fn of(identity: &Identity, site: &SiteId) -> Self {
        match identity.clone() {
            Identity::Device { org, device } => Self::Device {
                org,
                device,
                site: site.clone(),
            },
            Identity::Gateway { org, site } => Self::Gateway { org, site },
            Identity::Cloud { org } => Self::Cloud { org },
        }
    }

    /// Its organisation.
    pub fn org(&self) -> &OrgId {
        match self {
            Self::Device { org, .. } | Self::Gateway { org, .. } | Self::Cloud { org } => org,
            Self::Dashboard(grant) => &grant.org,
        }
    }

    /// Its kind.
    pub const fn role(&self) -> Role {
        match self {
            Self::Device { .. } => Role::Device,
            Self::Gateway { .. } => Role::Gateway,
            Self::Cloud { .. } => Role::Cloud,
            Self::Dashboard(_) => Role::Dashboard,
        }
    }
}

/// Whether `principal` may do `action` at `broker`.
pub fn decide(principal: &Principal, broker: &Broker, action: Action<'_>) -> Decision {
    match rule::check(principal, broker, action) {
        Ok(()) => Decision::Allow,
        Err(reason) => Decision::Deny(reason),
    }
}

/// A connection that is not let in; its text is for logs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdmitError {
    /// The MQTT client id is not the one of the certificate.
    #[error("the client id must be {expected:?}, as in the certificate")]
    ClientId {
        /// What it must be.
        expected: String,
    },
    /// The dashboard token is not valid any more.
    #[error("the dashboard token has expired: sign in again")]
    Expired,
}

/// Lets a certificate's holder connect, if its MQTT client id is the certificate's. So two
/// connections of one identity are the same session, and a takeover is seen.
pub fn admit(identity: &Identity, client_id: &str) -> Result<(), AdmitError> {
    let expected = identity.client_id();
    if client_id == expected {
        Ok(())
    } else {
        Err(AdmitError::ClientId { expected })
    }
}

/// Lets the holder of a dashboard token in, until its expiry; the caller closes the session
/// at [`Grant::expires_ms`]. `now_ms` is in Unix milliseconds.
pub fn admit_grant(grant: &Grant, now_ms: u64) -> Result<(), AdmitError> {
    if now_ms < grant.expires_ms {
        Ok(())
    } else {
        Err(AdmitError::Expired)
    }
}
