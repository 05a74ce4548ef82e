//! The cloud's HTTP API, as far as the command uses it.

use std::path::Path;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use crate::args::Arguments;
use crate::credentials;
use crate::error::{Failure, Tried};

/// Largest answer that is read.
const ANSWER_LIMIT: usize = 32 << 20;

/// A connection to one cloud.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    client: reqwest::Client,
    url: String,
    token: Option<String>,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
struct Page {
    items: Vec<Value>,
    next_cursor: Option<String>,
}

/// An RFC 9457 problem.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    detail: String,
    code: String,
}

impl Api {
    /// The cloud that the arguments or an earlier login name, with a token.
    pub(crate) fn signed_in(arguments: &Arguments) -> Result<Self, Failure> {
        let kept = match (&arguments.url, &arguments.token) {
            (Some(_), Some(_)) => None,
            _ => credentials::load()?,
        };
        let (kept_url, kept_token) = kept.map(|kept| (kept.url, kept.token)).unzip();
        let usage = || {
            Failure::Usage("not signed in: run `noroshi login`, or give --url and --token".into())
        };
        let url = arguments.url.clone().or(kept_url).ok_or_else(usage)?;
        let token = arguments.token.clone().or(kept_token).ok_or_else(usage)?;
        Self::new(url, Some(token))
    }

    /// The cloud at `url`, not signed in.
    pub(crate) fn anonymous(url: String) -> Result<Self, Failure> {
        Self::new(url, None)
    }

    fn new(url: String, token: Option<String>) -> Result<Self, Failure> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .build()
            .tried("the HTTP client")?;
        Ok(Self {
            client,
            url: url.trim_end_matches('/').to_owned(),
            token,
        })
    }

    /// The cloud's address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self
            .client
            .request(method, format!("{}/api/v1{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends, and reads the answer or the problem.
    async fn send(
        &self,
        request: RequestBuilder,
    ) -> Result<(StatusCode, Value, Option<String>), Failure> {
        let answer = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let cookie = answer
            .headers()
            .get(reqwest::header::SET_COOKIE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .map(str::to_owned);
        let bytes = bounded(answer)
            .await
            .map_err(|error| self.unreachable(&error))?;
        if !status.is_success() {
            return Err(refusal(status, &bytes));
        }
        let value = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).tried("the cloud's answer is no JSON")?
        };
        Ok((status, value, cookie))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let cause =
            std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        Failure::Unreachable {
            url: self.url.clone(),
            cause,
        }
    }

    /// GET, as JSON.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        Ok(self.send(self.request(Method::GET, path)).await?.1)
    }

    /// Every item of a list, page by page.
    pub(crate) async fn list(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut request =
                self.request(Method::GET, &with_query(path, query, cursor.as_deref()));
            request = request.header(reqwest::header::ACCEPT, "application/json");
            let page: Page = serde_json::from_value(self.send(request).await?.1)
                .tried("the cloud's answer is no list")?;
            items.extend(page.items);
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(items),
            }
        }
    }

    /// The first page of a list.
    pub(crate) async fn page(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<Value>, Failure> {
        let page = self.get(&with_query(path, query, None)).await?;
        let page: Page = serde_json::from_value(page).tried("the cloud's answer is no list")?;
        Ok(page.items)
    }

    /// POST of JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        Ok(self
            .send(self.request(Method::POST, path).json(body))
            .await?
            .1)
    }

    /// POST of JSON that is already bytes, such as a manifest that is signed as it is.
    pub(crate) async fn post_bytes(&self, path: &str, body: Vec<u8>) -> Result<Value, Failure> {
        let request = self
            .request(Method::POST, path)
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .body(body);
        Ok(self.send(request).await?.1)
    }

    /// PUT of JSON.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        Ok(self
            .send(self.request(Method::PUT, path).json(body))
            .await?
            .1)
    }

    /// DELETE.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), Failure> {
        self.send(self.request(Method::DELETE, path))
            .await
            .map(|_| ())
    }

    /// Signs in with a password; the cookie of the session.
    pub(crate) async fn open_session(&self, user: &str, password: &str) -> Result<String, Failure> {
        let body = serde_json::json!({ "username": user, "password": password });
        let (_, _, cookie) = self
            .send(self.request(Method::POST, "/sessions").json(&body))
            .await?;
        cookie.ok_or_else(|| Failure::Failed("the cloud opened no session".into()))
    }

    /// Changes the password of a session's user.
    pub(crate) async fn change_password(
        &self,
        cookie: &str,
        user: &str,
        current: &str,
        password: &str,
    ) -> Result<(), Failure> {
        let path = format!("/users/{}/password", percent_encoded(user));
        let request = self
            .request(Method::PUT, &path)
            .header(reqwest::header::COOKIE, cookie)
            .header(reqwest::header::ORIGIN, &self.url)
            .json(&serde_json::json!({ "password": password, "current": current }));
        self.send(request).await.map(|_| ())
    }

    /// Makes an API token within a session.
    pub(crate) async fn create_token(
        &self,
        cookie: &str,
        name: &str,
        scope: &str,
    ) -> Result<String, Failure> {
        let request = self
            .request(Method::POST, "/tokens")
            .header(reqwest::header::COOKIE, cookie)
            .header(reqwest::header::ORIGIN, &self.url)
            .json(&serde_json::json!({ "name": name, "scope": scope }));
        let answer = self.send(request).await?.1;
        answer["token"]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| Failure::Failed("the cloud made no token".into()))
    }

    /// Whether the cloud has the blob.
    pub(crate) async fn has_blob(&self, sha256: &str) -> Result<bool, Failure> {
        let request = self.request(Method::HEAD, &format!("/blobs/{sha256}"));
        match self.send(request).await {
            Ok(_) => Ok(true),
            Err(Failure::Refused { status: 404, .. }) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Uploads a file as a blob; `progress` is told the bytes that left.
    pub(crate) async fn put_blob(
        &self,
        sha256: &str,
        file: &Path,
        progress: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<(), Failure> {
        use futures_util::StreamExt;
        let file = tokio::fs::File::open(file).await.tried(file.display())?;
        let length = file.metadata().await.tried("the file's length")?.len();
        let stream =
            tokio_util::io::ReaderStream::with_capacity(file, 256 << 10).inspect(move |chunk| {
                if let Ok(chunk) = chunk {
                    progress(chunk.len() as u64);
                }
            });
        let request = self
            .request(Method::PUT, &format!("/blobs/{sha256}"))
            .header(reqwest::header::CONTENT_LENGTH, length)
            .body(reqwest::Body::wrap_stream(stream));
        self.send(request).await.map(|_| ())
    }
}

async fn bounded(mut answer: reqwest::Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_LIMIT {
            bytes.truncate(ANSWER_LIMIT);
            break;
        }
    }
    Ok(bytes)
}

fn refusal(status: StatusCode, bytes: &[u8]) -> Failure {
    let problem: Problem = serde_json::from_slice(bytes).unwrap_or_default();
    let detail = match (problem.detail.as_str(), problem.title.as_str()) {
        ("", "") => format!("the cloud answered {status}"),
        ("", title) => title.to_owned(),
        (detail, _) => detail.to_owned(),
    };
    Failure::Refused {
        status: status.as_u16(),
        code: problem.code,
        detail,
    }
}

fn with_query(path: &str, query: &[(&str, &str)], cursor: Option<&str>) -> String {
    let pairs = query
        .iter()
        .copied()
        .chain(cursor.map(|cursor| ("cursor", cursor)));
    let pairs: Vec<String> = pairs
        .map(|(key, value)| format!("{key}={}", percent_encoded(value)))
        .collect();
    if pairs.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", pairs.join("&"))
    }
}

/// Everything but unreserved characters (RFC 3986, 2.3) as `%XX`.
fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                (byte as char).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_encoded() {
        assert_eq!(with_query("/devices", &[], None), "/devices");
        assert_eq!(
            with_query("/devices", &[("q", "a b&c")], Some("x=")),
            "/devices?q=a%20b%26c&cursor=x%3D"
        );
    }

    #[test]
    fn a_refusal_speaks_with_the_clouds_words() {
        let body = br#"{"title":"Conflict","detail":"version 2 is there already","code":"version_exists"}"#;
        let failure = refusal(StatusCode::CONFLICT, body);
        assert_eq!(failure.to_string(), "version 2 is there already");
        assert!(
            refusal(StatusCode::BAD_GATEWAY, b"<html>")
                .to_string()
                .contains("502")
        );
    }
}
