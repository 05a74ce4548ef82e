//! The cloud's HTTP API, as tests and the demo use it.

use anyhow::{Context, Result, bail};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

/// A signed-in client.
#[derive(Debug, Clone)]
pub struct Api {
    client: Client,
    base: String,
    cookie: String,
}

impl Api {
    /// Signs in as `user`.
    pub async fn sign_in(base: &str, user: &str, password: &str) -> Result<Self> {
        // A connection for each request: the server ends one on which it refused a body half read,
        // and a request that is sent on it meanwhile would be lost.
        let client = Client::builder().pool_max_idle_per_host(0).build()?;
        let body = serde_json::json!({ "username": user, "password": password });
        let answer = client
            .post(format!("{base}/api/v1/sessions"))
            .json(&body)
            .send()
            .await?;
        if !answer.status().is_success() {
            bail!("sign in: {} {}", answer.status(), answer.text().await?);
        }
        let cookie = answer.headers().get("set-cookie").context("no cookie")?;
        let cookie = cookie
            .to_str()?
            .split(';')
            .next()
            .unwrap_or_default()
            .to_owned();
        Ok(Self {
            client,
            base: base.to_owned(),
            cookie,
        })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}/api/v1{path}", self.base))
            .header("cookie", &self.cookie)
            .header("origin", &self.base)
    }

    async fn send(request: RequestBuilder) -> Result<Value> {
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            bail!("{status}: {text}");
        }
        Ok(if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text)?
        })
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Result<Value> {
        Self::send(self.request(Method::GET, path))
            .await
            .with_context(|| format!("GET {path}"))
    }

    /// POST.
    pub async fn post(&self, path: &str, body: Value) -> Result<Value> {
        let request = self.request(Method::POST, path).json(&body);
        Self::send(request)
            .await
            .with_context(|| format!("POST {path}"))
    }

    /// PUT.
    pub async fn put(&self, path: &str, body: Value) -> Result<Value> {
        let request = self.request(Method::PUT, path).json(&body);
        Self::send(request)
            .await
            .with_context(|| format!("PUT {path}"))
    }

    /// POST of bytes that are JSON already, such as a manifest.
    pub async fn post_bytes(&self, path: &str, body: Vec<u8>) -> Result<Value> {
        let request = self
            .request(Method::POST, path)
            .header("content-type", "application/json")
            .body(body);
        Self::send(request)
            .await
            .with_context(|| format!("POST {path}"))
    }

    /// Uploads a blob.
    pub async fn put_blob(&self, sha256: &str, bytes: Vec<u8>) -> Result<Value> {
        let path = format!("/blobs/{sha256}");
        let request = self.request(Method::PUT, &path).body(bytes);
        Self::send(request)
            .await
            .with_context(|| format!("PUT {path}"))
    }

    /// Every item of a list.
    pub async fn list(&self, path: &str) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let page = self.get(&format!("{path}{joint}limit=500{cursor}")).await?;
            items.extend(page["items"].as_array().context("a list")?.iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(items),
            }
        }
    }
}
