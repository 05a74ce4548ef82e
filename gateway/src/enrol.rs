//! First contact: a token's seed signs the gateway's own key, and a certificate comes back.

use std::path::Path;

use bytes::Bytes;
use noroshi_protocol::{
    Domain, EnrolAnswer, EnrolKind, EnrolRequest, EnrolToken, Envelope, Identity as Peer,
    Message as _, SigningKey, limits,
};
use noroshi_service::files;
use noroshi_service::tls::{
    Identity, IdentityFile, IdentityPaths, fetch_anchor, new_device_key, unverified_http_client,
};
use rustls::pki_types::CertificateDer;
use tracing::info;

use crate::GatewayError;
use crate::config::Config;
use crate::http::post_bounded;
use crate::start::random;

/// Most bytes of a token file.
const TOKEN_BYTES: u64 = 8 << 10;

/// Reads a token from a file, or from standard input if the path is `-`.
pub fn read_token(path: &Path) -> Result<EnrolToken, GatewayError> {
    let path = if path == Path::new("-") {
        Path::new("/dev/stdin")
    } else {
        path
    };
    let bytes = files::read_bounded(path, TOKEN_BYTES)?;
    let text = String::from_utf8_lossy(&bytes);
    text.parse().map_err(|error: noroshi_protocol::TokenError| {
        GatewayError::Invalid(format!("{}: {error}", path.display()))
    })
}

/// Enrols the gateway: makes its key, asks the cloud for a certificate, and keeps both. Does
/// nothing if it is enrolled.
pub async fn enrol(config: &Config, token: &EnrolToken) -> Result<Peer, GatewayError> {
    let folder = config.identity();
    if IdentityPaths::new(&folder).is_enrolled() {
        let identity = Identity::load(&folder)?;
        info!(identity = %identity.peer(), "enrolled already");
        return Ok(identity.peer().clone());
    }
    files::create_private_folder(&config.state_dir)?;
    let base_url = config.cloud.base_url();
    let pinned = fetch_anchor(&base_url, token.pin.as_bytes()).await?;
    let key_pkcs8 = key(&IdentityPaths::new(&folder))?;
    let key = SigningKey::from_pkcs8(&key_pkcs8)
        .map_err(|error| GatewayError::Invalid(error.to_string()))?;
    let seed = token
        .key()
        .map_err(|error| GatewayError::Invalid(error.to_string()))?;
    let nonce = random::<32>()?;
    let name = "gateway".to_owned();
    let request = EnrolRequest::sign(
        token.id.clone(),
        &seed,
        key.public().clone(),
        nonce,
        name,
        None,
    );
    let url = format!("{base_url}/device/v1/enrol");
    let client = unverified_http_client()?;
    let body = Bytes::from(request.to_cbor());
    let answer = post_bounded(&client, &url, body, limits::ANCHOR)
        .await
        .map_err(|error| GatewayError::Cloud(error.to_string()))?;
    let answer = open(&answer, &pinned.anchor.answer_key)?;
    if answer.public_key != *key.public() || answer.nonce != nonce {
        return Err(GatewayError::Cloud(
            "the answer is to another request; try again".into(),
        ));
    }
    if answer.kind != EnrolKind::Gateway {
        return Err(GatewayError::Invalid(
            "this token is for a device; make one of kind `gateway` for the site".into(),
        ));
    }
    let chain: Vec<CertificateDer<'static>> = answer
        .chain
        .iter()
        .map(|der| CertificateDer::from(der.to_vec()))
        .collect();
    let file = IdentityFile {
        org: answer.org.clone(),
        site: answer.site.clone(),
        device: noroshi_protocol::DeviceId::gateway(),
        enrolment: answer.enrolment,
    };
    Identity::store(&folder, &key_pkcs8, &chain, &pinned.bytes, &file)?;
    let peer = Peer::Gateway {
        org: answer.org,
        site: answer.site,
    };
    info!(identity = %peer, "enrolled");
    Ok(peer)
}

/// The gateway's key, written before anybody is asked, so that a second try after a cut is the
/// same request to the cloud.
fn key(paths: &IdentityPaths) -> Result<Vec<u8>, GatewayError> {
    files::create_private_folder(paths.folder())?;
    match files::read_bounded(&paths.key(), TOKEN_BYTES) {
        Ok(key) => Ok(key),
        Err(error) if error.is_not_found() => {
            let key = new_device_key()?;
            files::write_secret(&paths.key(), &key)?;
            Ok(key)
        }
        Err(error) => Err(error.into()),
    }
}

fn open(
    bytes: &[u8],
    answer_key: &noroshi_protocol::PublicKey,
) -> Result<EnrolAnswer, GatewayError> {
    Envelope::from_cbor(bytes)
        .map_err(|error| GatewayError::Cloud(error.to_string()))?
        .open(Domain::Enrolment, [answer_key])
        .map_err(|error| GatewayError::Cloud(format!("the enrolment's answer: {error}")))
}
