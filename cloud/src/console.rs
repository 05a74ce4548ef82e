//! The console: files embedded when the cloud was built, and headers that keep it safe.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

struct Asset {
    path: &'static str,
    kind: &'static str,
    etag: &'static str,
    bytes: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/console_assets.rs"));

const NOT_BUILT: &str = "<!doctype html><title>Noroshi</title><h1>Noroshi</h1>\
    <p>This cloud was built without its console. Build it with <code>make build</code> (which \
    runs <code>npm ci</code> and <code>npm run build</code> in <code>console/</code>), then build \
    <code>noroshi-cloud</code> again.</p><p>The API is at <code>/api/v1</code>, its description \
    at <a href=\"/api/v1/openapi.json\">/api/v1/openapi.json</a>.</p>";

const POLICY: &str =
    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// Everything that is not the API: files, and `index.html` for the console's own addresses.
pub(crate) fn router() -> Router {
    Router::new().fallback(serve)
}

async fn serve(request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let path = request.uri().path();
    if let Some(asset) = find(path) {
        return file(asset, path.starts_with("/assets/"), request.headers());
    }
    // A file that is not there must not turn into a page that is no script.
    if path.starts_with("/assets/") {
        return StatusCode::NOT_FOUND.into_response();
    }
    match find("/index.html") {
        Some(index) => file(index, false, request.headers()),
        None => axum::response::Html(NOT_BUILT).into_response(),
    }
}

fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

fn file(asset: &'static Asset, immutable: bool, headers: &HeaderMap) -> Response {
    let keep = if immutable {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let common = [(header::ETAG, asset.etag), (header::CACHE_CONTROL, keep)];
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|known| known.to_str().ok());
    if known.is_some_and(|known| known.contains(asset.etag)) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(header::CONTENT_TYPE, asset.kind)], asset.bytes).into_response()
}

/// Adds the headers that every answer carries.
pub(crate) fn with_safe_headers(router: Router) -> Router {
    router.layer(middleware::from_fn(safe_headers))
}

async fn safe_headers(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    if is_api && !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn addresses_of_the_console_get_its_page_and_missing_files_nothing() {
        let app = with_safe_headers(router());
        let get = |path: &str| {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            app.clone().oneshot(request)
        };
        let page = get("/devices/cam-1").await.unwrap();
        assert_eq!(page.status(), StatusCode::OK);
        assert_eq!(page.headers()["content-security-policy"], POLICY);
        assert!(
            page.headers()["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/html")
        );
        assert_eq!(
            get("/assets/nothing.js").await.unwrap().status(),
            StatusCode::NOT_FOUND
        );
    }
}
