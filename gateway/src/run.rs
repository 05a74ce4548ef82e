//! The daemon: everything a gateway is, put together.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use noroshi_fleet::access::Broker as Side;
use noroshi_protocol::{Identity as Peer, limits};
use noroshi_service::clock::{ClockOptions, SessionClock};
use noroshi_service::files::{self, Ports};
use noroshi_service::run::{Parts, RunError};
use noroshi_service::tls::{
    ClientAuthentication, ExpectedPeers, Identity, IdentityPaths, client_config, http_client,
    server_config,
};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::GatewayError;
use crate::blobs::{BlobCache, Origin};
use crate::bridge::{Bridge, CloudLink, Uplink};
use crate::broker::{Broker, BrokerOptions, CertificateListener};
use crate::choices::Conductor;
use crate::config::Config;
use crate::delivery::{Delivery, DeliveryOptions};
use crate::devices_http;
use crate::live::Renderer;
use crate::metrics::Metrics;
use crate::presence::Attendance;
use crate::relay::Relay;
use crate::revocations::Revocations;
use crate::site::{Behind, SiteDoor, SiteDown};
use crate::site_store::SiteStore;
use crate::spool::{Probe, Spool, SpoolOptions};
use crate::start::Start;
use crate::trust::{self, Trust};

const GRACE: Duration = Duration::from_secs(10);
/// Threads of the broker, beside those of the daemon.
const BROKER_THREADS: usize = 2;
const TIDY: Duration = Duration::from_mins(10);

/// Why the daemon ended.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// It could not be started.
    #[error(transparent)]
    Start(#[from] GatewayError),
    /// A part failed or was late.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Runs a gateway until `stop` is cancelled. `ready` is told the ports.
pub async fn run(
    config: Config,
    stop: CancellationToken,
    probe: Probe,
    ready: impl FnOnce(Ports),
) -> Result<(), EndError> {
    let (broker, spool, parts) = assemble(&config, stop, probe, ready).await?;
    let outcome = parts.run_until_stopped(std::future::pending(), GRACE).await;
    broker.stop().await;
    spool.close().await;
    info!("stopped");
    Ok(outcome?)
}

#[expect(
    clippy::too_many_lines,
    reason = "every part is made once, in the order in which others need it"
)]
async fn assemble(
    config: &Config,
    stop: CancellationToken,
    probe: Probe,
    ready: impl FnOnce(Ports),
) -> Result<(Broker, Spool, Parts), GatewayError> {
    if !IdentityPaths::new(config.identity()).is_enrolled() {
        return Err(GatewayError::NotEnrolled);
    }
    let identity = Arc::new(Identity::load(&config.identity())?);
    let Peer::Gateway { org, site } = identity.peer().clone() else {
        return Err(GatewayError::Invalid(
            "the identity is not a gateway's".into(),
        ));
    };
    let clock = Arc::new(SessionClock::system(ClockOptions {
        floor_ms: trust::floor_ms(&config.trust()),
        trust_system_clock: config.trust_system_clock,
    }));
    let start = Start::count(&config.state_dir, org.clone(), site.clone())?;
    let origin = origin(config, &identity, &clock)?;
    let root = identity.anchor().root.clone();
    let trust = Trust::open(config.trust(), root, origin.clone(), clock.clone())?;
    let store = SiteStore::open(config.state_dir.join("desired"))?;
    let spool_options = SpoolOptions {
        quota_bytes: config.quota.spool_bytes,
        ..SpoolOptions::default()
    };
    let spool = Spool::open(
        &config.spool(),
        spool_options,
        start.clone(),
        clock.clone(),
        probe,
    )
    .await?;

    let revocations = Revocations::default();
    let door = SiteDoor::new(
        start.clone(),
        clock.clone(),
        trust.clone(),
        revocations.clone(),
    );
    let options = BrokerOptions {
        certificates: Some(certificates(config, &identity)?),
        dashboards: config.listen.dashboards,
        side: Side::Site(site.clone()),
        threads: BROKER_THREADS,
    };
    let broker = Broker::start(options, door.clone()).await?;
    let handle = broker.handle();

    let mut parts = Parts::stopped_by(stop);
    let stop = parts.stop_token();
    let (delivery, intake) = Delivery::new(
        Arc::new(spool.clone()),
        handle.clone(),
        DeliveryOptions::default(),
    );
    let (renderer, live) = Renderer::new(handle.clone());
    let file = config.state_dir.join("choices.cbor");
    let (conductor, plans) = Conductor::open(org, site, file, handle.clone(), clock.clone())?;
    let uplink = Uplink::default();
    let behind = Behind {
        intake: intake.clone(),
        uplink: uplink.clone(),
        live,
        plans: plans.clone(),
    };
    let (down, documents) = SiteDown::new(
        start.clone(),
        store.clone(),
        handle.clone(),
        plans,
        trust.clone(),
        revocations.clone(),
    );
    down.restore().await;

    let (host, port) = config.cloud.broker().ok_or_else(|| {
        GatewayError::Invalid(format!("{:?} is not host:port", config.cloud.mqtts))
    })?;
    let link = CloudLink {
        host,
        port,
        identity: identity.clone(),
        clock: clock.clone(),
        start: start.clone(),
    };
    let plans_origin = origin.clone();
    let relay = Arc::new(Relay {
        anchor: anchor_bytes(config)?,
        identity: identity.clone(),
        clock: clock.clone(),
        origin,
        store,
        revocations,
        trust: trust.clone(),
        blobs: BlobCache::new(config.state_dir.join("blobs"), config.quota.blob_bytes),
    });
    let tls = server_config(
        identity.trust_anchors(),
        &identity,
        ClientAuthentication::Optional,
        &clock,
    )?;
    let (https, address) = listen(config.listen.device_https)?;
    let presence = config.state_dir.join("presence.json");
    let attendance = Attendance::new(presence, uplink.clone(), start.clone());
    let metrics = Metrics {
        start,
        uplink: uplink.clone(),
        broker: handle,
        spool: spool.clone(),
        intake,
        down: down.clone(),
    };

    door.open(behind);
    parts.spawn("delivery", delivery.run(stop.clone()));
    parts.spawn("live", renderer.run(stop.clone()));
    parts.spawn("choices", conductor.run(stop.clone()));
    parts.spawn(
        "plans",
        down.clone().follow_plans(plans_origin, stop.clone()),
    );
    parts.spawn("documents", documents.run(stop.clone()));
    parts.spawn("trust", trust.run(stop.clone()));
    parts.spawn("attendance", attendance.run(stop.clone()));
    parts.spawn("metrics", metrics.run(stop.clone()));
    parts.spawn("tidy", tidy(spool.clone(), stop.clone()));
    parts.spawn(
        "bridge",
        Bridge::new(link, uplink, spool.clone(), down).run(stop.clone()),
    );
    let routes = devices_http::router(relay);
    parts.spawn(
        "device https",
        devices_http::serve(https, Arc::new(tls), routes, stop),
    );

    let ports = Ports {
        http: None,
        device_https: Some(address.port()),
        mqtts: broker.mqtts().map(|address| address.port()),
    };
    files::write_ports(&config.state_dir, ports)?;
    info!(identity = %identity.peer(), ?ports, "listening");
    ready(ports);
    Ok((broker, spool, parts))
}

fn origin(
    config: &Config,
    identity: &Arc<Identity>,
    clock: &Arc<SessionClock>,
) -> Result<Origin, GatewayError> {
    let cloud = Peer::Cloud {
        org: identity.peer().org().clone(),
    };
    let expected = ExpectedPeers::exactly([&cloud]);
    let tls = client_config(identity.trust_anchors(), &expected, Some(identity), clock)?;
    Ok(Origin {
        client: http_client(tls)?,
        base_url: config.cloud.base_url(),
    })
}

/// The broker reads its certificate and key from files of its own.
fn certificates(config: &Config, identity: &Identity) -> Result<CertificateListener, GatewayError> {
    let folder = config.state_dir.join("broker");
    files::create_private_folder(&folder)?;
    let listener = CertificateListener {
        address: config.listen.mqtts,
        chain_pem: folder.join("chain.pem"),
        key_pem: folder.join("key.pem"),
        ca_pem: folder.join("ca.pem"),
    };
    files::write_atomic(&listener.chain_pem, identity.chain_pem().as_bytes())?;
    files::replace_secret(&listener.key_pem, identity.key_pem().as_bytes())?;
    files::write_atomic(
        &listener.ca_pem,
        identity.trust_anchors().to_pem().as_bytes(),
    )?;
    Ok(listener)
}

fn anchor_bytes(config: &Config) -> Result<Bytes, GatewayError> {
    let path = IdentityPaths::new(config.identity()).anchor();
    Ok(files::read_bounded(&path, limits::ANCHOR as u64)?.into())
}

fn listen(address: SocketAddr) -> Result<(std::net::TcpListener, SocketAddr), GatewayError> {
    let failed = |error: std::io::Error| GatewayError::Listen {
        address: address.to_string(),
        reason: error.to_string(),
    };
    let listener = std::net::TcpListener::bind(address).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

async fn tidy(spool: Spool, stop: CancellationToken) -> Result<(), GatewayError> {
    let mut tick = tokio::time::interval(TIDY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => spool.tidy().await?,
        }
    }
}

/// The state folder's spool, for a child process that tries it.
pub fn probe_spool(folder: &Path) -> i32 {
    crate::spool::probe(folder)
}
