//! Enrolment: a token proves that we may join; the key is made here and never leaves.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use noroshi_protocol::{
    Anchor, Domain, EnrolAnswer, EnrolKind, EnrolRequest, EnrolToken, Envelope, Message, PublicKey,
    SigningKey, limits,
};
use noroshi_service::files;
use noroshi_service::tls::{
    self, Identity, IdentityFile, IdentityPaths, PinnedAnchor, fetch_anchor,
};
use rustls::pki_types::CertificateDer;

use crate::capabilities;
use crate::config::Config;
use crate::{AgentError, random};

const MAX_TOKEN_BYTES: u64 = 4_096;
const MAX_KEY_BYTES: u64 = 4_096;

/// Reads a token from a file, or from standard input for `-`.
pub fn read_token(path: &Path) -> Result<EnrolToken, AgentError> {
    let mut text = String::new();
    let what = format!("read the token from {}", path.display());
    if path == Path::new("-") {
        std::io::stdin()
            .take(MAX_TOKEN_BYTES)
            .read_to_string(&mut text)
            .map_err(AgentError::io(what))?;
    } else {
        let bytes = files::read_bounded(path, MAX_TOKEN_BYTES)
            .map_err(|e| AgentError::Identity(e.to_string()))?;
        text = String::from_utf8_lossy(&bytes).into_owned();
    }
    text.trim()
        .parse()
        .map_err(|e: noroshi_protocol::TokenError| AgentError::Identity(e.to_string()))
}

/// Joins the organisation and writes the identity folder.
pub async fn enrol(config: &Config, token: &EnrolToken) -> Result<IdentityFile, AgentError> {
    let folder = config.identity_dir();
    let paths = IdentityPaths::new(&folder);
    if paths.is_enrolled() {
        return Err(AgentError::Identity(format!(
            "this device is enrolled already; to enrol it anew, remove {} first",
            folder.display()
        )));
    }
    if token.development && config.endpoint.production {
        return Err(development_refused());
    }
    files::create_private_folder(&folder).map_err(unwritable)?;
    let pinned = fetch_anchor(&config.endpoint.https, token.pin.as_bytes())
        .await
        .map_err(|e| AgentError::Identity(e.to_string()))?;
    if pinned.anchor.development && config.endpoint.production {
        return Err(development_refused());
    }
    let key = device_key(&paths)?;
    let signing = SigningKey::from_pkcs8(&key)
        .map_err(|e| AgentError::Identity(format!("{}: {e}", paths.key().display())))?;
    let nonce = random::bytes()?;
    let request = request(config, token, signing.public(), nonce).await?;
    let answer = ask(config, &request).await?;
    let answer = believe(&answer, &pinned.anchor, signing.public(), &nonce)?;
    keep(&folder, &key, &pinned, answer)
}

fn development_refused() -> AgentError {
    AgentError::Identity(
        "the organisation has a development root, and endpoint.production = true refuses it".into(),
    )
}

/// The key of an enrolment that was cut short, or a new one.
fn device_key(paths: &IdentityPaths) -> Result<Vec<u8>, AgentError> {
    match files::read_bounded(&paths.key(), MAX_KEY_BYTES) {
        Ok(key) => Ok(key),
        Err(e) if e.is_not_found() => {
            let key = tls::new_device_key().map_err(|e| AgentError::Identity(e.to_string()))?;
            files::write_secret(&paths.key(), &key).map_err(unwritable)?;
            Ok(key)
        }
        Err(e) => Err(unwritable(e)),
    }
}

async fn request(
    config: &Config,
    token: &EnrolToken,
    public: &PublicKey,
    nonce: [u8; 32],
) -> Result<EnrolRequest, AgentError> {
    let seed = token
        .key()
        .map_err(|e| AgentError::Identity(format!("the token's seed is {e}")))?;
    let capabilities = match capabilities::find(&config.onnxruntime.options()).await {
        Ok(found) => {
            for missing in found.missing {
                tracing::warn!("{missing}");
            }
            found.capabilities
        }
        Err(e) => {
            tracing::warn!(error = %e, "enrolling without knowing the engines");
            capabilities::without_engines()
        }
    };
    Ok(EnrolRequest::sign(
        token.id.clone(),
        &seed,
        public.clone(),
        nonce,
        config.name.clone(),
        Some(capabilities),
    ))
}

async fn ask(config: &Config, request: &EnrolRequest) -> Result<Vec<u8>, AgentError> {
    let unreachable = |e: reqwest::Error| {
        AgentError::Unreachable(format!("enrolling at {}: {e}", config.endpoint.https))
    };
    let client = tls::unverified_http_client().map_err(|e| AgentError::Identity(e.to_string()))?;
    let mut response = client
        .post(config.endpoint.url("enrol"))
        .header("content-type", "application/cbor")
        .body(request.to_cbor())
        .send()
        .await
        .map_err(unreachable)?;
    let status = response.status();
    let limit = if status.is_success() {
        limits::ANCHOR
    } else {
        1_024
    };
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(unreachable)? {
        body.extend_from_slice(&piece);
        if body.len() > limit {
            body.truncate(limit);
            break;
        }
    }
    if status.is_success() {
        return Ok(body);
    }
    let text: String = String::from_utf8_lossy(&body)
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    Err(AgentError::Identity(format!(
        "enrolment was refused ({status}): {text}"
    )))
}

/// Believes an answer only from the organisation's answer key, for this key and this nonce.
fn believe(
    bytes: &[u8],
    anchor: &Anchor,
    public: &PublicKey,
    nonce: &[u8; 32],
) -> Result<EnrolAnswer, AgentError> {
    let refused = |e: &dyn std::fmt::Display| {
        AgentError::Identity(format!("the answer to the enrolment is not believed: {e}"))
    };
    let envelope = Envelope::from_cbor(bytes).map_err(|e| refused(&e))?;
    let answer: EnrolAnswer = envelope
        .open(Domain::Enrolment, [&anchor.answer_key])
        .map_err(|e| refused(&e))?;
    if answer.nonce != nonce || answer.public_key != *public {
        return Err(refused(&"it answers another request"));
    }
    if answer.org != anchor.org {
        return Err(refused(&"it is from another organisation"));
    }
    Ok(answer)
}

fn keep(
    folder: &Path,
    key: &[u8],
    pinned: &PinnedAnchor,
    answer: EnrolAnswer,
) -> Result<IdentityFile, AgentError> {
    let EnrolKind::Device(device) = answer.kind else {
        return Err(AgentError::Identity(
            "the token is for a gateway, not for a device".into(),
        ));
    };
    let file = IdentityFile {
        org: answer.org,
        site: answer.site,
        device,
        enrolment: answer.enrolment,
    };
    let chain: Vec<CertificateDer<'static>> = answer
        .chain
        .into_iter()
        .map(|der| CertificateDer::from(der.into_vec()))
        .collect();
    let unusable = |e: tls::TlsError| AgentError::Identity(e.to_string());
    // A certificate that does not fit must not be written down.
    let identity =
        Identity::new(key.to_vec(), chain.clone(), pinned.anchor.clone()).map_err(unusable)?;
    if *identity.peer() != file.peer() {
        return Err(AgentError::Identity(format!(
            "the certificate is for {}, the answer says {}",
            identity.peer(),
            file.peer()
        )));
    }
    Identity::store(folder, key, &chain, &pinned.bytes, &file).map_err(unusable)?;
    Ok(file)
}

fn unwritable(error: files::FileError) -> AgentError {
    AgentError::Identity(error.to_string())
}

/// The identity of an enrolled device.
pub fn identity(config: &Config) -> Result<Arc<Identity>, AgentError> {
    load(config).map(Arc::new)
}

/// The identity of an enrolled device.
pub(crate) fn load(config: &Config) -> Result<Identity, AgentError> {
    let folder = config.identity_dir();
    if !IdentityPaths::new(&folder).is_enrolled() {
        return Err(AgentError::Identity(format!(
            "this device is not enrolled: run `noroshi-agent enrol --config … --token-file …` \
             (looked in {})",
            folder.display()
        )));
    }
    let identity = Identity::load(&folder).map_err(|e| AgentError::Identity(e.to_string()))?;
    if identity.anchor().development && config.endpoint.production {
        return Err(development_refused());
    }
    Ok(identity)
}
