//! `noroshi-cloud init`: an organisation with its keys, CA, development root and first admin.

use noroshi_model::Digest;
use noroshi_protocol::{Anchor, Message, OrgId, SiteId, StoreId};
use noroshi_service::clock::{ClockOptions, SessionClock};
use noroshi_service::files;
use noroshi_service::tls::CertificateAuthority;
use serde::Serialize;

use crate::artifacts::Artifacts;
use crate::cloud::write_anchor;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::keys::{KeyRole, Keys};
use crate::releases::Releases;
use crate::store::{Durability, Scope, Store};
use crate::{password, random};

/// What init is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The organisation's id; one is made if none is given.
    pub org: Option<OrgId>,
    /// Its name for people.
    pub name: String,
    /// The first administrator's name.
    pub admin: String,
    /// The password; one is made, and told once, if none is given.
    pub password: Option<String>,
}

/// What init made.
#[derive(Debug, Clone, Serialize)]
pub struct Made {
    /// The organisation.
    pub org: OrgId,
    /// The id of its store of results.
    pub store: StoreId,
    /// The first administrator's name.
    pub admin: String,
    /// The password, if it was made here: shown this once and kept nowhere.
    pub password: Option<String>,
    /// The anchor document's digest: the pin of every token.
    pub anchor_sha256: Digest,
    /// Whether the root is a development root.
    pub development: bool,
}

/// Makes everything in an empty state folder; refuses one that has keys.
pub async fn init(config: &Config, request: Request) -> Result<Made> {
    let keys = Keys::under(&config.state_dir);
    if keys.exist() {
        return Err(Error::Setup(format!(
            "{} has been initialised already; its keys can't be replaced without enrolling every \
             device anew, so choose another state_dir, or remove this one if nothing uses it",
            config.state_dir.display()
        )));
    }
    if config.production {
        return Err(Error::Setup(
            "init makes a development root, which `production = true` refuses; set production = \
             false until there is a production root"
                .to_owned(),
        ));
    }
    password::check_name(&request.admin)?;
    let generated = request.password.is_none();
    let password = request.password.unwrap_or_else(random::secret);
    let hash = password::hash(password.clone()).await?;
    let clock = SessionClock::system(ClockOptions {
        floor_ms: 0,
        trust_system_clock: true,
    });
    let now_ms = clock.trusted_ms();

    files::create_private_folder(&config.state_dir)?;
    keys.create()?;
    let org = request.org.unwrap_or_else(random::id);
    let (ca_key, certificate) =
        CertificateAuthority::create(&org, now_ms).map_err(|e| Error::Setup(e.to_string()))?;
    files::replace_secret(&keys.path(KeyRole::Ca), &ca_key)?;
    let releases = Releases::new(config.releases(), keys.clone());
    let root = releases.create_development_root(now_ms).await?;
    releases.publish(&[], now_ms, || async { Ok(()) }).await?;
    Artifacts::open(&config.artifacts())?
        .put(releases.online_keys()?)
        .await?;

    let anchor = Anchor {
        format: 1,
        org: org.clone(),
        ca: vec![serde_bytes::ByteBuf::from(certificate.to_vec())],
        root,
        answer_key: keys.signing(KeyRole::Answer)?.public().clone(),
        development: true,
    }
    .to_cbor();
    write_anchor(&config.state_dir, &anchor)?;

    let store = Store::open(&config.database(), Durability::from_environment()).await?;
    let store_id: StoreId = random::id();
    store
        .create_site(&SiteId::direct(), "direct", now_ms)
        .await?;
    store
        .create_account(&request.admin, &hash, Scope::Admin, now_ms)
        .await?;
    // Last: with it the folder counts as initialised.
    store
        .set_organisation(&org, &request.name, &store_id, true)
        .await?;
    store.close().await;
    Ok(Made {
        org,
        store: store_id,
        admin: request.admin,
        password: generated.then_some(password),
        anchor_sha256: Anchor::pin(&anchor),
        development: true,
    })
}
