//! One start of the gateway: counted, with a random boot id, and the gateway's names.

use std::path::Path;

use noroshi_protocol::{BootId, Channel, DeviceId, OrgId, OsBoot, SiteId, Topic};
use noroshi_service::{clock, files};

use crate::GatewayError;

const FILE: &str = "start";

/// Which gateway, and which start of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The organisation.
    pub org: OrgId,
    /// The site.
    pub site: SiteId,
    /// Counts the starts.
    pub number: u64,
    /// Random.
    pub boot: BootId,
    /// The machine's start.
    pub os_boot: OsBoot,
}

impl Start {
    /// Counts this start durably in `state`.
    pub fn count(state: &Path, org: OrgId, site: SiteId) -> Result<Self, GatewayError> {
        let path = state.join(FILE);
        let last = match files::read_bounded(&path, 32) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).trim().parse().unwrap_or(0),
            Err(error) if error.is_not_found() => 0,
            Err(error) => return Err(error.into()),
        };
        let number: u64 = last + 1;
        files::write_atomic(&path, format!("{number}\n").as_bytes())?;
        let os_boot = clock::os_boot().unwrap_or(OsBoot::from_bytes([0; 16]));
        Ok(Self {
            org,
            site,
            number,
            boot: BootId::from_bytes(random()?),
            os_boot,
        })
    }

    /// A topic of the device `gateway`.
    pub fn topic(&self, channel: Channel) -> Topic {
        self.topic_of(DeviceId::gateway(), channel)
    }

    /// A topic of a device of the site.
    pub fn topic_of(&self, device: DeviceId, channel: Channel) -> Topic {
        Topic {
            org: self.org.clone(),
            site: self.site.clone(),
            device,
            channel,
        }
    }
}

/// Bytes from the system's generator.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], GatewayError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| GatewayError::Invalid("the system gives no random numbers".into()))?;
    Ok(bytes)
}
