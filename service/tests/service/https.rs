//! The anchor by its pin, the time by its signature, and a route that demands a certificate.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, Path};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum_server::tls::TlsInfo;
use axum_server::tls_rustls::RustlsConfig;
use noroshi_protocol::{Domain, Envelope, Message as _, TimeAnswer, TimeRequest};
use noroshi_service::clock::SessionClock;
use noroshi_service::files::sha256;
use noroshi_service::tls::{
    ClientAuthentication, ExpectedPeers, TlsError, ask_time, client_config, fetch_anchor,
    http_client, peer_identity, server_config,
};
use noroshi_service::tuf::over_https;

use crate::org::{NOW_MS, Org, clock_at, right_clock};

const YEAR_2040_MS: u64 = 2_208_988_800_000;
const TOLD_MS: u64 = NOW_MS + 500_000;

/// A gateway's device door; answers its base URL.
fn gateway(org: &Org, lies: bool) -> String {
    let identity = Arc::new(org.identity("site/north/gateway"));
    let optional = ClientAuthentication::Optional;
    let config = server_config(&org.anchors(), &identity, optional, &right_clock()).unwrap();
    let anchor = org.anchor_bytes();
    let answer = move |body: Bytes| {
        let identity = identity.clone();
        async move {
            let request = TimeRequest::from_cbor(&body).unwrap();
            let nonce = if lies { vec![0; 32] } else { request.nonce };
            let answer = TimeAnswer {
                nonce,
                unix_ms: TOLD_MS,
            };
            Envelope::seal(Domain::Time, &answer, identity.signing_key()).to_cbor()
        }
    };
    let routes = Router::new()
        .route("/device/v1/anchor", get(move || async move { anchor }))
        .route("/device/v1/time", post(answer))
        .route("/device/v1/tuf/{name}", get(metadata))
        .route("/device/v1/desired", get(who));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let config = RustlsConfig::from_config(Arc::new(config));
    let server = axum_server::from_tcp_rustls(listener, config).unwrap();
    tokio::spawn(server.serve(routes.into_make_service()));
    url
}

async fn metadata(Path(name): Path<String>) -> Result<Vec<u8>, StatusCode> {
    match name.as_str() {
        "timestamp.json" => Ok(b"{}".to_vec()),
        "endless.json" => Ok(vec![b' '; 5 << 20]),
        "broken.json" => Err(StatusCode::INTERNAL_SERVER_ERROR),
        _ => Err(StatusCode::NOT_FOUND),
    }
}

async fn who(Extension(info): Extension<Arc<TlsInfo>>) -> Result<String, StatusCode> {
    let leaf = info
        .peer_certificates
        .first()
        .ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(peer_identity(leaf).unwrap().uri())
}

fn expected(org: &Org) -> ExpectedPeers {
    ExpectedPeers::exactly([&org.peer("site/north/gateway")])
}

async fn desired(url: &str, org: &Org, named: bool, clock: &Arc<SessionClock>) -> (u16, String) {
    let device = org.identity("device/cam-1");
    let identity = named.then_some(&device);
    let config = client_config(&org.anchors(), &expected(org), identity, clock).unwrap();
    let client = http_client(config).unwrap();
    match client.get(format!("{url}/device/v1/desired")).send().await {
        Ok(response) => (response.status().as_u16(), response.text().await.unwrap()),
        Err(error) => (0, format!("{error:?}")),
    }
}

#[tokio::test]
async fn the_anchor_is_believed_by_its_pin_alone() {
    let org = Org::new("acme");
    let url = gateway(&org, false);
    let pin = sha256(&org.anchor_bytes());
    let fetched = fetch_anchor(&url, &pin).await.unwrap();
    assert_eq!(fetched.anchor, org.anchor);
    assert_eq!(fetched.bytes, org.anchor_bytes());
    assert!(matches!(
        fetch_anchor(&url, &[0; 32]).await,
        Err(TlsError::Pin)
    ));
    let nobody = fetch_anchor("https://127.0.0.1:1", &pin).await;
    assert!(matches!(nobody, Err(TlsError::Unreachable { .. })));
}

#[tokio::test]
async fn a_route_that_demands_a_certificate_sees_who_comes() {
    let org = Org::new("acme");
    let url = gateway(&org, false);
    assert_eq!(desired(&url, &org, false, &right_clock()).await.0, 401);
    let (status, who) = desired(&url, &org, true, &right_clock()).await;
    assert_eq!((status, who.as_str()), (200, "noroshi://acme/device/cam-1"));
}

#[tokio::test]
async fn a_device_of_2040_asks_the_time_and_then_everything_works() {
    let org = Org::new("acme");
    let url = gateway(&org, false);
    let clock = clock_at(YEAR_2040_MS);
    let (status, error) = desired(&url, &org, true, &clock).await;
    assert_eq!(status, 0);
    assert!(
        error.contains("Expired") || error.contains("expired"),
        "{error}"
    );
    let told = ask_time(&url, &org.anchors(), &expected(&org), &clock)
        .await
        .unwrap();
    assert_eq!((told, clock.now().wall_ms), (TOLD_MS, TOLD_MS));
    assert_eq!(desired(&url, &org, true, &clock).await.0, 200);
}

#[tokio::test]
async fn an_old_answer_and_a_foreign_server_do_not_set_the_clock() {
    let org = Org::new("acme");
    let clock = clock_at(YEAR_2040_MS);
    let replayed = ask_time(
        &gateway(&org, true),
        &org.anchors(),
        &expected(&org),
        &clock,
    )
    .await;
    assert!(
        replayed
            .unwrap_err()
            .to_string()
            .contains("another question")
    );
    let foreign = Org::new("acme");
    let url = gateway(&foreign, false);
    assert!(
        ask_time(&url, &org.anchors(), &expected(&org), &clock)
            .await
            .is_err()
    );
    assert_eq!(clock.now().wall_ms, YEAR_2040_MS);
}

#[tokio::test]
async fn metadata_is_fetched_bounded_and_absence_is_not_an_error() {
    let org = Org::new("acme");
    let config = client_config(&org.anchors(), &expected(&org), None, &right_clock()).unwrap();
    let fetch = over_https(http_client(config).unwrap(), &gateway(&org, false));
    assert_eq!(
        fetch("timestamp.json".to_owned()).await,
        Ok(Some(b"{}".to_vec()))
    );
    assert_eq!(fetch("2.root.json".to_owned()).await, Ok(None));
    assert!(
        fetch("endless.json".to_owned())
            .await
            .unwrap_err()
            .contains("longer than")
    );
    assert!(
        fetch("broken.json".to_owned())
            .await
            .unwrap_err()
            .contains("500")
    );
}
