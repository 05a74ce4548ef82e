//! One request for what is missing.

use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, RANGE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};

use super::part::Part;
use super::{Download, DownloadError, Progress};
use crate::tls::with_causes;

/// The longest wait that a server may ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// Asks for the missing bytes and appends them.
pub(super) async fn fill(
    download: &Download,
    client: &Client,
    part: &mut Part,
    progress: &mut (impl FnMut(Progress) + Send),
) -> Result<(), DownloadError> {
    let mut response = ask(download, client, part).await?;
    begin(download, &response, part).await?;
    loop {
        let piece = match tokio::time::timeout(download.patience, response.chunk()).await {
            Ok(Ok(Some(piece))) => piece,
            Ok(Ok(None)) => break,
            Ok(Err(error)) => return interrupted(part, with_causes(&error)).await,
            Err(_) => return interrupted(part, "the source went silent".to_owned()).await,
        };
        if piece.len() as u64 > download.length - part.done() {
            part.discard()?;
            return Err(DownloadError::TooLarge {
                length: download.length,
            });
        }
        part.append(&piece).await?;
        progress(Progress {
            done: part.done(),
            length: download.length,
        });
    }
    if part.done() < download.length {
        return interrupted(part, "the source ended early".to_owned()).await;
    }
    Ok(())
}

async fn interrupted(part: &mut Part, reason: String) -> Result<(), DownloadError> {
    part.sync().await?;
    Err(DownloadError::retry(reason))
}

async fn ask(download: &Download, client: &Client, part: &Part) -> Result<Response, DownloadError> {
    let mut request = client.get(&download.url);
    if part.done() > 0 {
        request = request.header(RANGE, format!("bytes={}-", part.done()));
        if let Some(etag) = part.etag() {
            request = request.header(IF_RANGE, etag);
        }
    }
    request
        .send()
        .await
        .map_err(|error| DownloadError::retry(with_causes(&error)))
}

/// Looks at the answer's head and makes the part ready for its body.
async fn begin(
    download: &Download,
    response: &Response,
    part: &mut Part,
) -> Result<(), DownloadError> {
    let headers = response.headers();
    match response.status() {
        StatusCode::OK => {
            if response
                .content_length()
                .is_some_and(|length| length > download.length)
            {
                part.discard()?;
                return Err(DownloadError::TooLarge {
                    length: download.length,
                });
            }
            part.restart(text(headers, &ETAG)).await
        }
        StatusCode::PARTIAL_CONTENT => continues(download, headers, part),
        StatusCode::RANGE_NOT_SATISFIABLE => {
            part.discard()?;
            Err(DownloadError::retry(
                "the source has a shorter file than the part that is here",
            ))
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(DownloadError::NotFound),
        status if status.is_server_error() || is_later(status) => Err(DownloadError::Retry {
            reason: format!("the source answers with HTTP status {}", status.as_u16()),
            after: retry_after(headers),
        }),
        status => Err(DownloadError::Refused {
            status: status.as_u16(),
        }),
    }
}

/// The body must go on exactly where the part ends, in a file of the signed length.
fn continues(download: &Download, headers: &HeaderMap, part: &Part) -> Result<(), DownloadError> {
    let range = text(headers, &CONTENT_RANGE).unwrap_or_default();
    let expected = format!("bytes {}-", part.done());
    let total = range.rsplit_once('/').map(|(_, total)| total);
    let fits = range.starts_with(&expected)
        && total.is_some_and(|total| total == "*" || total.parse() == Ok(download.length));
    if fits && part.done() > 0 {
        return Ok(());
    }
    part.discard()?;
    Err(DownloadError::retry(format!(
        "the source sent another range than asked for: {range:?}"
    )))
}

fn is_later(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
    )
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = text(headers, &RETRY_AFTER)?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER))
}

fn text(headers: &HeaderMap, name: &reqwest::header::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
