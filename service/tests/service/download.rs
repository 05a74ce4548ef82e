//! Downloads from a server that misbehaves in every way we could think of.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path as Route, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::get;
use data_encoding::HEXLOWER;
use futures_util::{StreamExt, stream};
use noroshi_service::download::{Download, DownloadError, Progress};
use noroshi_service::files::sha256;
use noroshi_service::tls::install_provider;

const LENGTH: usize = 300_000;

fn content() -> Vec<u8> {
    (0..LENGTH).map(|index| (index * 31 % 251) as u8).collect()
}

struct Server {
    address: SocketAddr,
    sent: Arc<AtomicU64>,
}

impl Server {
    async fn start() -> Self {
        let sent = Arc::new(AtomicU64::new(0));
        let routes = Router::new()
            .route("/{how}", get(serve))
            .with_state(sent.clone());
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { address, sent }
    }

    fn download(&self, how: &str, folder: &Path) -> Download {
        let url = format!("http://{}/{how}", self.address);
        let mut download = Download::new(url, sha256(&content()), LENGTH as u64, folder);
        download.patience = Duration::from_millis(500);
        download
    }
}

/// Serves the content by range, or does `how` instead.
async fn serve(
    State(sent): State<Arc<AtomicU64>>,
    Route(how): Route<String>,
    headers: HeaderMap,
) -> Response<Body> {
    let mut bytes = content();
    let answer = Response::builder().header("etag", "\"v1\"");
    match how.as_str() {
        "absent" => {
            return answer
                .status(StatusCode::NOT_FOUND)
                .body(Body::empty())
                .unwrap();
        }
        "forbidden" => {
            return answer
                .status(StatusCode::FORBIDDEN)
                .body(Body::empty())
                .unwrap();
        }
        "busy" => {
            let answer = answer
                .status(StatusCode::SERVICE_UNAVAILABLE)
                .header("retry-after", "7");
            return answer.body(Body::empty()).unwrap();
        }
        "wrong" => bytes[LENGTH / 2] ^= 1,
        "endless" => {
            let zeros =
                stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![0; 9_000])));
            return answer.body(Body::from_stream(zeros)).unwrap();
        }
        _ => {}
    }
    let range = headers.get("range").and_then(|range| range.to_str().ok());
    let start: usize = range
        .and_then(|range| {
            range
                .strip_prefix("bytes=")?
                .strip_suffix('-')?
                .parse()
                .ok()
        })
        .unwrap_or(0);
    let changed = headers.get("if-range").is_some_and(|etag| etag != "\"v1\"");
    let (status, start) = match (range, how.as_str()) {
        (None, _) | (_, "whole") => (StatusCode::OK, 0),
        _ if changed => (StatusCode::OK, 0),
        (_, "other-range") => (StatusCode::PARTIAL_CONTENT, start / 2),
        _ => (StatusCode::PARTIAL_CONTENT, start),
    };
    let body = bytes.split_off(start);
    let end = if how == "cut" || how == "silent" {
        body.len() / 2
    } else {
        body.len()
    };
    sent.fetch_add(end as u64, Ordering::Relaxed);
    let pieces: Vec<_> = body[..end]
        .chunks(7_000)
        .map(Bytes::copy_from_slice)
        .map(Ok)
        .collect();
    let after = match how.as_str() {
        "cut" => stream::iter([Err(std::io::Error::other("cut"))]).boxed(),
        "silent" => stream::pending().boxed(),
        _ => stream::empty().boxed(),
    };
    let answer = answer.status(status);
    let answer = match status {
        StatusCode::PARTIAL_CONTENT => {
            let range = format!("bytes {start}-{}/{LENGTH}", LENGTH - 1);
            answer.header("content-range", range)
        }
        _ => answer,
    };
    answer
        .body(Body::from_stream(stream::iter(pieces).chain(after)))
        .unwrap()
}

fn client() -> reqwest::Client {
    install_provider();
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .no_proxy()
        .build()
        .unwrap()
}

async fn fetch(download: &Download) -> Result<Vec<u8>, DownloadError> {
    let path = download.fetch(&client(), |_| {}).await?;
    Ok(std::fs::read(path).unwrap())
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_file_comes_whole_under_its_digest_and_is_not_fetched_again() {
    let (server, folder) = (Server::start().await, tempfile::tempdir().unwrap());
    let download = server.download("good", folder.path());
    let mut seen = Vec::new();
    let path = download
        .fetch(&client(), |progress| seen.push(progress))
        .await
        .unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), content());
    assert_eq!(names(folder.path()), [HEXLOWER.encode(&download.sha256)]);
    assert_eq!(
        seen.last(),
        Some(&Progress {
            done: LENGTH as u64,
            length: LENGTH as u64
        })
    );
    assert!(seen.is_sorted_by_key(|progress| progress.done));
    fetch(&download).await.unwrap();
    assert_eq!(server.sent.load(Ordering::Relaxed), LENGTH as u64);
}

#[tokio::test]
async fn a_cut_link_costs_only_what_was_not_written() {
    let (server, folder) = (Server::start().await, tempfile::tempdir().unwrap());
    for how in ["cut", "silent", "cut"] {
        let cut = fetch(&server.download(how, folder.path())).await;
        assert!(matches!(cut, Err(DownloadError::Retry { .. })), "{cut:?}");
    }
    let there = LENGTH - LENGTH / 8;
    let part = folder
        .path()
        .join(format!("{}.part", HEXLOWER.encode(&sha256(&content()))));
    let before = std::fs::metadata(&part).unwrap().len();
    assert!(
        before > (LENGTH / 2) as u64 && before <= there as u64 + 8,
        "{before}"
    );
    let sent = server.sent.load(Ordering::Relaxed);
    assert_eq!(
        fetch(&server.download("good", folder.path()))
            .await
            .unwrap(),
        content()
    );
    assert_eq!(
        server.sent.load(Ordering::Relaxed) - sent,
        LENGTH as u64 - before
    );
    assert_eq!(names(folder.path()).len(), 1);
}

#[tokio::test]
async fn a_source_that_ignores_ranges_or_has_changed_is_read_from_the_start() {
    let (server, folder) = (Server::start().await, tempfile::tempdir().unwrap());
    assert!(fetch(&server.download("cut", folder.path())).await.is_err());
    assert_eq!(
        fetch(&server.download("whole", folder.path()))
            .await
            .unwrap(),
        content()
    );

    let folder = tempfile::tempdir().unwrap();
    assert!(fetch(&server.download("cut", folder.path())).await.is_err());
    let etag = folder
        .path()
        .join(format!("{}.etag", HEXLOWER.encode(&sha256(&content()))));
    std::fs::write(etag, "\"v0\"").unwrap();
    assert_eq!(
        fetch(&server.download("good", folder.path()))
            .await
            .unwrap(),
        content()
    );
}

#[tokio::test]
async fn wrong_bytes_are_thrown_away() {
    let (server, folder) = (Server::start().await, tempfile::tempdir().unwrap());
    let wrong = fetch(&server.download("wrong", folder.path())).await;
    assert!(
        matches!(wrong, Err(DownloadError::Corrupt { .. })),
        "{wrong:?}"
    );
    assert!(names(folder.path()).is_empty());
    let spoilt = server.download("good", folder.path());
    std::fs::write(spoilt.path(), b"spoilt").unwrap();
    assert_eq!(fetch(&spoilt).await.unwrap(), content());
}

#[tokio::test]
async fn a_body_that_never_ends_is_cut_off() {
    let (server, folder) = (Server::start().await, tempfile::tempdir().unwrap());
    let endless = fetch(&server.download("endless", folder.path())).await;
    assert!(
        matches!(endless, Err(DownloadError::TooLarge { .. })),
        "{endless:?}"
    );
    assert!(names(folder.path()).is_empty());
}

#[tokio::test]
async fn another_range_than_asked_for_is_not_mixed_in() {
    let (server, folder) = (Server::start().await, tempfile::tempdir().unwrap());
    assert!(fetch(&server.download("cut", folder.path())).await.is_err());
    let other = fetch(&server.download("other-range", folder.path())).await;
    assert!(
        matches!(other, Err(DownloadError::Retry { .. })),
        "{other:?}"
    );
    assert_eq!(
        fetch(&server.download("good", folder.path()))
            .await
            .unwrap(),
        content()
    );
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let (server, folder) = (Server::start().await, tempfile::tempdir().unwrap());
    let absent = fetch(&server.download("absent", folder.path())).await;
    assert!(matches!(absent, Err(DownloadError::NotFound)));
    let forbidden = fetch(&server.download("forbidden", folder.path())).await;
    assert!(matches!(
        forbidden,
        Err(DownloadError::Refused { status: 403 })
    ));
    let busy = fetch(&server.download("busy", folder.path())).await;
    let after = Some(Duration::from_secs(7));
    assert!(matches!(busy, Err(DownloadError::Retry { after: told, .. }) if told == after));
    let mut unreachable = server.download("good", folder.path());
    unreachable.url = "http://127.0.0.1:1/".to_owned();
    assert!(matches!(
        fetch(&unreachable).await,
        Err(DownloadError::Retry { .. })
    ));
}

#[tokio::test]
async fn room_is_asked_for_first() {
    let (server, folder) = (Server::start().await, tempfile::tempdir().unwrap());
    let mut download = server.download("good", folder.path());
    download.reserve = u64::MAX / 2;
    let full = fetch(&download).await;
    assert!(
        matches!(full, Err(DownloadError::InsufficientStorage { needed, free }) if needed > free)
    );
    assert_eq!(server.sent.load(Ordering::Relaxed), 0);
}
