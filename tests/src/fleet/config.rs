//! The configuration files of a test fleet.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Map, Value, json};

/// What a test agent looks at.
#[derive(Debug, Clone)]
pub struct Source {
    /// A folder of pictures, over and over.
    pub pictures: PathBuf,
    /// Frames a second.
    pub frames_per_second: f64,
    /// Whether frames that nobody can take are skipped, as a camera's are.
    pub live: bool,
}

/// TOML of nested objects: plain keys first, then tables. JSON's scalars are TOML's.
fn toml(entries: &Map<String, Value>, prefix: &str) -> String {
    let mut out = String::new();
    for (key, value) in entries.iter().filter(|(_, value)| !value.is_object()) {
        out += &format!("{key} = {value}\n");
    }
    for (key, value) in entries {
        if let Value::Object(inner) = value {
            out += &format!(
                "\n[{prefix}{key}]\n{}",
                toml(inner, &format!("{prefix}{key}."))
            );
        }
    }
    out
}

fn file(entries: Value) -> String {
    match entries {
        Value::Object(entries) => toml(&entries, ""),
        other => unreachable!("{other} is no table"),
    }
}

pub(super) fn cloud(state: &Path, http: u16) -> String {
    file(json!({
        "state_dir": state,
        "trust_system_clock": true,
        "http": format!("127.0.0.1:{http}"),
        "device_https": "127.0.0.1:0",
        "mqtts": "127.0.0.1:0",
    }))
}

pub(super) fn gateway(state: &Path, https: SocketAddr, mqtts: SocketAddr) -> String {
    file(json!({
        "state_dir": state,
        "trust_system_clock": true,
        "cloud": { "device_https": https, "mqtts": mqtts },
        "listen": { "device_https": "127.0.0.1:0", "mqtts": "127.0.0.1:0" },
    }))
}

pub(super) fn agent(
    name: &str,
    folder: &Path,
    https: SocketAddr,
    mqtts: SocketAddr,
    source: &Source,
) -> Result<String> {
    let library = crate::assets::asset("onnxruntime/libonnxruntime.so")?;
    Ok(file(json!({
        "state_dir": folder.join("state"),
        "name": name,
        "trust_system_clock": true,
        "endpoint": { "https": format!("https://{https}"), "mqtts": mqtts },
        "onnxruntime": { "library": library },
        "sources": { "camera": {
            "folder": { "path": source.pictures, "repeat": true },
            "frames_per_second": source.frames_per_second,
            "live": source.live,
            "log": folder.join("frames.log"),
        } },
    })))
}
