//! Running the cloud: listeners first, then the parts, until it is told to stop.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use noroshi_fleet::access::Broker as Side;
use noroshi_gateway::GatewayError;
use noroshi_gateway::broker::{Broker, BrokerOptions, CertificateListener};
use noroshi_gateway::choices::Conductor;
use noroshi_gateway::delivery::{Delivery, DeliveryOptions};
use noroshi_gateway::devices_http;
use noroshi_gateway::live::Renderer;
use noroshi_service::files::{self, Ports};
use noroshi_service::run::Parts;
use noroshi_service::tls::{ClientAuthentication, server_config};
use tokio_util::sync::CancellationToken;

use crate::cloud::Cloud;
use crate::config::Config;
use crate::devices::CloudUpstream;
use crate::door::{Behind, CloudDoor, StoreHolder};
use crate::error::{Error, Result};
use crate::{api, console, mqtt_proxy};

/// How long parts may take to stop.
const GRACE: Duration = Duration::from_secs(10);
/// How long open requests may take to end.
const HTTP_GRACE: Duration = Duration::from_secs(3);
/// How often releases are signed anew and documents are looked through.
const RENEWAL: Duration = Duration::from_hours(12);
/// When that is tried again after a failure.
const RENEWAL_RETRY: Duration = Duration::from_mins(1);
/// Threads of the broker.
const BROKER_THREADS: usize = 2;

/// Runs the cloud until `stop` is cancelled or a part fails. `ports.json` is written once
/// everything listens.
pub async fn run(config: Config, stop: CancellationToken) -> Result<()> {
    let cloud = Cloud::open(config).await?;
    cloud.store.forget_presence(cloud.now_ms()).await?;
    warn_of_development(&cloud);
    // After a crash or a restore: what the store says is what is released.
    let renewed = renew_at_start(&cloud).await?;
    let http = listen(cloud.config.http)?;
    let https = listen(cloud.config.device_https)?;

    let mut parts = Parts::stopped_by(stop);
    let stop = parts.stop_token();
    let (door, notices) = CloudDoor::new(cloud.clone());
    let door = Arc::new(door);
    let broker = start_broker(&cloud, door.clone()).await?;
    let handle = broker.handle();
    cloud.connect(Arc::new(handle.clone()));

    let holder = Arc::new(StoreHolder(cloud.clone()));
    let (delivery, intake) = Delivery::new(holder, handle.clone(), DeliveryOptions::default());
    let (renderer, live) = Renderer::new(handle.clone());
    let (conductor, plans) = Conductor::open(
        cloud.org.clone(),
        cloud.direct(),
        cloud.config.state_dir.join("choices.cbor"),
        handle,
        cloud.clock.clone(),
    )
    .map_err(broken)?;
    cloud.set_plans(plans.clone());
    door.open(Behind { intake, live });
    if let Some(direct) = cloud.direct_plans().await? {
        plans.desired(direct);
    }
    cloud.publish_documents().await?;

    let app = application(&cloud, broker.dashboards())?;
    let tls = server_config(
        cloud.identity.trust_anchors(),
        &cloud.identity,
        ClientAuthentication::Optional,
        &cloud.clock,
    )
    .map_err(|error| Error::Setup(error.to_string()))?;
    let devices = devices_http::router(Arc::new(CloudUpstream(cloud.clone())));
    let ports = Ports {
        http: port(&http),
        device_https: port(&https),
        mqtts: broker.mqtts().map(|address| address.port()),
    };
    parts.spawn("delivery", delivery.run(stop.clone()));
    parts.spawn("live", renderer.run(stop.clone()));
    parts.spawn("choices", conductor.run(stop.clone()));
    parts.spawn("notices", notices.telling(plans).run(stop.clone()));
    parts.spawn("rollouts", drive(cloud.clone(), stop.clone()));
    parts.spawn("issuing", issue(cloud.clone(), stop.clone()));
    parts.spawn("compression", compress(cloud.clone(), stop.clone()));
    parts.spawn("renewal", renew(cloud.clone(), renewed, stop.clone()));
    parts.spawn("http", serve(http, app, stop.clone()));
    parts.spawn(
        "device https",
        devices_http::serve(https, Arc::new(tls), devices, stop.clone()),
    );
    files::write_ports(&cloud.config.state_dir, ports)?;
    tracing::info!(?ports, org.id = %cloud.org, development = cloud.development, "running");

    let ended = parts.run_until_stopped(stop.cancelled_owned(), GRACE).await;
    broker.stop().await;
    cloud.store.close().await;
    ended.map_err(|error| Error::Internal(error.to_string()))
}

fn warn_of_development(cloud: &Cloud) {
    if cloud.development {
        let days = cloud.root_expires_ms.saturating_sub(cloud.now_ms()) / (24 * 60 * 60 * 1000);
        tracing::warn!(
            days,
            "this is a development root: devices take nothing new after its end"
        );
    }
}

/// Whether it was renewed: without a clock that can be trusted what was signed before goes on.
async fn renew_at_start(cloud: &Cloud) -> Result<bool> {
    match cloud.renew_releases().await {
        Ok(()) => Ok(true),
        Err(Error::Unavailable(text)) => {
            tracing::error!(reason = text, "nothing is signed for now");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    let failed = |error: std::io::Error| {
        Error::Setup(format!(
            "can't listen on {address}: {error}; is the port in use?"
        ))
    };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

fn port(listener: &TcpListener) -> Option<u16> {
    listener.local_addr().ok().map(|address| address.port())
}

fn broken(error: GatewayError) -> Error {
    Error::Setup(error.to_string())
}

async fn start_broker(cloud: &Cloud, door: Arc<CloudDoor>) -> Result<Broker> {
    let identity = cloud.write_identity_files()?;
    let options = BrokerOptions {
        certificates: Some(CertificateListener {
            address: cloud.config.mqtts,
            chain_pem: identity.chain,
            key_pem: identity.key,
            ca_pem: identity.ca,
        }),
        dashboards: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        side: Side::Cloud,
        threads: BROKER_THREADS,
    };
    Broker::start(options, door).await.map_err(broken)
}

fn application(cloud: &Arc<Cloud>, dashboards: Option<SocketAddr>) -> Result<Router> {
    let dashboards = dashboards
        .ok_or_else(|| Error::Internal("the broker does not listen for dashboards".to_owned()))?;
    let app = api::router(cloud.clone())
        .merge(mqtt_proxy::router(dashboards))
        .fallback_service(console::router());
    Ok(console::with_safe_headers(app))
}

async fn serve(listener: TcpListener, app: Router, stop: CancellationToken) -> std::io::Result<()> {
    let handle = Handle::new();
    let serving = axum_server::from_tcp(listener)?
        .handle(handle.clone())
        .serve(app.into_make_service());
    tokio::pin!(serving);
    tokio::select! {
        ended = &mut serving => return ended,
        () = stop.cancelled() => handle.graceful_shutdown(Some(HTTP_GRACE)),
    }
    serving.await
}

async fn drive(cloud: Arc<Cloud>, stop: CancellationToken) -> Result<()> {
    cloud.drive_rollouts(stop).await
}

async fn issue(cloud: Arc<Cloud>, stop: CancellationToken) -> Result<()> {
    cloud.keep_issuing(stop).await
}

async fn compress(cloud: Arc<Cloud>, stop: CancellationToken) -> Result<()> {
    cloud.keep_compressing(stop).await
}

/// Signs anew what would grow old. A failure is told once and tried again: what was signed
/// before holds for days.
async fn renew(cloud: Arc<Cloud>, renewed: bool, stop: CancellationToken) -> Result<()> {
    let mut failing = !renewed;
    let mut wait = if renewed { RENEWAL } else { RENEWAL_RETRY };
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(wait) => {}
        }
        let renewed = async {
            cloud.renew_releases().await?;
            cloud.renew_documents().await
        };
        wait = match renewed.await {
            Ok(()) => {
                failing = false;
                RENEWAL
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(%error, "releases and documents can't be signed anew");
                }
                RENEWAL_RETRY
            }
        };
    }
}
