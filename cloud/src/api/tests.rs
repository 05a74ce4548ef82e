use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;

use async_trait::async_trait;
use axum::body::{Body, Bytes};
use axum::http::{Method, Response};
use noroshi_model::{Capabilities, Digest};
use noroshi_protocol::{
    Desired, Domain, EnrolAnswer, EnrolKind, EnrolRequest, EnrolToken, Envelope, Message,
    SigningKey, Topic,
};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::cloud::Outlet;
use crate::config::Config;
use crate::store::Durability;

/// A cloud without network, its routes, and an administrator's token.
struct World {
    cloud: Arc<Cloud>,
    router: Router,
    token: String,
    folder: tempfile::TempDir,
}

/// Remembers what went out.
#[derive(Default)]
struct Outbound {
    kicked: Mutex<Vec<String>>,
    published: Mutex<Vec<String>>,
    cleared: Mutex<Vec<String>>,
}

#[async_trait]
impl Outlet for Outbound {
    async fn publish(&self, topic: &Topic, payload: Bytes) {
        let topics = if payload.is_empty() {
            &self.cleared
        } else {
            &self.published
        };
        topics.lock().unwrap().push(topic.to_string());
    }

    async fn kick(&self, client_id: &str) {
        self.kicked.lock().unwrap().push(client_id.to_owned());
    }
}

const PASSWORD: &str = "correct horse battery";

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inspector = folder.path().join("inspector");
        // Agrees with everything but the file "liar".
        let script = "#!/bin/sh\nwhile [ \"$1\" != --blob ]; do shift; done\n\
            if grep -q liar \"$2\"; then echo '{\"error\":\"opset is 99\"}'; exit 1; fi\n";
        std::fs::write(&inspector, script).unwrap();
        std::fs::set_permissions(&inspector, std::fs::Permissions::from_mode(0o755)).unwrap();
        let text = format!(
            "state_dir = {:?}\ninspector = {inspector:?}\ntrust_system_clock = true\n",
            folder.path().join("state")
        );
        let config: Config =
            noroshi_service::config::parse(Path::new("cloud.toml"), text.as_bytes()).unwrap();
        let request = crate::Request {
            org: None,
            name: "Test".into(),
            admin: "ann".into(),
            password: Some(PASSWORD.into()),
        };
        crate::init(&config, request).await.unwrap();
        let cloud = Cloud::open(config).await.unwrap();
        let router = router(cloud.clone());
        let mut world = Self {
            cloud,
            router,
            token: String::new(),
            folder,
        };
        let body = json!({"username": "ann", "password": PASSWORD});
        let response = world
            .send(Method::POST, "/api/v1/sessions", Some(body), &[])
            .await;
        let cookie = response.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .to_owned();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let body = json!({"name": "test", "scope": "admin"});
        let headers = [("cookie", cookie.as_str())];
        let made = world.send(Method::POST, "/api/v1/tokens", Some(body), &headers);
        world.token = read(made.await).await["token"].as_str().unwrap().to_owned();
        world
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Response<Body> {
        let mut request = axum::http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.router
            .clone()
            .oneshot(request.body(body).unwrap())
            .await
            .unwrap()
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let token = format!("Bearer {}", self.token);
        let response = self
            .send(method, path, body, &[("authorization", &token)])
            .await;
        // What the daemon's part does when it is woken.
        self.cloud.issue_unissued().await.unwrap();
        (response.status(), read(response).await)
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call(Method::GET, path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn upload(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let request = axum::http::Request::builder()
            .method(Method::PUT)
            .uri(format!("/api/v1/blobs/{digest}"))
            .header("authorization", format!("Bearer {}", self.token))
            .body(Body::from(bytes.to_vec()))
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        digest
    }

    /// Pushes a version whose one variant is a file with this text.
    async fn push(&self, version: u32, text: &str) -> (StatusCode, Value) {
        let file = self.upload(format!("{text} {version}").as_bytes()).await;
        let length = format!("{text} {version}").len();
        self.post("/api/v1/models", manifest(version, &file, length as u64))
            .await
    }

    /// The same once more, its file being there already.
    async fn push_again(&self, version: u32, text: &str) -> (StatusCode, Value) {
        let bytes = format!("{text} {version}");
        let manifest = manifest(version, &Digest::of(bytes.as_bytes()), bytes.len() as u64);
        self.post("/api/v1/models", manifest).await
    }

    /// Enrols a device of the site `direct`, as its agent does; answers its id.
    async fn enrol(&self, seed: u8) -> String {
        let EnrolKind::Device(id) = self.enrol_in("direct", "device", seed).await.kind else {
            panic!("a gateway")
        };
        id.into()
    }

    async fn enrol_in(&self, site: &str, kind: &str, seed: u8) -> EnrolAnswer {
        let made = json!({"site": site, "kind": kind});
        let (status, made) = self.post("/api/v1/enrolment-tokens", made).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        let token: EnrolToken = made["token"].as_str().unwrap().parse().unwrap();
        assert!(token.development && token.pin == self.cloud.pin());
        let key = SigningKey::from_seed(&[seed; 32]).unwrap();
        let request = EnrolRequest::sign(
            token.id.clone(),
            &token.key().unwrap(),
            key.public().clone(),
            [seed; 32],
            format!("camera {seed}"),
            Some(capabilities()),
        );
        let answer = self.cloud.enrol(&request.to_cbor()).await.unwrap();
        let answer: EnrolAnswer = Envelope::from_cbor(&answer)
            .unwrap()
            .open(Domain::Enrolment, [self.cloud.answer_key.public()])
            .unwrap();
        assert_eq!(answer.nonce, [seed; 32]);
        answer
    }

    async fn desired(&self, device: &str) -> Desired {
        let bytes = self.cloud.document(device).await.unwrap();
        let envelope = Envelope::from_cbor(&bytes).unwrap();
        envelope
            .open(Domain::Desired, [self.cloud.online_key.public()])
            .unwrap()
    }
}

async fn read(response: Response<Body>) -> Value {
    let bytes = axum::body::to_bytes(response.into_body(), 4 << 20)
        .await
        .unwrap();
    serde_json::from_slice(&bytes).unwrap_or(Value::Null)
}

fn capabilities() -> Capabilities {
    serde_json::from_value(json!({
        "architecture": "x86_64", "cpu_features": ["avx2"], "chip": "test", "os": "Debian",
        "glibc": "2.36", "memory": 1_u64 << 32, "agent": "0.1.0",
        "runtimes": [
            {"engine": "onnx_runtime", "version": "1.32", "max_opset": 23, "max_ir": 11}
        ]
    }))
    .unwrap()
}

fn manifest(version: u32, file: &Digest, length: u64) -> Value {
    json!({
        "format": 1, "model": "cats", "version": version,
        "task": {"classification": {"labels": [{"slug": "cat", "name": "Cat"}]}},
        "input": {
            "name": "x", "height": 8, "width": 8, "dtype": "f32", "layout": "nchw",
            "color": "rgb", "resize": "stretch",
            "normalization": {"scale": 1.0, "mean": [0.0, 0.0, 0.0], "deviation": [1.0, 1.0, 1.0]}
        },
        "output": {"name": "y", "activation": "logits"},
        "variants": [{
            "name": "int8", "engine": "onnx_runtime", "precision": "int8",
            "blob": {"sha256": file, "length": length},
            "requirements": {
                "opset": 20, "ir": 9, "operators": ["Conv"], "dtypes": ["f32"],
                "peak_memory": 1000
            },
            "golden": {"blob": {"sha256": file, "length": length}, "tolerance": 0.1},
            "provenance": {"source": file, "recipe": "none", "tool": "test"}
        }]
    })
}

fn application(devices: &[&str]) -> Value {
    json!({"source": "door", "model": "cats", "devices": {"devices": devices}})
}

mod access;
mod certificates;
mod commands;
mod flows;
mod tokens;
