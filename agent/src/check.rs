//! `noroshi-agent check`: tries each thing that a connection needs and names the one that fails.

use std::sync::Arc;
use std::time::Duration;

use noroshi_service::clock::{ClockOptions, SessionClock};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use crate::config::Config;
use crate::daemon::Network;
use crate::{AgentError, capabilities, enrol};

const PATIENCE: Duration = Duration::from_secs(15);

/// One thing that was tried.
#[derive(Debug)]
pub struct Tried {
    /// What.
    pub what: String,
    /// What came of it: a remark, or what is wrong and what to do.
    pub outcome: Result<String, String>,
}

/// Tries everything, also after a failure.
pub async fn check(config: &Config) -> Vec<Tried> {
    let mut tried = Vec::new();
    let host = config
        .endpoint
        .https
        .trim_start_matches("https://")
        .trim_end_matches('/')
        .to_owned();
    let broker = config.endpoint.mqtts.clone();
    for address in [&host, &broker] {
        tried.push(one(format!("name of {address}"), resolve(address)).await);
    }
    tried.push(one("engines".into(), engines(config)).await);
    let network = match network(config) {
        Ok(network) => network,
        Err(e) => {
            tried.push(Tried {
                what: "identity".into(),
                outcome: Err(e.to_string()),
            });
            return tried;
        }
    };
    tried.push(Tried {
        what: "identity".into(),
        outcome: Ok(network.identity.peer().to_string()),
    });
    tried.push(one("time".into(), time(&network)).await);
    tried.push(one(format!("TLS of {host}"), handshake(&network, &host)).await);
    tried.push(
        one(
            format!("TLS of the broker {broker}"),
            handshake(&network, &broker),
        )
        .await,
    );
    tried.push(one("desired document".into(), desired(&network)).await);
    tried.push(one("release metadata".into(), metadata(&network)).await);
    tried
}

async fn one(what: String, act: impl Future<Output = Result<String, AgentError>>) -> Tried {
    let outcome = match tokio::time::timeout(PATIENCE, act).await {
        Ok(outcome) => outcome.map_err(|e| e.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    Tried { what, outcome }
}

fn network(config: &Config) -> Result<Arc<Network>, AgentError> {
    let clock = Arc::new(SessionClock::system(ClockOptions {
        floor_ms: 0,
        trust_system_clock: config.trust_system_clock,
    }));
    let identity = enrol::load(config)?;
    Network::new(config.endpoint.clone(), identity, clock).map(Arc::new)
}

async fn resolve(address: &str) -> Result<String, AgentError> {
    let with_port = if address.contains(':') {
        address.to_owned()
    } else {
        format!("{address}:443")
    };
    let found: Vec<String> = tokio::net::lookup_host(&with_port)
        .await
        .map_err(AgentError::io(format!(
            "look up {address} (check the name, and the name server)"
        )))?
        .map(|address| address.ip().to_string())
        .collect();
    Ok(found.join(", "))
}

async fn engines(config: &Config) -> Result<String, AgentError> {
    let found = capabilities::find(&config.onnxruntime.options()).await?;
    if let Some(missing) = found.missing.first() {
        return Err(AgentError::Worker(missing.clone()));
    }
    let names: Vec<String> = found
        .capabilities
        .runtimes
        .iter()
        .map(|runtime| format!("{} {}", runtime.engine.word(), runtime.version))
        .collect();
    Ok(names.join(", "))
}

async fn time(network: &Network) -> Result<String, AgentError> {
    if network.clock.is_synchronized() {
        return Ok("the system's clock is synchronized".into());
    }
    let unix_ms = network.ask_time().await?;
    Ok(format!("from the endpoint: {unix_ms} ms since 1970"))
}

async fn handshake(network: &Network, address: &str) -> Result<String, AgentError> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(AgentError::io(format!(
            "connect to {address} (check the address and the firewall)"
        )))?;
    let peer = stream
        .peer_addr()
        .map_err(AgentError::io("ask for the peer"))?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(network.tls()?));
    // Peers are verified by the identity in their certificate, never by this name.
    let name = ServerName::IpAddress(peer.ip().into());
    connector
        .connect(name, stream)
        .await
        .map_err(AgentError::io(format!(
            "TLS with {address} (check clock, certificates and that it is our site's gateway)"
        )))?;
    Ok("verified".into())
}

async fn desired(network: &Network) -> Result<String, AgentError> {
    Ok(match network.desired().await? {
        Some(bytes) => format!("{} bytes", bytes.len()),
        None => "none yet".into(),
    })
}

async fn metadata(network: &Network) -> Result<String, AgentError> {
    Ok(match network.get("tuf/timestamp.json", 64 << 10).await? {
        Some(bytes) => format!("{} bytes", bytes.len()),
        None => "none yet".into(),
    })
}
