//! agent.toml: identity, endpoints, quotas and the named local sources. What runs is not here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use noroshi_engine::LibraryOptions;
use noroshi_model::Digest;
use noroshi_protocol::CommandKind;
use noroshi_service::config as toml_file;
use serde::Deserialize;

use crate::AgentError;
use crate::outbox::Quota;
use crate::source::SourceSpec;

const MEBIBYTE: u64 = 1 << 20;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where everything is kept.
    pub state_dir: PathBuf,
    /// What people call the device. Default: the host's name.
    #[serde(default = "host_name")]
    pub name: String,
    /// The site's gateway, or the cloud.
    pub endpoint: Endpoint,
    /// Records on their way out.
    #[serde(default)]
    pub outbox: Outbox,
    /// Model files.
    #[serde(default)]
    pub models: Models,
    /// Worker processes.
    #[serde(default)]
    pub worker: Worker,
    /// ONNX Runtime's library.
    #[serde(default)]
    pub onnxruntime: OnnxRuntime,
    /// What the cloud may tell this device to do.
    #[serde(default)]
    pub commands: Commands,
    /// Believe the system's clock even where the kernel does not say that it is synchronized:
    /// for containers and machines whose host keeps the time. Default false.
    #[serde(default)]
    pub trust_system_clock: bool,
    /// Sources by name.
    #[serde(default)]
    pub sources: BTreeMap<String, SourceSpec>,
}

/// `[endpoint]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Device-facing HTTPS, such as `https://192.168.1.5:8443`.
    pub https: String,
    /// The broker, `host:port`.
    pub mqtts: String,
    /// Refuse a development root. Default false.
    #[serde(default)]
    pub production: bool,
}

/// `[outbox]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outbox {
    /// Bytes of results.
    pub quota_bytes: u64,
    /// Bytes of events.
    pub event_bytes: u64,
    /// Milliseconds that a record waits for others to share its disk write.
    pub commit_ms: u64,
    /// Milliseconds that a record waits for others to share its message.
    pub batch_ms: u64,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            quota_bytes: 64 * MEBIBYTE,
            event_bytes: 8 * MEBIBYTE,
            commit_ms: 20,
            batch_ms: 1_000,
        }
    }
}

impl Outbox {
    /// The quota of the store.
    pub fn quota(&self) -> Quota {
        Quota {
            result_bytes: self.quota_bytes,
            event_bytes: self.event_bytes,
        }
    }
}

/// `[models]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Models {
    /// Bytes of all files together.
    pub quota_bytes: u64,
    /// Bytes of the disk that are left free.
    pub reserve_bytes: u64,
}

impl Default for Models {
    fn default() -> Self {
        Self {
            quota_bytes: 2_048 * MEBIBYTE,
            reserve_bytes: 64 * MEBIBYTE,
        }
    }
}

/// `[worker]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Worker {
    /// Most bytes of private memory of one worker.
    pub memory_bytes: u64,
    /// Milliseconds after which an inference counts as hung.
    pub inference_ms: u64,
    /// Milliseconds for loading a model and its golden test.
    pub start_ms: u64,
    /// Threads that compute one inference.
    pub threads: usize,
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            memory_bytes: 512 * MEBIBYTE,
            inference_ms: 10_000,
            start_ms: 60_000,
            threads: 1,
        }
    }
}

impl Worker {
    /// See `inference_ms`.
    pub fn inference(&self) -> Duration {
        Duration::from_millis(self.inference_ms)
    }

    /// See `start_ms`.
    pub fn start(&self) -> Duration {
        Duration::from_millis(self.start_ms)
    }
}

/// `[onnxruntime]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OnnxRuntime {
    /// The library or its folder. Default: `NOROSHI_ONNXRUNTIME`, then `/usr/lib/noroshi`.
    pub library: Option<PathBuf>,
    /// SHA-256 of the library.
    pub sha256: Option<Digest>,
}

impl OnnxRuntime {
    /// In the engine's words.
    pub fn options(&self) -> LibraryOptions {
        LibraryOptions {
            path: self.library.clone(),
            sha256: self.sha256,
        }
    }
}

/// `[commands]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Commands {
    /// Kinds that are refused: `diag`, `purge`, `restart_worker`, `explain`, `label`, `states`,
    /// `pull_state`, `roll_back`.
    pub forbid: Vec<String>,
}

impl Config {
    /// Reads and checks the file.
    pub fn load(path: &Path) -> Result<Self, AgentError> {
        let config: Self = toml_file::load(path).map_err(|e| AgentError::Config(e.to_string()))?;
        config
            .check()
            .map_err(|fault| AgentError::Config(format!("{}: {fault}", path.display())))?;
        Ok(config)
    }

    fn check(&self) -> Result<(), AgentError> {
        let fault = |text: String| Err(AgentError::Config(text));
        if !self.endpoint.https.starts_with("https://") {
            return fault("endpoint.https must begin with https://".into());
        }
        self.endpoint.broker()?;
        if self.name.is_empty() || self.name.len() > 100 {
            return fault("name must have 1 to 100 bytes".into());
        }
        if self.worker.memory_bytes < 32 * MEBIBYTE {
            return fault("worker.memory_bytes must be at least 33554432".into());
        }
        if self.worker.threads == 0 || self.worker.inference_ms == 0 || self.worker.start_ms == 0 {
            return fault("worker.threads, inference_ms and start_ms must be more than 0".into());
        }
        if self.outbox.commit_ms > 10_000 || self.outbox.batch_ms > 60_000 {
            return fault("outbox.commit_ms must be at most 10000, batch_ms 60000".into());
        }
        if self.outbox.quota_bytes < MEBIBYTE / 16 || self.outbox.event_bytes < MEBIBYTE / 16 {
            return fault("outbox.quota_bytes and event_bytes must be at least 65536".into());
        }
        let known = CommandKind::WORDS;
        if let Some(kind) = self
            .commands
            .forbid
            .iter()
            .find(|kind| !known.contains(&kind.as_str()))
        {
            return fault(format!("commands.forbid: {kind:?} is none of {known:?}"));
        }
        for (name, source) in &self.sources {
            if name.is_empty() || name.len() > 64 {
                return fault(format!("sources.{name}: a name has 1 to 64 bytes"));
            }
            source
                .check()
                .map_err(|e| AgentError::Config(format!("sources.{name}: {e}")))?;
        }
        Ok(())
    }

    /// The identity's folder.
    pub fn identity_dir(&self) -> PathBuf {
        self.state_dir.join("identity")
    }

    /// The outbox's folder.
    pub fn outbox_dir(&self) -> PathBuf {
        self.state_dir.join("outbox")
    }

    /// The model files' folder.
    pub fn models_dir(&self) -> PathBuf {
        self.state_dir.join("models")
    }

    /// The folder of what models learned here.
    pub fn learned_dir(&self) -> PathBuf {
        self.state_dir.join("learned")
    }

    /// Small files that are replaced whole.
    pub fn records_dir(&self) -> PathBuf {
        self.state_dir.join("state")
    }

    /// Where a running agent answers questions.
    pub fn socket(&self) -> PathBuf {
        self.state_dir.join("agent.sock")
    }
}

impl Endpoint {
    /// The broker's host and port.
    pub fn broker(&self) -> Result<(String, u16), AgentError> {
        let malformed = || AgentError::Config("endpoint.mqtts must be host:port".into());
        let (host, port) = self.mqtts.rsplit_once(':').ok_or_else(malformed)?;
        let port = port.parse().map_err(|_| malformed())?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || host.contains('/') {
            return Err(malformed());
        }
        Ok((host.to_owned(), port))
    }

    /// The URL of a route of the device-facing HTTPS.
    pub fn url(&self, route: &str) -> String {
        format!("{}/device/v1/{route}", self.https.trim_end_matches('/'))
    }
}

fn host_name() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        let config: Config = toml_file::parse(Path::new("agent.toml"), text.as_bytes())
            .map_err(|e| e.to_string())?;
        config.check().map_err(|e| e.to_string())?;
        Ok(config)
    }

    const LEAST: &str =
        "state_dir = \"/s\"\n[endpoint]\nhttps = \"https://h:1\"\nmqtts = \"h:2\"\n";

    #[test]
    fn the_least_file_is_enough() {
        let config = parse(LEAST).unwrap();
        assert_eq!(config.endpoint.broker().unwrap(), ("h".into(), 2));
        assert_eq!(
            config.endpoint.url("desired"),
            "https://h:1/device/v1/desired"
        );
        assert_eq!(config.outbox.commit_ms, 20);
        assert!(!config.name.is_empty());
    }

    #[test]
    fn sources_are_read() {
        let text = format!(
            "{LEAST}[sources.door]\nfolder = {{ path = \"/p\" }}\nframes_per_second = 4\n\
             [sources.cam.exec]\nargv = [\"/bin/cam\"]\nformat = \"mjpeg\"\n"
        );
        let config = parse(&text).unwrap();
        assert!(!config.sources["door"].is_live());
        assert!(config.sources["cam"].is_live());
    }

    #[test]
    fn mistakes_are_named() {
        for (text, word) in [
            ("[outbox]\nquota = 5\n", "quota"),
            ("[commands]\nforbid = [\"reboot\"]\n", "reboot"),
            ("[sources.x]\nframes_per_second = 1\n", "exactly one"),
            (
                "[sources.x]\nfolder = { path = \"/\", loop = true }\n",
                "loop",
            ),
            ("[worker]\nmemory_bytes = 5\n", "memory_bytes"),
        ] {
            let error = parse(&format!("{LEAST}{text}")).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        assert!(
            parse("state_dir = \"/s\"\n")
                .unwrap_err()
                .contains("endpoint")
        );
    }
}
