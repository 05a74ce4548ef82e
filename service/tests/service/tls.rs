//! Handshakes: who is let in, who is not, and when.

use std::sync::Arc;

use noroshi_protocol::DeviceId;
use noroshi_service::clock::SessionClock;
use noroshi_service::tls::{
    ClientAuthentication, ExpectedPeers, Identity, IdentityFile, IdentityPaths, TlsError,
    client_config, new_device_key, peer_identity, server_config,
};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::org::{DAY, NOW_MS, Org, clock_at, right_clock};

const YEAR_1970_MS: u64 = 12_000;
const YEAR_2040_MS: u64 = 2_208_988_800_000;

/// One byte there and back; the client's URI as the server sees it.
async fn handshake(client: ClientConfig, server: ServerConfig) -> Result<Option<String>, String> {
    let (near, far) = tokio::io::duplex(16 * 1024);
    let serving = tokio::spawn(async move {
        let mut stream = TlsAcceptor::from(Arc::new(server)).accept(far).await?;
        let byte = stream.read_u8().await?;
        stream.write_u8(byte).await?;
        stream.flush().await?;
        let chain = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(<[_]>::first)
            .cloned();
        Ok::<_, std::io::Error>(chain)
    });
    let name = ServerName::try_from("10.1.2.3").unwrap();
    let client = async move {
        let mut stream = TlsConnector::from(Arc::new(client))
            .connect(name, near)
            .await?;
        stream.write_u8(7).await?;
        stream.flush().await?;
        stream.read_u8().await
    };
    let asked = client.await;
    let served = serving.await.unwrap();
    match (asked, served) {
        (Ok(7), Ok(chain)) => Ok(chain.map(|leaf| peer_identity(&leaf).unwrap().uri())),
        (asked, served) => Err(format!("client {asked:?}, server {served:?}")),
    }
}

fn gateway_config(org: &Org, clients: ClientAuthentication) -> ServerConfig {
    let gateway = org.identity("site/north/gateway");
    server_config(&org.anchors(), &gateway, clients, &right_clock()).unwrap()
}

fn device_config(
    org: &Org,
    expected: &str,
    identity: Option<&Identity>,
    clock: &Arc<SessionClock>,
) -> ClientConfig {
    let expected = ExpectedPeers::exactly([&org.peer(expected), &org.peer("cloud")]);
    client_config(&org.anchors(), &expected, identity, clock).unwrap()
}

#[tokio::test]
async fn a_device_and_its_gateway_know_each_other_by_their_uris() {
    let org = Org::new("acme");
    let device = org.identity("device/cam-1");
    let client = device_config(&org, "site/north/gateway", Some(&device), &right_clock());
    let seen = handshake(
        client,
        gateway_config(&org, ClientAuthentication::Mandatory),
    )
    .await;
    assert_eq!(
        seen.unwrap().as_deref(),
        Some("noroshi://acme/device/cam-1")
    );
}

#[tokio::test]
async fn a_server_of_a_foreign_ca_is_refused() {
    let (org, foreign) = (Org::new("acme"), Org::new("acme"));
    let client = device_config(&org, "site/north/gateway", None, &right_clock());
    let error = handshake(
        client,
        gateway_config(&foreign, ClientAuthentication::Optional),
    )
    .await
    .unwrap_err();
    // The signature of the CA of the same name does not fit.
    assert!(
        error.contains("BadSignature") || error.contains("UnknownIssuer"),
        "{error}"
    );
}

#[tokio::test]
async fn another_server_of_the_organisation_is_refused_by_name() {
    let org = Org::new("acme");
    let client = device_config(&org, "site/south/gateway", None, &right_clock());
    let error = handshake(client, gateway_config(&org, ClientAuthentication::Optional))
        .await
        .unwrap_err();
    assert!(
        error.contains("noroshi://acme/site/north/gateway"),
        "{error}"
    );
    assert!(
        error.contains("noroshi://acme/site/south/gateway"),
        "{error}"
    );
}

#[tokio::test]
async fn a_device_cannot_pass_as_a_gateway() {
    let org = Org::new("acme");
    let device = org.identity("device/cam-1");
    let server = server_config(
        &org.anchors(),
        &device,
        ClientAuthentication::Optional,
        &right_clock(),
    );
    let client = device_config(&org, "site/north/gateway", None, &right_clock());
    assert!(handshake(client, server.unwrap()).await.is_err());
}

#[tokio::test]
async fn without_a_certificate_only_the_optional_door_opens() {
    let org = Org::new("acme");
    let anonymous = || device_config(&org, "site/north/gateway", None, &right_clock());
    let optional = gateway_config(&org, ClientAuthentication::Optional);
    assert_eq!(handshake(anonymous(), optional).await.unwrap(), None);
    let mandatory = gateway_config(&org, ClientAuthentication::Mandatory);
    let error = handshake(anonymous(), mandatory).await.unwrap_err();
    assert!(error.contains("CertificateRequired"), "{error}");
}

#[tokio::test]
async fn a_foreign_client_certificate_is_refused_even_at_the_optional_door() {
    let (org, foreign) = (Org::new("acme"), Org::new("evil"));
    let stranger = foreign.identity("device/cam-1");
    let client = device_config(&org, "site/north/gateway", Some(&stranger), &right_clock());
    let optional = gateway_config(&org, ClientAuthentication::Optional);
    let error = handshake(client, optional).await.unwrap_err();
    assert!(
        error.contains("UnknownCA") || error.contains("UnknownIssuer"),
        "{error}"
    );
}

#[tokio::test]
async fn a_clock_of_1970_works_by_its_floor_and_one_of_2040_says_expired() {
    let org = Org::new("acme");
    let server = || gateway_config(&org, ClientAuthentication::Optional);
    let client = |ms| device_config(&org, "site/north/gateway", None, &clock_at(ms));
    handshake(client(YEAR_1970_MS), server()).await.unwrap();
    let error = handshake(client(YEAR_2040_MS), server()).await.unwrap_err();
    assert!(
        error.contains("expired") || error.contains("Expired"),
        "{error}"
    );
}

#[tokio::test]
async fn a_gateway_that_sets_the_clock_makes_2040_work() {
    let org = Org::new("acme");
    let clock = clock_at(YEAR_2040_MS);
    clock.set_from_gateway(NOW_MS + 300_000, 1_000, 1_000);
    let client = device_config(&org, "site/north/gateway", None, &clock);
    handshake(client, gateway_config(&org, ClientAuthentication::Optional))
        .await
        .unwrap();
}

#[test]
fn an_identity_folder_is_stored_whole_and_checked_on_load() {
    let org = Org::new("acme");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("identity");
    let key = new_device_key().unwrap();
    let chain = [org.certify("device/cam-1", &key)];
    let mut file = IdentityFile {
        org: org.anchor.org.clone(),
        site: "north".parse().unwrap(),
        device: "cam-1".parse().unwrap(),
        enrolment: 1,
    };
    assert!(!IdentityPaths::new(&folder).is_enrolled());
    assert!(matches!(Identity::load(&folder), Err(TlsError::File(_))));
    Identity::store(&folder, &key, &chain, &org.anchor_bytes(), &file).unwrap();
    let identity = Identity::load(&folder).unwrap();
    assert_eq!(identity.peer(), &org.peer("device/cam-1"));
    assert_eq!(identity.file(), Some(&file));
    assert_eq!(
        identity.valid_ms().unwrap().1,
        NOW_MS + DAY.as_millis() as u64 * 90
    );

    file.device = DeviceId::gateway();
    Identity::store(&folder, &key, &chain, &org.anchor_bytes(), &file).unwrap();
    assert!(matches!(
        Identity::load(&folder),
        Err(TlsError::Mismatch(_))
    ));
}

#[test]
fn a_certificate_for_another_key_or_organisation_is_refused() {
    let org = Org::new("acme");
    let (key, other) = (new_device_key().unwrap(), new_device_key().unwrap());
    let chain = vec![org.certify("device/cam-1", &key)];
    let mismatch = Identity::new(other, chain.clone(), org.anchor.clone());
    assert!(matches!(mismatch, Err(TlsError::Mismatch(_))));
    let foreign = Org::new("evil");
    assert!(matches!(
        Identity::new(key, chain, foreign.anchor),
        Err(TlsError::Mismatch(_))
    ));
}
