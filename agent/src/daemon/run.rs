//! Puts the agent together.

use std::sync::Arc;
use std::time::Duration;

use noroshi_model::Capabilities;
use noroshi_protocol::Stream;
use noroshi_service::clock::{ClockOptions, SessionClock};
use noroshi_service::files;
use noroshi_service::run::{Parts, stop_signal};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::acks::Acks;
use super::commands::Obedience;
use super::controller::{Controller, Desk};
use super::crew::Crew;
use super::lease::Switchboard;
use super::metrics::Metrics;
use super::models::ModelStore;
use super::network::Network;
use super::notes::Notes;
use super::pipeline::Surroundings;
use super::records::Records;
use super::report::{Reporter, Sight};
use super::sender::Sender;
use super::states::States;
use super::status::StatusSocket;
use super::trust::Trust;
use super::uplink::{self, Topics, Uplink};
use crate::config::Config;
use crate::outbox::{self, OutboxPen, Probe, Start};
use crate::state_lock::StateLock;
use crate::{AgentError, capabilities, enrol, event};

/// How long everything may take to stop.
const GRACE: Duration = Duration::from_secs(8);
/// How often a device without a clock asks for the time.
const ASK_TIME: Duration = Duration::from_secs(3_600);
/// How soon it asks again if nobody answered.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// Runs the agent until a signal stops it.
pub async fn run(config: Config) -> Result<(), AgentError> {
    let config = Arc::new(config);
    files::create_private_folder(&config.state_dir).map_err(AgentError::refused)?;
    let _lock = StateLock::take(&config.state_dir)?;
    let identity = enrol::load(&config)?;
    let records = Records::open(config.records_dir())?;
    let clock = Arc::new(SessionClock::system(ClockOptions {
        floor_ms: records.floor_ms()?,
        trust_system_clock: config.trust_system_clock,
    }));
    let probe = outbox::probe(&config.outbox_dir()).await?;
    let at_least = match &probe {
        Probe::Sound { greatest_start } => *greatest_start,
        Probe::MovedAside { .. } => 0,
    };
    let start = outbox::next_start(records.folder(), at_least)?;
    let pen = outbox::open(
        config.outbox_dir(),
        config.outbox.quota(),
        start,
        Duration::from_millis(config.outbox.commit_ms),
    )?;
    let notes = Notes::new(pen.clone(), Arc::clone(&clock));
    tell_start(&notes, start, &probe).await;
    let network = Arc::new(Network::new(config.endpoint.clone(), identity, clock)?);
    Assembly {
        config,
        records,
        start,
        pen,
        notes,
        network,
    }
    .run()
    .await
}

async fn tell_start(notes: &Notes, start: Start, probe: &Probe) {
    if let Probe::MovedAside { to, bytes, how } = probe {
        let text = format!(
            "the outbox was corrupt ({how}) and was moved to {}; what it held is not sent",
            to.display()
        );
        let details = [("bytes", bytes.to_string())];
        notes
            .tell(event::detailed("outbox-corrupt", text, details))
            .await;
    }
    let text = format!(
        "start {} of agent {}",
        start.number,
        env!("CARGO_PKG_VERSION")
    );
    notes.tell(event::event("started", text)).await;
}

struct Assembly {
    config: Arc<Config>,
    records: Records,
    start: Start,
    pen: OutboxPen,
    notes: Notes,
    network: Arc<Network>,
}

impl Assembly {
    async fn run(self) -> Result<(), AgentError> {
        let signal = stop_signal().map_err(AgentError::io("listen to signals"))?;
        let mut parts = Parts::new();
        let (notices, notices_in) = mpsc::channel(64);
        let (controller, inputs) = mpsc::channel(64);
        let (capable, capabilities) = watch::channel(None);
        let changed = Arc::new(Notify::new());
        let trust = Arc::new(Trust::new(Arc::clone(&self.network), self.records.clone()));
        let acks = Acks::new(self.records.clone());
        let store = ModelStore::open(self.config.models_dir(), self.config.models.clone())?;
        let store = Arc::new(store);
        let states = States::open(self.config.learned_dir())?;
        let around = Surroundings {
            config: Arc::clone(&self.config),
            board: Arc::new(Switchboard::default()),
            states: states.clone(),
            pen: self.pen.clone(),
            clock: Arc::clone(&self.network.clock),
            notes: self.notes.clone(),
            notices,
            changed: Arc::clone(&changed),
        };
        let (reporter, published) = Reporter::new(Sight {
            network: Arc::clone(&self.network),
            start: self.start,
            sources: self.config.sources.keys().cloned().collect(),
            capabilities: capabilities.clone(),
            account: self.pen.account(),
            store: acks.store(),
            changed,
        });
        let desk = Desk {
            config: Arc::clone(&self.config),
            network: Arc::clone(&self.network),
            trust: Arc::clone(&trust),
            store: Arc::clone(&store),
            records: self.records.clone(),
            states,
            notes: self.notes.clone(),
            capabilities,
            crew: Crew::new(around, store),
            reporter,
        };
        let work = Controller::new(desk)?.run(inputs, notices_in, parts.stop_token());
        parts.spawn("controller", work);

        let obedience = Arc::new(Obedience {
            config: Arc::clone(&self.config),
            network: Arc::clone(&self.network),
            trust,
            records: self.records.clone(),
            notes: self.notes.clone(),
            controller: controller.clone(),
            state: published.state.clone(),
        });
        let topics = Topics::of(&self.network)?;
        let (handle, events, driver) = uplink::open(&self.network, &topics, self.start)?;
        let end = CancellationToken::new();
        parts.spawn("session", driver.run(end.clone()));
        let uplink = Uplink {
            network: Arc::clone(&self.network),
            topics: topics.clone(),
            start: self.start,
            handle: handle.clone(),
            controller,
            obedience,
            envelope: published.envelope,
            pen: self.pen.clone(),
            acks: acks.clone(),
            notes: self.notes.clone(),
            errands: tokio::task::JoinSet::new(),
        };
        parts.spawn("uplink", uplink.run(events, parts.stop_token(), end));
        for stream in Stream::ALL {
            let sender = Sender {
                stream,
                pen: self.pen.clone(),
                handle: handle.clone(),
                topics: topics.clone(),
                acks: acks.clone(),
                notes: self.notes.clone(),
                batch: Duration::from_millis(self.config.outbox.batch_ms),
            };
            let name = format!("sender of {}s", stream.word());
            parts.spawn(name, sender.run(parts.stop_token()));
        }
        let metrics = Metrics {
            handle: handle.clone(),
            topics,
            state: published.state.clone(),
            account: self.pen.account(),
        };
        parts.spawn("metrics", metrics.run(parts.stop_token()));
        self.spawn_status(&mut parts, handle, published.state);
        self.spawn_helpers(&mut parts, capable);
        parts
            .run_until_stopped(signal, GRACE)
            .await
            .map_err(|e| AgentError::Refused(e.to_string()))
    }

    fn spawn_status(
        &self,
        parts: &mut Parts,
        handle: noroshi_service::session::SessionHandle,
        state: watch::Receiver<Option<Arc<noroshi_protocol::Reported>>>,
    ) {
        let path = self.config.socket();
        let (Ok(listener), Some(identity)) = (
            // Without the socket `status` does not work; everything else must.
            StatusSocket::bind(&path)
                .inspect_err(|e| tracing::error!(error = %e, "no status on this machine")),
            self.network.identity.file(),
        ) else {
            return;
        };
        let socket = StatusSocket {
            path,
            site: identity.site.clone(),
            development: self.network.identity.anchor().development,
            handle,
            state,
            account: self.pen.account(),
        };
        parts.spawn("status", socket.run(listener, parts.stop_token()));
    }

    fn spawn_helpers(&self, parts: &mut Parts, capable: watch::Sender<Option<Arc<Capabilities>>>) {
        let looking = look(Arc::clone(&self.config), self.notes.clone(), capable);
        parts.spawn("capabilities", with(parts.stop_token(), looking));
        let asking = ask_time(Arc::clone(&self.network));
        parts.spawn("time", with(parts.stop_token(), asking));
    }
}

async fn with(stop: CancellationToken, work: impl Future<Output = ()>) -> Result<(), AgentError> {
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
    Ok(())
}

async fn look(
    config: Arc<Config>,
    notes: Notes,
    capable: watch::Sender<Option<Arc<Capabilities>>>,
) {
    let found = match capabilities::find(&config.onnxruntime.options()).await {
        Ok(found) => {
            for missing in &found.missing {
                tracing::warn!("{missing}");
            }
            found.capabilities
        }
        Err(e) => {
            let text = format!("what this device can run is not known: {e}");
            notes.tell(event::event("engines-unknown", text)).await;
            capabilities::without_engines()
        }
    };
    capable.send_replace(Some(Arc::new(found)));
}

/// A device whose clock nobody has set asks the endpoint, before anything else needs TLS dates.
async fn ask_time(network: Arc<Network>) {
    loop {
        let wait = if network.clock.now().source == noroshi_protocol::ClockSource::Ntp {
            ASK_TIME
        } else {
            match network.ask_time().await {
                Ok(_) => ASK_TIME,
                Err(e) => {
                    tracing::debug!(error = %e, "nobody tells the time");
                    ASK_AGAIN
                }
            }
        };
        tokio::time::sleep(wait).await;
    }
}
