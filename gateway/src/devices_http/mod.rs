//! The routes for devices, under `/device/v1`: the same at a gateway and, for the site `direct`
//! and for gateways, at the cloud.
//!
//! TLS asks for a certificate and takes its absence; *anchor*, *enrol* and *time* need none,
//! everything else does.

mod file;
mod serial;
mod upstream;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router, middleware};
use axum_server::Handle;
use axum_server::tls::TlsInfo;
use axum_server::tls_rustls::RustlsConfig;
use noroshi_model::Digest;
use noroshi_protocol::{DeviceId, Identity, Message as _, TimeRequest, limits};
use noroshi_service::tls::peer_identity;
use rustls::ServerConfig;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

pub use serial::certificate_serial;
pub use upstream::{BlobFile, Upstream, UpstreamError};

/// Largest request body: an enrolment request.
const BODY: usize = limits::SMALL;
const GRACE: Duration = Duration::from_secs(3);
const CBOR: &str = "application/cbor";

type Shared = State<Arc<dyn Upstream>>;

/// The routes.
pub fn router(upstream: Arc<dyn Upstream>) -> Router {
    let open = Router::new()
        .route("/device/v1/anchor", get(anchor))
        .route("/device/v1/enrol", post(enrol))
        .route("/device/v1/time", post(time));
    let closed = Router::new()
        .route("/device/v1/desired", get(own_desired))
        .route("/device/v1/site/desired", get(site_desired))
        .route("/device/v1/tuf/{file}", get(tuf))
        .route("/device/v1/blobs/{digest}", get(blob))
        .route_layer(middleware::from_fn_with_state(upstream.clone(), identify));
    open.merge(closed)
        .layer(DefaultBodyLimit::max(BODY))
        .with_state(upstream)
}

/// Serves the routes by TLS until `stop` is cancelled. `tls` asks for a client certificate and
/// takes its absence.
pub async fn serve(
    listener: std::net::TcpListener,
    tls: Arc<ServerConfig>,
    router: Router,
    stop: CancellationToken,
) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let handle = Handle::new();
    let server = axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(tls))?
        .handle(handle.clone());
    let serving = server.serve(router.into_make_service());
    tokio::pin!(serving);
    tokio::select! {
        ended = &mut serving => return ended,
        () = stop.cancelled() => handle.graceful_shutdown(Some(GRACE)),
    }
    serving.await
}

/// Who asks, from the certificate that TLS has verified.
async fn identify(
    State(upstream): Shared,
    tls: Option<Extension<Arc<TlsInfo>>>,
    mut request: Request,
    next: Next,
) -> Response {
    let shown = tls
        .as_ref()
        .and_then(|Extension(tls)| tls.peer_certificates.first());
    let Some(certificate) = shown else {
        let text = "this needs the certificate that enrolment gives";
        return (StatusCode::UNAUTHORIZED, text).into_response();
    };
    match (peer_identity(certificate), certificate_serial(certificate)) {
        (Ok(peer), Some(serial)) if upstream.admits(&peer, &serial).await => {
            request.extensions_mut().insert(Arc::new(peer));
            next.run(request).await
        }
        (Ok(_), _) => UpstreamError::Forbidden(
            "this certificate was revoked, or replaced by a newer one; enrol again".into(),
        )
        .into_response(),
        (Err(error), _) => UpstreamError::Forbidden(error.to_string()).into_response(),
    }
}

type Peer = Extension<Arc<Identity>>;
type Answer = Result<Response, UpstreamError>;

fn cbor(bytes: Bytes) -> Response {
    (
        [
            (header::CONTENT_TYPE, CBOR),
            (header::CACHE_CONTROL, "no-store"),
        ],
        bytes,
    )
        .into_response()
}

async fn anchor(State(upstream): Shared) -> Answer {
    Ok(cbor(upstream.anchor().await?))
}

async fn enrol(State(upstream): Shared, body: Bytes) -> Answer {
    Ok(cbor(upstream.enrol(body).await?))
}

async fn time(State(upstream): Shared, body: Bytes) -> Answer {
    let request =
        TimeRequest::from_cbor(&body).map_err(|error| UpstreamError::Refused(error.to_string()))?;
    Ok(cbor(upstream.time(request.nonce).await?))
}

async fn own_desired(State(upstream): Shared, Extension(peer): Peer) -> Answer {
    let device = match &*peer {
        Identity::Device { device, .. } => device.clone(),
        // Its own document holds the plans of the site.
        Identity::Gateway { .. } => DeviceId::gateway(),
        Identity::Cloud { .. } => return Err(UpstreamError::NotFound),
    };
    Ok(cbor(upstream.desired(&peer, &device).await?))
}

#[derive(Deserialize)]
struct OfDevice {
    device: DeviceId,
}

async fn site_desired(
    State(upstream): Shared,
    Extension(peer): Peer,
    Query(of): Query<OfDevice>,
) -> Answer {
    if !matches!(&*peer, Identity::Gateway { .. }) {
        return Err(UpstreamError::Forbidden(
            "only a gateway asks for its devices".into(),
        ));
    }
    Ok(cbor(upstream.desired(&peer, &of.device).await?))
}

async fn tuf(State(upstream): Shared, Extension(peer): Peer, Path(file): Path<String>) -> Answer {
    if !is_metadata_name(&file) {
        return Err(UpstreamError::NotFound);
    }
    let bytes = upstream.tuf(peer.org(), &file).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, bytes).into_response())
}

async fn blob(
    State(upstream): Shared,
    Extension(peer): Peer,
    Path(digest): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let digest: Digest = digest.parse().map_err(|_| UpstreamError::NotFound)?;
    let found = upstream.blob(peer.org(), &digest).await?;
    file::serve(&digest, found, &headers).await
}

/// Whether a name can be a TUF metadata file's, and no path.
fn is_metadata_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name.ends_with(".json")
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}
