//! A gateway that turned: it has its own key and certificate, and may withhold and delay, but
//! nothing it sends makes a device run what was not signed for it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result};
use async_trait::async_trait;
use bytes::Bytes;
use noroshi_fleet::access::Broker as Side;
use noroshi_gateway::broker::{Arrival, Broker, BrokerOptions, CertificateListener, Door, Verdict};
use noroshi_protocol::{
    Channel, Desired, Domain, Envelope, Grant, Identity as Peer, Message, Reported, SigningKey,
};
use noroshi_service::clock::{ClockOptions, SessionClock};
use noroshi_service::tls::{ExpectedPeers, Identity, client_config, http_client};
use noroshi_tests::Fleet;
use noroshi_tests::eventually::eventually_within;
use serde_json::json;

use crate::impostor::topic;
use crate::{complete, device, on, online, runs, scenario, site, source};

/// Takes everything and remembers the newest report.
#[derive(Default)]
struct Mouth(Mutex<Option<Reported>>);

#[async_trait]
impl Door for Mouth {
    async fn admit(&self, _: &Peer, _: Option<&str>) -> bool {
        true
    }

    async fn grant(&self, _: &str) -> Option<Grant> {
        None
    }

    async fn ingest(&self, arrival: Arrival) -> Verdict {
        if arrival.topic.channel == Channel::Reported {
            let envelope = Envelope::from_cbor(&arrival.payload).ok();
            let report = envelope.and_then(|sealed| Reported::from_cbor(&sealed.payload).ok());
            *self.0.lock().expect("no panic holds it") = report;
        }
        Verdict::Taken
    }

    fn now_ms(&self) -> u64 {
        UNIX_EPOCH.elapsed().unwrap_or_default().as_millis() as u64
    }
}

impl Mouth {
    /// Waits until the device says that it refused a document for `reason`.
    async fn hears(&self, reason: &str) -> Result<Reported> {
        eventually_within(
            &format!("the device refuses: {reason}"),
            Duration::from_secs(30),
            || async {
                let report = self.0.lock().expect("no panic holds it").clone();
                let refused = report.as_ref().and_then(|report| report.refused.clone());
                match (report, refused) {
                    (Some(report), Some(refused)) if refused.reason.contains(reason) => Ok(report),
                    (_, refused) => Err(refused.map(|refused| refused.reason)),
                }
            },
        )
        .await
    }
}

/// A broker with the gateway's identity, on a port of its own.
async fn broker(fleet: &Fleet, mouth: Arc<Mouth>) -> Result<Broker> {
    let identity = Identity::load(&fleet.gateway("osaka")?.folder().join("state/identity"))?;
    let folder = fleet.path().join("evil");
    std::fs::create_dir_all(&folder)?;
    let file = |name: &str, text: &str| -> Result<std::path::PathBuf> {
        let path = folder.join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    };
    let options = BrokerOptions {
        certificates: Some(CertificateListener {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            chain_pem: file("chain.pem", &identity.chain_pem())?,
            key_pem: file("key.pem", &identity.key_pem())?,
            ca_pem: file("ca.pem", &identity.trust_anchors().to_pem())?,
        }),
        dashboards: None,
        side: Side::Site("osaka".parse()?),
        threads: 1,
    };
    Ok(Broker::start(options, mouth).await?)
}

/// The document that the gateway has for a device, as the device would fetch it.
async fn document(fleet: &Fleet, name: &str) -> Result<Vec<u8>> {
    let agent = fleet.agent(name)?;
    let identity = Identity::load(&agent.folder().join("state/identity"))?;
    let clock = Arc::new(SessionClock::system(ClockOptions {
        floor_ms: 0,
        trust_system_clock: true,
    }));
    let gateway: Peer = "noroshi://demo/site/osaka/gateway".parse()?;
    let peers = ExpectedPeers::exactly([&gateway]);
    let config = client_config(identity.trust_anchors(), &peers, Some(&identity), &clock)?;
    let url = format!("https://{}/device/v1/desired", agent.https.address());
    let answer = http_client(config)?
        .get(url)
        .send()
        .await?
        .error_for_status()?;
    Ok(answer.bytes().await?.to_vec())
}

fn forged(path: &Path, genuine: &Envelope) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let mut bent = genuine.clone();
    let last = bent.payload.len() - 1;
    bent.payload[last] ^= 1;
    let mut desired = Desired::from_cbor(&genuine.payload)?;
    desired.sequence += 1_000;
    let stranger = SigningKey::from_seed(&[9; 32])?;
    let own = Envelope::seal(Domain::Desired, &desired, &stranger);
    // With the gateway's own key, which devices know from its certificate.
    let key = std::fs::read(path.join("key.pk8"))?;
    let gateways = Envelope::seal(Domain::Desired, &desired, &SigningKey::from_pkcs8(&key)?);
    Ok(vec![
        ("not a signed document", b"garbage".to_vec()),
        ("does not fit", bent.to_cbor()),
        ("not trusted", own.to_cbor()),
        ("not trusted", gateways.to_cbor()),
    ])
}

async fn turn(fleet: &mut Fleet) -> Result<()> {
    let api = fleet.api().await?;
    let own = fleet.agent("a")?.id.clone();
    let other = fleet.add_agent("b", "osaka", &source()?).await?;
    online(&api, &other).await?;
    let old = document(fleet, "a").await?;
    let body = json!({
        "source": "camera", "model": "tiny", "version": 1, "filters": [], "top": 1,
        "devices": { "all": true },
    });
    api.put("/pipelines/door", body).await?;
    noroshi_tests::eventually("the newer document is taken", || async {
        let shown = device(&api, &own).await?;
        let acked = shown["desired"]["acked"].clone();
        if acked == true && document(fleet, "a").await.is_ok_and(|now| now != old) {
            return Ok(());
        }
        Err(shown["desired"].to_string())
    })
    .await?;
    runs(&api, &other, 1).await?;
    let (genuine, foreign) = (document(fleet, "a").await?, document(fleet, "b").await?);

    let mouth = Arc::new(Mouth::default());
    let evil = broker(fleet, Arc::clone(&mouth)).await?;
    let agent = fleet.agent("a")?;
    let honest = agent.mqtts.target();
    agent.mqtts.retarget(evil.mqtts().context("it listens")?);
    agent.mqtts.cut();
    agent.mqtts.mend();
    let identity = fleet.gateway("osaka")?.folder().join("state/identity");
    let mut lies = forged(&identity, &Envelope::from_cbor(&genuine)?)?;
    // Not beside the other stranger's: each refusal must differ from the one before.
    let gateways = lies.pop().context("the gateway's own")?;
    lies.push(("replayed", old));
    lies.push(gateways);
    lies.push(("not for us", foreign));
    let here = topic("osaka", &own, Channel::Desired);
    for (reason, payload) in lies {
        mouth.0.lock().expect("no panic holds it").take();
        evil.handle().publish(&here, Bytes::from(payload)).await;
        let report = mouth
            .hears(reason)
            .await
            .with_context(|| reason.to_owned())?;
        let pipeline = report.pipelines.first().context("the pipeline is gone")?;
        anyhow::ensure!(
            report.pipelines.len() == 1 && pipeline.version == 1,
            "{report:?}"
        );
    }
    evil.stop().await;
    agent.mqtts.retarget(honest);
    complete(fleet, &api, "a").await
}

#[test]
fn nothing_that_a_gateway_makes_up_is_believed() {
    scenario(|| async {
        let (mut fleet, _, _) = site().await?;
        on(&mut fleet, async |fleet| turn(fleet).await).await
    });
}
