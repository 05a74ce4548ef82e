//! What the parts of the cloud share: who we are, what we keep, what we sign with.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use noroshi_gateway::choices::Plans;
use noroshi_model::Digest;
use noroshi_protocol::{
    Anchor, Identity as Peer, Message, OrgId, SigningKey, SiteId, StoreId, Topic, limits,
};
use noroshi_service::clock::{ClockOptions, SessionClock};
use noroshi_service::files;
use noroshi_service::tls::{CertificateAuthority, Identity, Leaf};
use tokio::sync::{Mutex, Notify};

use crate::artifacts::Artifacts;
use crate::compression::Compressor;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::inspect::Inspector;
use crate::keys::{KeyRole, Keys};
use crate::releases::Releases;
use crate::store::{Durability, Store};

/// The cloud's own certificate is made anew at every start.
const OWN_LIFETIME: Duration = Duration::from_hours(2 * 365 * 24);

/// Where messages for devices go: the broker, or nowhere in tests without one.
#[async_trait]
pub trait Outlet: Send + Sync + 'static {
    /// Publishes; quality and retention are the channel's. An empty payload clears what is
    /// retained.
    async fn publish(&self, topic: &Topic, payload: Bytes);
    /// Ends the session of a client.
    async fn kick(&self, client_id: &str);
}

/// An outlet that leads nowhere: documents are fetched by HTTPS instead.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoOutlet;

#[async_trait]
impl Outlet for NoOutlet {
    async fn publish(&self, _: &Topic, _: Bytes) {}
    async fn kick(&self, _: &str) {}
}

/// The cloud of one organisation.
pub struct Cloud {
    /// Its configuration.
    pub config: Config,
    /// The organisation.
    pub org: OrgId,
    /// The id of the store of results.
    pub store_id: StoreId,
    /// The store.
    pub store: Store,
    /// The time.
    pub clock: Arc<SessionClock>,
    /// The cloud's own certificate and key.
    pub identity: Arc<Identity>,
    /// The organisation's CA.
    pub authority: CertificateAuthority,
    /// Signs answers to enrolments.
    pub answer_key: SigningKey,
    /// Signs desired documents, commands and dashboard tokens.
    pub online_key: SigningKey,
    /// The anchor document's bytes; their digest is every token's pin.
    pub anchor: Bytes,
    /// Whether the root is a development root.
    pub development: bool,
    /// When the root expires, Unix milliseconds.
    pub root_expires_ms: u64,
    /// The release repository.
    pub releases: Releases,
    /// The artifacts.
    pub artifacts: Artifacts,
    /// Looks into pushed files.
    pub inspector: Inspector,
    /// Compresses uploaded models.
    pub compressor: Compressor,
    /// Wakes whoever works on compressions.
    pub(crate) compressions: Notify,
    /// Wakes the rollout driver.
    pub rollouts: Notify,
    /// Wakes whoever issues marked documents.
    pub(crate) unissued: Notify,
    /// Documents are issued one after the other.
    pub(crate) issuing: Mutex<()>,
    /// Changes of pipelines and rollouts are decided one after the other.
    pub(crate) deciding: Mutex<()>,
    /// Versions of models are published one after the other.
    pub(crate) publishing: Mutex<()>,
    outlet: OnceLock<Arc<dyn Outlet>>,
    plans: OnceLock<Plans>,
}

impl std::fmt::Debug for Cloud {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Cloud")
            .field("org", &self.org)
            .finish_non_exhaustive()
    }
}

/// Files of the cloud's own identity, as the broker wants them.
#[derive(Debug, Clone)]
pub struct IdentityFiles {
    /// Certificate chain, PEM.
    pub chain: PathBuf,
    /// PKCS#8 key, PEM.
    pub key: PathBuf,
    /// CA certificates, PEM.
    pub ca: PathBuf,
}

impl Cloud {
    /// Opens what init made. The store is brought up to date, the cloud's certificate is made
    /// anew, and a development root is refused in production.
    pub async fn open(config: Config) -> Result<Arc<Self>> {
        let keys = Keys::under(&config.state_dir);
        if !keys.exist() {
            let detail = format!(
                "{} has no organisation yet; run `noroshi-cloud init` first",
                config.state_dir.display()
            );
            return Err(Error::Setup(detail));
        }
        let clock = Arc::new(SessionClock::system(ClockOptions {
            floor_ms: 0,
            trust_system_clock: config.trust_system_clock,
        }));
        let store = Store::open(&config.database(), Durability::from_environment()).await?;
        let unfinished = "init was not finished; remove the state folder and run it again";
        let org = store
            .organisation()
            .await?
            .ok_or_else(|| Error::Setup(unfinished.to_owned()))?;
        let anchor = read_anchor(&config.state_dir)?;
        let document =
            Anchor::from_cbor(&anchor).map_err(|error| Error::corrupt("anchor", error))?;
        if document.development && config.production {
            return Err(Error::Setup(
                "this state folder has a development root, which `production = true` refuses; \
                 make a production root, or set production = false"
                    .to_owned(),
            ));
        }
        let releases = Releases::new(config.releases(), keys.clone());
        let authority = open_authority(&org, &keys, &document)?;
        let identity = own_identity(&authority, &keys, document.clone(), clock.trusted_ms())?;
        Ok(Arc::new(Self {
            store_id: store.store_id().await?,
            store,
            clock,
            identity: Arc::new(identity),
            authority,
            answer_key: keys.signing(KeyRole::Answer)?,
            online_key: keys.signing(KeyRole::Online)?,
            anchor: anchor.into(),
            development: document.development,
            root_expires_ms: releases.root_expiry()?,
            releases,
            artifacts: Artifacts::open(&config.artifacts())?,
            inspector: Inspector {
                program: config.inspector(),
                memory_bytes: config.inspector_memory_bytes,
                patience: Duration::from_secs(config.inspector_seconds),
            },
            compressor: Compressor {
                program: config.inspector(),
                memory_bytes: config.compress_memory_bytes,
                patience: Duration::from_secs(config.compress_seconds),
            },
            compressions: Notify::new(),
            rollouts: Notify::new(),
            unissued: Notify::new(),
            issuing: Mutex::new(()),
            deciding: Mutex::new(()),
            publishing: Mutex::new(()),
            outlet: OnceLock::new(),
            plans: OnceLock::new(),
            org,
            config,
        }))
    }

    /// Unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.clock.trusted_ms()
    }

    /// Unix milliseconds for what is signed; an error while the clock can't be trusted.
    pub fn signing_time(&self) -> Result<u64> {
        if self.clock.is_synchronized() {
            return Ok(self.now_ms());
        }
        Err(Error::Unavailable(
            "this machine's clock is not synchronized, and nothing is signed without the time; \
             start an NTP client, or set trust_system_clock = true in cloud.toml if the clock is \
             right"
                .to_owned(),
        ))
    }

    /// Says where messages go; once, when the broker runs.
    pub fn connect(&self, outlet: Arc<dyn Outlet>) {
        // A second broker in one process would be a defect of ours; the first one stays.
        let _ = self.outlet.set(outlet);
    }

    /// Says who carries out the plans of the site `direct`; once.
    pub(crate) fn set_plans(&self, plans: Plans) {
        // As above.
        let _ = self.plans.set(plans);
    }

    /// Who carries out the plans of the site `direct`.
    pub(crate) fn plans(&self) -> Option<&Plans> {
        self.plans.get()
    }

    /// Where messages go.
    pub(crate) fn outlet(&self) -> Arc<dyn Outlet> {
        self.outlet
            .get()
            .cloned()
            .unwrap_or_else(|| Arc::new(NoOutlet))
    }

    /// The pin of this organisation's tokens.
    pub fn pin(&self) -> Digest {
        Anchor::pin(&self.anchor)
    }

    /// Writes the cloud's certificate, key and CA where the broker reads them.
    pub fn write_identity_files(&self) -> Result<IdentityFiles> {
        let folder = self.config.state_dir.join("identity");
        files::create_private_folder(&folder)?;
        let paths = IdentityFiles {
            chain: folder.join("cert.pem"),
            key: folder.join("key.pem"),
            ca: folder.join("ca.pem"),
        };
        files::write_atomic(&paths.chain, self.identity.chain_pem().as_bytes())?;
        files::replace_secret(&paths.key, self.identity.key_pem().as_bytes())?;
        files::write_atomic(&paths.ca, self.identity.trust_anchors().to_pem().as_bytes())?;
        Ok(paths)
    }

    /// The site that the cloud itself serves.
    pub fn direct(&self) -> SiteId {
        SiteId::direct()
    }
}

fn anchor_path(state_dir: &Path) -> PathBuf {
    state_dir.join("anchor.cbor")
}

fn read_anchor(state_dir: &Path) -> Result<Vec<u8>> {
    Ok(files::read_bounded(
        &anchor_path(state_dir),
        limits::ANCHOR as u64,
    )?)
}

pub(crate) fn write_anchor(state_dir: &Path, bytes: &[u8]) -> Result<()> {
    Ok(files::write_atomic(&anchor_path(state_dir), bytes)?)
}

fn open_authority(org: &OrgId, keys: &Keys, anchor: &Anchor) -> Result<CertificateAuthority> {
    let certificate = anchor
        .ca
        .first()
        .ok_or_else(|| Error::corrupt("anchor", "it names no CA certificate"))?;
    let certificate = certificate.to_vec().into();
    CertificateAuthority::open(org.clone(), &keys.bytes(KeyRole::Ca)?, certificate)
        .map_err(|error| Error::Setup(error.to_string()))
}

fn own_identity(
    authority: &CertificateAuthority,
    keys: &Keys,
    anchor: Anchor,
    now_ms: u64,
) -> Result<Identity> {
    let setup = |error: noroshi_service::tls::TlsError| Error::Setup(error.to_string());
    let leaf = Leaf {
        peer: Peer::Cloud {
            org: anchor.org.clone(),
        },
        public_key: keys.signing(KeyRole::Cloud)?.public().clone(),
        issued_ms: now_ms,
        lifetime: OWN_LIFETIME,
    };
    let certificate = authority.issue(&leaf).map_err(setup)?;
    Identity::new(keys.bytes(KeyRole::Cloud)?, vec![certificate], anchor).map_err(setup)
}
