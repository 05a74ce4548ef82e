//! Tokens: text that a person can carry, with a prefix that a scanner can find.

use std::fmt;
use std::str::FromStr;

use data_encoding::{Encoding, Specification};
use noroshi_model::Digest;
use serde::{Deserialize, Serialize};

use crate::envelope::Domain;
use crate::{
    DeviceId, Envelope, EnvelopeError, KeyError, Message, OrgId, PublicKey, SigningKey, SiteId,
    TokenId, limits,
};

const ENROL: &str = "nrs_enrol";
const ENROL_DEVELOPMENT: &str = "nrs_dev";
const API: &str = "nrs_api";
const DASHBOARD: &str = "nrs_dash";
const LIMIT: usize = 4096;

/// Text that is no such token. It never repeats the text: tokens are secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a {0} token: check that it was copied whole")]
pub struct TokenError(&'static str);

fn base32() -> Encoding {
    let mut specification = Specification::new();
    specification
        .symbols
        .push_str("abcdefghijklmnopqrstuvwxyz234567");
    specification
        .translate
        .from
        .push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    specification
        .translate
        .to
        .push_str("abcdefghijklmnopqrstuvwxyz");
    specification.encoding().expect("a valid alphabet")
}

fn decode32(text: &str) -> Option<[u8; 32]> {
    base32().decode(text.as_bytes()).ok()?.try_into().ok()
}

/// Lets a device or gateway join: `nrs_enrol_<id>_<seed>_<pin>`, or `nrs_dev_…` under a
/// development root. The cloud keeps only the public half of the seed.
#[derive(Clone, PartialEq, Eq)]
pub struct EnrolToken {
    /// Its public half, by which the cloud finds it.
    pub id: TokenId,
    /// An Ed25519 private key's seed.
    pub seed: [u8; 32],
    /// SHA-256 of the organisation's anchor document.
    pub pin: Digest,
    /// Whether the root is a development root.
    pub development: bool,
}

impl EnrolToken {
    /// The key that signs enrolment requests.
    pub fn key(&self) -> Result<SigningKey, KeyError> {
        SigningKey::from_seed(&self.seed)
    }
}

impl fmt::Debug for EnrolToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnrolToken({})", self.id)
    }
}

impl fmt::Display for EnrolToken {
    /// The whole secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.development {
            ENROL_DEVELOPMENT
        } else {
            ENROL
        };
        let base32 = base32();
        let (seed, pin) = (
            base32.encode(&self.seed),
            base32.encode(self.pin.as_bytes()),
        );
        write!(f, "{prefix}_{}_{seed}_{pin}", self.id)
    }
}

impl FromStr for EnrolToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        const ERROR: TokenError = TokenError("enrolment");
        let text = text.trim();
        if text.len() > LIMIT {
            return Err(ERROR);
        }
        let (development, rest) = if let Some(rest) = text.strip_prefix(ENROL_DEVELOPMENT) {
            (true, rest)
        } else {
            (false, text.strip_prefix(ENROL).ok_or(ERROR)?)
        };
        let parts: Vec<&str> = rest.split('_').collect();
        let ["", id, seed, pin] = parts.as_slice() else {
            return Err(ERROR);
        };
        Ok(Self {
            id: id.parse().map_err(|_| ERROR)?,
            seed: decode32(seed).ok_or(ERROR)?,
            pin: decode32(pin).map(Digest::from_bytes).ok_or(ERROR)?,
            development,
        })
    }
}

/// Lets a program use the API: `nrs_api_<id>_<secret>`. The cloud keeps only a hash.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Its public half, by which the cloud finds it.
    pub id: TokenId,
    /// 32 random bytes.
    pub secret: [u8; 32],
}

impl ApiToken {
    /// What the cloud keeps: SHA-256 of the secret.
    pub fn hash(&self) -> Digest {
        Digest::of(&self.secret)
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiToken({})", self.id)
    }
}

impl fmt::Display for ApiToken {
    /// The whole secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{API}_{}_{}", self.id, base32().encode(&self.secret))
    }
}

impl FromStr for ApiToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        const ERROR: TokenError = TokenError("API");
        if text.len() > LIMIT {
            return Err(ERROR);
        }
        let parts: Vec<&str> = text.trim().split('_').collect();
        let ["nrs", "api", id, secret] = parts.as_slice() else {
            return Err(ERROR);
        };
        Ok(Self {
            id: id.parse().map_err(|_| ERROR)?,
            secret: decode32(secret).ok_or(ERROR)?,
        })
    }
}

/// What a dashboard may read: live results, status and metrics of named sites or devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The organisation.
    pub org: OrgId,
    /// Sites, every device of each; empty with no devices means every site.
    #[serde(default)]
    pub sites: Vec<SiteId>,
    /// Single devices.
    #[serde(default)]
    pub devices: Vec<DeviceId>,
    /// Unix milliseconds; the session is closed then.
    pub expires_ms: u64,
}

impl Message for Grant {
    const WORD: &'static str = "dashboard grant";
    const LIMIT: usize = limits::SMALL;
}

/// A signed grant: `nrs_dash_<base32>`; checked offline with the organisation's online keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DashboardToken(Envelope);

impl DashboardToken {
    /// Signs a grant.
    pub fn sign(grant: &Grant, key: &SigningKey) -> Self {
        Self(Envelope::seal(Domain::Dashboard, grant, key))
    }

    /// The grant, if one of `keys` signed it. The caller checks the expiry.
    pub fn open<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a PublicKey>,
    ) -> Result<Grant, EnvelopeError> {
        self.0.open(Domain::Dashboard, keys)
    }
}

impl fmt::Display for DashboardToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{DASHBOARD}_{}", base32().encode(&self.0.to_cbor()))
    }
}

impl FromStr for DashboardToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        const ERROR: TokenError = TokenError("dashboard");
        if text.len() > LIMIT {
            return Err(ERROR);
        }
        let rest = text
            .strip_prefix(DASHBOARD)
            .and_then(|rest| rest.strip_prefix('_'));
        let bytes = base32()
            .decode(rest.ok_or(ERROR)?.as_bytes())
            .map_err(|_| ERROR)?;
        Envelope::from_cbor(&bytes).map(Self).map_err(|_| ERROR)
    }
}
