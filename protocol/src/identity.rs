//! Who a peer is: the URI in its certificate, the subject beside it, its MQTT client id.

use std::fmt;
use std::str::FromStr;

use crate::{DeviceId, OrgId, SiteId};

/// A peer with a certificate of the organisation's CA.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// A device; its site may change, so the certificate names none.
    Device {
        /// Its organisation.
        org: OrgId,
        /// Its id.
        device: DeviceId,
    },
    /// The gateway of a site.
    Gateway {
        /// Its organisation.
        org: OrgId,
        /// The site that it serves.
        site: SiteId,
    },
    /// The cloud.
    Cloud {
        /// The organisation that it speaks for.
        org: OrgId,
    },
}

/// Text that names no identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no device, gateway or cloud of Noroshi")]
pub struct IdentityError(String);

impl Identity {
    /// The organisation.
    pub fn org(&self) -> &OrgId {
        match self {
            Self::Device { org, .. } | Self::Gateway { org, .. } | Self::Cloud { org } => org,
        }
    }

    /// The certificate's URI: `noroshi://<org>/<common name>`.
    pub fn uri(&self) -> String {
        format!("noroshi://{}/{}", self.org(), self.common_name())
    }

    /// The subject's common name: `device/<id>`, `site/<site>/gateway` or `cloud`.
    pub fn common_name(&self) -> String {
        match self {
            Self::Device { device, .. } => format!("device/{device}"),
            Self::Gateway { site, .. } => format!("site/{site}/gateway"),
            Self::Cloud { .. } => "cloud".to_owned(),
        }
    }

    /// The MQTT client id that this identity must use: `<org>/<common name>`.
    pub fn client_id(&self) -> String {
        format!("{}/{}", self.org(), self.common_name())
    }

    /// The identity whose organisation and common name stand in a certificate's subject.
    pub fn from_subject(organisation: &str, common_name: &str) -> Result<Self, IdentityError> {
        let error = || {
            IdentityError(
                format!("{organisation}/{common_name}")
                    .chars()
                    .take(120)
                    .collect(),
            )
        };
        let org = organisation.parse().map_err(|_| error())?;
        let parts: Vec<&str> = common_name.split('/').collect();
        match parts.as_slice() {
            ["cloud"] => Ok(Self::Cloud { org }),
            ["device", device] => {
                let device: DeviceId = device.parse().map_err(|_| error())?;
                // `gateway` is a device's name in topics, never in a device certificate.
                if device == DeviceId::gateway() {
                    return Err(error());
                }
                Ok(Self::Device { org, device })
            }
            ["site", site, "gateway"] => Ok(Self::Gateway {
                org,
                site: site.parse().map_err(|_| error())?,
            }),
            _ => Err(error()),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri())
    }
}

impl FromStr for Identity {
    type Err = IdentityError;

    /// Reads the URI form.
    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let error = || IdentityError(text.chars().take(120).collect());
        let (org, name) = text
            .strip_prefix("noroshi://")
            .and_then(|rest| rest.split_once('/'))
            .ok_or_else(error)?;
        Self::from_subject(org, name)
    }
}
