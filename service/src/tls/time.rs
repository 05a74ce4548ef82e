//! Asking a gateway or the cloud for the time.

use std::sync::Arc;

use noroshi_protocol::{Domain, Envelope, Message as _, TimeAnswer, TimeRequest, limits};
use reqwest::tls::TlsInfo;
use rustls::pki_types::CertificateDer;

use super::config::time_client_config;
use super::{
    ExpectedPeers, TlsError, TrustAnchors, http, http_client, peer_public_key, with_causes,
};
use crate::clock::SessionClock;

/// Asks `base_url` for the time and sets the clock by the signed answer; answers Unix
/// milliseconds.
///
/// The server is verified like any other but for the time: its certificate may have begun or may
/// end at any moment after the clock's floor. The answer is signed by that certificate's key
/// over a nonce of ours, so it cannot be an old one.
pub async fn ask_time(
    base_url: &str,
    anchors: &TrustAnchors,
    expected: &ExpectedPeers,
    clock: &Arc<SessionClock>,
) -> Result<u64, TlsError> {
    let client = http_client(time_client_config(anchors, expected, clock)?)?;
    let mut nonce = vec![0; 32];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| unusable("no random numbers".to_owned()))?;
    let request = TimeRequest {
        nonce: nonce.clone(),
    };
    let url = format!("{}/device/v1/time", base_url.trim_end_matches('/'));
    let asked_ms = clock.now().monotonic_ms;
    let response = client
        .post(url)
        .body(request.to_cbor())
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(|error| unusable(with_causes(&error)))?;
    let certificate = response
        .extensions()
        .get::<TlsInfo>()
        .and_then(TlsInfo::peer_certificate)
        .map(|der| CertificateDer::from(der.to_vec()))
        .ok_or_else(|| unusable("the server showed no certificate".to_owned()))?;
    let body = http::read_bounded(response, limits::SMALL)
        .await
        .map_err(unusable)?;
    let answered_ms = clock.now().monotonic_ms;
    let key = peer_public_key(&certificate)?;
    let answer: TimeAnswer = Envelope::from_cbor(&body)
        .map_err(|error| unusable(error.to_string()))?
        .open(Domain::Time, [&key])
        .map_err(|error| unusable(error.to_string()))?;
    if answer.nonce != nonce {
        return Err(unusable("the answer is to another question".to_owned()));
    }
    clock.set_from_gateway(answer.unix_ms, asked_ms, answered_ms);
    Ok(answer.unix_ms)
}

fn unusable(reason: String) -> TlsError {
    TlsError::Unreachable {
        action: "asking for the time",
        reason,
    }
}
