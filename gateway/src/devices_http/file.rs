//! Serving a blob: whole or one range, with its digest as the ETag.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use noroshi_model::Digest;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::{BlobFile, UpstreamError};

const PIECE: usize = 64 << 10;

/// Which bytes are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    /// From, and how many.
    Range(u64, u64),
    Unsatisfiable,
}

pub(super) async fn serve(
    digest: &Digest,
    file: BlobFile,
    headers: &HeaderMap,
) -> Result<Response, UpstreamError> {
    let etag = format!("\"{digest}\"");
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    if text(header::IF_NONE_MATCH).is_some_and(|known| known.contains(&etag)) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let fits = text(header::IF_RANGE).is_none_or(|wanted| wanted == etag);
    let part = match text(header::RANGE).filter(|_| fits) {
        Some(range) => part(range, file.length),
        None => Part::Whole,
    };
    let (status, from, count) = match part {
        Part::Whole => (StatusCode::OK, 0, file.length),
        Part::Range(from, count) => (StatusCode::PARTIAL_CONTENT, from, count),
        Part::Unsatisfiable => {
            let range = format!("bytes */{}", file.length);
            let headers = [(header::CONTENT_RANGE, range)];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response());
        }
    };
    let failed = |error: std::io::Error| UpstreamError::Failed(format!("reading a blob: {error}"));
    let mut open = tokio::fs::File::open(&file.path).await.map_err(failed)?;
    open.seek(std::io::SeekFrom::Start(from))
        .await
        .map_err(failed)?;
    let body = Body::from_stream(ReaderStream::with_capacity(open.take(count), PIECE));
    let mut response = (
        status,
        [
            (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
            (header::CONTENT_LENGTH, count.to_string()),
            (header::ACCEPT_RANGES, "bytes".to_owned()),
            (header::ETAG, etag),
            (
                header::CACHE_CONTROL,
                "private, immutable, max-age=31536000".to_owned(),
            ),
        ],
        body,
    )
        .into_response();
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {from}-{}/{}", from + count - 1, file.length);
        if let Ok(range) = HeaderValue::from_str(&range) {
            response.headers_mut().insert(header::CONTENT_RANGE, range);
        }
    }
    Ok(response)
}

/// Reads one range; several at once are answered with the whole file.
fn part(range: &str, length: u64) -> Part {
    let Some((from, to)) = range
        .strip_prefix("bytes=")
        .and_then(|spec| spec.split_once('-'))
    else {
        return Part::Whole;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    match (number(from), number(to)) {
        (None, Some(0)) => Part::Unsatisfiable,
        (None, Some(last)) if from.trim().is_empty() && length > 0 => {
            let count = last.min(length);
            Part::Range(length - count, count)
        }
        (Some(from), _) if from >= length => Part::Unsatisfiable,
        (Some(from), Some(to)) if to >= from => Part::Range(from, to.min(length - 1) - from + 1),
        (Some(from), None) if to.trim().is_empty() => Part::Range(from, length - from),
        _ => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_has_them() {
        assert_eq!(part("bytes=0-3", 10), Part::Range(0, 4));
        assert_eq!(part("bytes=4-", 10), Part::Range(4, 6));
        assert_eq!(part("bytes=4-99", 10), Part::Range(4, 6));
        assert_eq!(part("bytes=-3", 10), Part::Range(7, 3));
        assert_eq!(part("bytes=-30", 10), Part::Range(0, 10));
        assert_eq!(part("bytes=10-", 10), Part::Unsatisfiable);
        assert_eq!(part("bytes=-0", 10), Part::Unsatisfiable);
        for odd in [
            "bytes=5-4",
            "bytes=0-1,4-5",
            "lines=0-1",
            "bytes=x-",
            "bytes=-",
            "",
        ] {
            assert_eq!(part(odd, 10), Part::Whole, "{odd}");
        }
    }
}
