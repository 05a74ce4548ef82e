//! `gateway.toml`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use noroshi_service::config::{self, ConfigError};
use noroshi_service::logging::LogFormat;
use serde::Deserialize;

use crate::spool::SpoolOptions;

/// What a gateway is told.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Everything the gateway keeps: identity, spool, blobs, documents.
    pub state_dir: PathBuf,
    /// Where the cloud is.
    pub cloud: Cloud,
    /// Where to listen.
    #[serde(default)]
    pub listen: Listen,
    /// Bytes on disk.
    #[serde(default)]
    pub quota: Quota,
    /// Log lines as `text` or `json`.
    #[serde(default)]
    pub log: LogFormat,
    /// Believe the system's clock even if the kernel does not say that it is synchronized.
    #[serde(default)]
    pub trust_system_clock: bool,
}

/// The cloud's addresses, `host:port`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cloud {
    /// Its device port; `https://` before it may be left out.
    pub device_https: String,
    /// Its broker; `mqtts://` before it may be left out.
    pub mqtts: String,
}

/// Addresses to listen on; port 0 takes a free one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// HTTPS for devices.
    pub device_https: SocketAddr,
    /// MQTT over TLS for devices.
    pub mqtts: SocketAddr,
    /// Plain MQTT for dashboards with a token, on a loopback address; absent: none.
    pub dashboards: Option<SocketAddr>,
}

/// Bytes on disk.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quota {
    /// Records on their way to the cloud, and those acknowledged of the last 24 hours.
    pub spool_bytes: u64,
    /// Models and other blobs.
    pub blob_bytes: u64,
}

impl Default for Listen {
    fn default() -> Self {
        let any = |port| SocketAddr::from(([0, 0, 0, 0], port));
        Self {
            device_https: any(8443),
            mqtts: any(8883),
            dashboards: None,
        }
    }
}

impl Default for Quota {
    /// 256 MiB and 4 GiB.
    fn default() -> Self {
        Self {
            spool_bytes: SpoolOptions::default().quota_bytes,
            blob_bytes: 4 << 30,
        }
    }
}

impl Config {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let config: Self = config::load(path)?;
        match config.fault() {
            None => Ok(config),
            Some(message) => Err(ConfigError::Invalid {
                path: path.to_owned(),
                place: config::Place::default(),
                message,
            }),
        }
    }

    fn fault(&self) -> Option<String> {
        if self.cloud.broker().is_none() {
            return Some(format!(
                "cloud.mqtts: {:?} is not host:port",
                self.cloud.mqtts
            ));
        }
        if split(self.cloud.device_https.trim_start_matches("https://")).is_none() {
            let given = &self.cloud.device_https;
            return Some(format!("cloud.device_https: {given:?} is not host:port"));
        }
        if self.quota.spool_bytes < 1 << 20 {
            return Some("quota.spool_bytes: a spool needs 1 MiB (1048576) or more".into());
        }
        let outside = self
            .listen
            .dashboards
            .filter(|address| !address.ip().is_loopback());
        outside.map(|address| {
            format!(
                "listen.dashboards: {address} is not a loopback address; put a TLS proxy before it"
            )
        })
    }

    /// The folder of the identity.
    pub fn identity(&self) -> PathBuf {
        self.state_dir.join("identity")
    }

    /// The folder of the spool.
    pub fn spool(&self) -> PathBuf {
        self.state_dir.join("spool")
    }

    /// The folder of release metadata.
    pub fn trust(&self) -> PathBuf {
        self.state_dir.join("trust")
    }
}

impl Cloud {
    /// `https://host:port`.
    pub fn base_url(&self) -> String {
        let address = self
            .device_https
            .trim_start_matches("https://")
            .trim_end_matches('/');
        format!("https://{address}")
    }

    /// Host and port of the broker.
    pub fn broker(&self) -> Option<(String, u16)> {
        split(self.mqtts.trim_start_matches("mqtts://"))
    }
}

fn split(address: &str) -> Option<(String, u16)> {
    let (host, port) = address.trim_end_matches('/').rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = port.parse().ok().filter(|port| *port != 0)?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = r#"
        state_dir = "/var/lib/noroshi-gateway"
        [cloud]
        device_https = "https://cloud.example:8443"
        mqtts = "[::1]:8883"
        [listen]
        mqtts = "127.0.0.1:0"
    "#;

    fn read(text: &str) -> Config {
        config::parse(Path::new("gateway.toml"), text.as_bytes()).unwrap()
    }

    #[test]
    fn an_example_is_read_with_its_defaults() {
        let config = read(EXAMPLE);
        assert_eq!(config.fault(), None);
        assert_eq!(config.cloud.base_url(), "https://cloud.example:8443");
        assert_eq!(config.cloud.broker(), Some(("::1".into(), 8883)));
        assert_eq!(config.listen.device_https.port(), 8443);
        assert_eq!(config.quota.spool_bytes, 256 << 20);
    }

    #[test]
    fn what_can_not_work_is_named() {
        let change = |from: &str, to: &str| read(&EXAMPLE.replace(from, to)).fault().unwrap();
        assert!(change("[::1]:8883", "cloud").starts_with("cloud.mqtts"));
        assert!(change("cloud.example:8443", "cloud.example").starts_with("cloud.device_https"));
        let open = change("mqtts = \"127.0.0.1:0\"", "dashboards = \"0.0.0.0:1883\"");
        assert!(open.starts_with("listen.dashboards"));
        let typo = EXAMPLE.replace("state_dir", "state_dri");
        let error = config::parse::<Config>(Path::new("g.toml"), typo.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("state_dri"));
    }
}
