//! `cloud.toml`.

use std::net::SocketAddr;
use std::path::PathBuf;

use noroshi_service::logging::LogFormat;
use serde::Deserialize;

use crate::error::{Error, Result};

/// Everything that `cloud.toml` may say; defaults are here and nowhere else.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Keys, store, releases and artifacts. Nobody else may read it.
    pub state_dir: PathBuf,
    /// Console, API and the dashboards' WebSocket, over plain HTTP: on loopback, or behind a
    /// proxy that adds TLS.
    #[serde(default = "http")]
    pub http: SocketAddr,
    /// HTTPS for gateways, and for devices of the site `direct`.
    #[serde(default = "device_https")]
    pub device_https: SocketAddr,
    /// MQTT over TLS for gateways, and for devices of the site `direct`.
    #[serde(default = "mqtts")]
    pub mqtts: SocketAddr,
    /// Refuses a development root.
    #[serde(default)]
    pub production: bool,
    /// The clock is right although the system does not say that it is synchronized, as in most
    /// containers. The cloud signs nothing without a clock that it can trust.
    #[serde(default)]
    pub trust_system_clock: bool,
    /// The program that looks into pushed files; `noroshi` beside this one by default.
    #[serde(default)]
    pub inspector: Option<PathBuf>,
    /// The most bytes of memory that it may use.
    #[serde(default = "inspector_memory_bytes")]
    pub inspector_memory_bytes: u64,
    /// The most seconds that it may take for one file.
    #[serde(default = "inspector_seconds")]
    pub inspector_seconds: u64,
    /// The most bytes of memory that the compression of an uploaded model may use.
    #[serde(default = "compress_memory_bytes")]
    pub compress_memory_bytes: u64,
    /// The most seconds that it may take.
    #[serde(default = "compress_seconds")]
    pub compress_seconds: u64,
    /// How long a desired document may be acted upon, in days; it is issued again at half of it.
    #[serde(default = "desired_days")]
    pub desired_days: u64,
    /// How logs are written.
    #[serde(default)]
    pub log: LogFormat,
}

fn http() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

fn device_https() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 8443))
}

fn mqtts() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 8883))
}

const fn inspector_memory_bytes() -> u64 {
    4 << 30
}

const fn inspector_seconds() -> u64 {
    120
}

const fn compress_memory_bytes() -> u64 {
    8 << 30
}

const fn compress_seconds() -> u64 {
    3600
}

const fn desired_days() -> u64 {
    30
}

impl Config {
    /// What `--check` checks beside the syntax.
    pub fn check(&self) -> Result<()> {
        let setup = |detail: &str| Err(Error::Setup(detail.to_owned()));
        if self.state_dir.as_os_str().is_empty() {
            return setup("state_dir must name a folder");
        }
        if !(1..=365).contains(&self.desired_days) {
            return setup("desired_days must be 1 to 365");
        }
        if self.inspector_seconds == 0 || self.inspector_memory_bytes < 64 << 20 {
            return setup(
                "inspector_seconds must be above 0, inspector_memory_bytes 64 MiB or more",
            );
        }
        if self.compress_seconds == 0 || self.compress_memory_bytes < 64 << 20 {
            return setup("compress_seconds must be above 0, compress_memory_bytes 64 MiB or more");
        }
        if self.production && !self.http.ip().is_loopback() {
            return setup(
                "http is plain: in production let it listen on loopback only, behind a \
                          proxy that adds TLS",
            );
        }
        Ok(())
    }

    /// Where the store is.
    pub fn database(&self) -> PathBuf {
        self.state_dir.join("cloud.db")
    }

    /// Where the signed releases are.
    pub fn releases(&self) -> PathBuf {
        self.state_dir.join("tuf")
    }

    /// Where artifacts are.
    pub fn artifacts(&self) -> PathBuf {
        self.state_dir.join("blobs")
    }

    /// The program that looks into pushed files.
    pub fn inspector(&self) -> PathBuf {
        self.inspector.clone().unwrap_or_else(|| {
            std::env::current_exe()
                .ok()
                .and_then(|exe| Some(exe.parent()?.join("noroshi")))
                .unwrap_or_else(|| PathBuf::from("noroshi"))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_smallest_file_is_enough_and_a_typo_is_named() {
        let read = |text: &str| {
            noroshi_service::config::parse::<Config>(Path::new("cloud.toml"), text.as_bytes())
        };
        let config = read("state_dir = \"/var/lib/noroshi\"\n").unwrap();
        config.check().unwrap();
        assert_eq!(config.http.port(), 8080);
        let error = read("state_dir = \"/x\"\nhtpp = \"127.0.0.1:1\"\n")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("cloud.toml:2") && error.contains("htpp"),
            "{error}"
        );
    }

    #[test]
    fn plain_http_for_everybody_is_refused_in_production() {
        let text = "state_dir = \"/x\"\nhttp = \"0.0.0.0:80\"\nproduction = true\n";
        let config: Config = toml_of(text);
        assert!(config.check().unwrap_err().to_string().contains("plain"));
    }

    fn toml_of(text: &str) -> Config {
        noroshi_service::config::parse(Path::new("cloud.toml"), text.as_bytes()).unwrap()
    }
}
