//! What is believed: released targets by TUF, and documents signed with the keys it names.

use std::sync::Arc;

use noroshi_fleet::assignment::Clock;
use noroshi_model::{Digest, Manifest};
use noroshi_protocol::{
    Command, CommandHead, DecodeError, Desired, Domain, Envelope, EnvelopeError, Message,
    ModelChoice, OnlineKeys, PublicKey, Use, limits,
};
use noroshi_service::files;
use noroshi_service::tuf::{TufClient, TufError, VerifiedTargets, over_https};
use tokio::sync::Mutex;

use super::network::Network;
use super::records::Records;
use crate::AgentError;

const KEYS: &str = "online.json";

/// A document that is not believed.
#[derive(Debug)]
pub(super) struct Disbelief {
    /// The document's sequence; 0 if it could not be read.
    pub(super) sequence: u64,
    /// For people.
    pub(super) reason: String,
    /// Whether it may be believed later.
    pub(super) later: Later,
}

/// Whether a document that is not believed now may be believed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Later {
    /// The endpoint was out of reach: nothing is known of the document.
    Unknown,
    /// The metadata that was had does not know it; newer metadata may.
    Perhaps,
    /// It is malformed, or its signature is wrong.
    Never,
}

struct Known {
    targets: VerifiedTargets,
    keys: OnlineKeys,
}

/// The TUF client with what it verified last.
pub(super) struct Trust {
    network: Arc<Network>,
    client: TufClient,
    records: Records,
    known: Mutex<Option<Known>>,
}

impl Trust {
    pub(super) fn new(network: Arc<Network>, records: Records) -> Self {
        let root = network.identity.anchor().root.clone();
        Self {
            client: TufClient::new(records.folder().join("tuf"), root),
            network,
            records,
            known: Mutex::new(None),
        }
    }

    /// Fetches what is newer; without a link what is here already is verified.
    async fn refresh(&self, known: &mut Option<Known>) -> Result<(), AgentError> {
        let fetched = match self.network.client() {
            Ok(client) => {
                let fetch = over_https(client, &self.network.endpoint.https);
                self.client.refresh(&self.network.clock, fetch).await
            }
            Err(e) => Err(TufError::Unreachable(e.to_string())),
        };
        let targets = match fetched {
            Ok(targets) => targets,
            Err(unreachable @ TufError::Unreachable(_)) => self
                .client
                .load(&self.network.clock)
                .await
                .map_err(|_| AgentError::Unreachable(unreachable.to_string()))?,
            Err(e) => return Err(AgentError::Refused(e.to_string())),
        };
        let keys = self.keys(&targets).await?;
        if let Some(issued_ms) = targets.issued_ms() {
            self.network.clock.raise_floor(issued_ms);
        }
        *known = Some(Known { targets, keys });
        Ok(())
    }

    /// The online keys: from disk if they are the ones that are signed now.
    async fn keys(&self, targets: &VerifiedTargets) -> Result<OnlineKeys, AgentError> {
        let target = targets
            .find(OnlineKeys::TARGET)
            .ok_or_else(|| AgentError::Refused(format!("no {} is released", OnlineKeys::TARGET)))?;
        let digest = Digest::from_bytes(target.sha256);
        let path = self.records.folder().join(KEYS);
        let kept = files::read_bounded(&path, limits::STATE as u64)
            .ok()
            .filter(|bytes| Digest::of(bytes) == digest);
        let bytes = match kept {
            Some(bytes) => bytes,
            None => {
                let bytes = self.network.small_blob(&digest, target.length).await?;
                files::write_atomic(&path, &bytes)
                    .map_err(|e| AgentError::Refused(e.to_string()))?;
                bytes
            }
        };
        serde_json::from_slice(&bytes)
            .map_err(|e| AgentError::Refused(format!("{}: {e}", OnlineKeys::TARGET)))
    }

    /// The desired document in `bytes`, if an online key signed it and every model in it is a
    /// released target. Asks for newer metadata only if what is known does not suffice.
    pub(super) async fn desired(&self, bytes: &[u8]) -> Result<Desired, Disbelief> {
        let envelope = Envelope::from_cbor(bytes).map_err(|e| disbelief(0, e, Later::Never))?;
        let mut known = self.known.lock().await;
        let first = match &*known {
            Some(known) => known.desired(&envelope),
            None => Err(disbelief(0, "nothing is known yet", Later::Unknown)),
        };
        if first.is_ok() {
            return first;
        }
        // The sequence is shown to people and decides nothing until the signature fits.
        let sequence = Desired::from_cbor(&envelope.payload).map_or(0, |d| d.sequence);
        if let Err(e) = self.refresh(&mut known).await {
            return Err(Disbelief {
                sequence,
                reason: e.to_string(),
                later: match e {
                    AgentError::Unreachable(_) => Later::Unknown,
                    _ => Later::Perhaps,
                },
            });
        }
        match &*known {
            Some(known) => known.desired(&envelope).map_err(|disbelief| Disbelief {
                sequence,
                ..disbelief
            }),
            None => first,
        }
    }

    /// The command in `bytes`, if an online key signed it.
    pub(super) async fn command(&self, bytes: &[u8]) -> Result<SignedCommand, AgentError> {
        let refused = |e: &dyn std::fmt::Display| AgentError::Refused(e.to_string());
        let envelope = Envelope::from_cbor(bytes).map_err(|e| refused(&e))?;
        let mut known = self.known.lock().await;
        let open = |known: &Option<Known>| match known {
            Some(known) => known.command(&envelope),
            None => Err(EnvelopeError::UnknownKey(envelope.key_id.clone())),
        };
        match open(&known) {
            Err(EnvelopeError::UnknownKey(_)) => {
                self.refresh(&mut known).await?;
                open(&known).map_err(|e| refused(&e))
            }
            other => other.map_err(|e| refused(&e)),
        }
    }

    /// What is known of the time, for expiry.
    pub(super) fn clock(&self) -> Clock {
        let clock = &self.network.clock;
        if clock.is_synchronized() {
            Clock::Synced(clock.trusted_ms())
        } else {
            Clock::AtLeast(clock.floor_ms())
        }
    }
}

/// A command that was signed by whom we trust.
pub(super) enum SignedCommand {
    /// One that is understood.
    Known(Command),
    /// Of a kind that this version does not know.
    Unknown(CommandHead),
}

impl Known {
    fn command(&self, envelope: &Envelope) -> Result<SignedCommand, EnvelopeError> {
        match self.open(envelope, Domain::Command, Use::Command) {
            Ok(command) => Ok(SignedCommand::Known(command)),
            Err(EnvelopeError::Payload(fault @ DecodeError::Malformed { .. })) => self
                .open(envelope, Domain::Command, Use::Command)
                .map(SignedCommand::Unknown)
                .map_err(|_| EnvelopeError::Payload(fault)),
            Err(other) => Err(other),
        }
    }

    fn open<M: Message>(
        &self,
        envelope: &Envelope,
        domain: Domain,
        wanted: Use,
    ) -> Result<M, EnvelopeError> {
        let keys: Vec<PublicKey> = self.keys.keys_for(wanted);
        envelope.open(domain, &keys)
    }

    fn desired(&self, envelope: &Envelope) -> Result<Desired, Disbelief> {
        let desired: Desired = self
            .open(envelope, Domain::Desired, Use::Desired)
            .map_err(|e| match e {
                EnvelopeError::UnknownKey(_) => disbelief(0, e, Later::Perhaps),
                _ => disbelief(0, e, Later::Never),
            })?;
        let planned = desired.plan.iter().flat_map(|plan| &plan.pipelines);
        for assignment in desired.pipelines.iter().chain(planned) {
            self.released(&assignment.model)
                .map_err(|reason| disbelief(desired.sequence, reason, Later::Perhaps))?;
        }
        Ok(desired)
    }

    /// Whether the manifest is a target of exactly that digest and length.
    fn released(&self, choice: &ModelChoice) -> Result<(), String> {
        let name = Manifest::target_name(&choice.model, choice.version);
        match self.targets.find(&name) {
            Some(target)
                if target.sha256 == *choice.manifest.sha256.as_bytes()
                    && target.length == choice.manifest.length =>
            {
                Ok(())
            }
            Some(_) => Err(format!("{name} was released with another digest or length")),
            None => Err(format!("{name} was not released")),
        }
    }
}

fn disbelief(sequence: u64, reason: impl std::fmt::Display, later: Later) -> Disbelief {
    Disbelief {
        sequence,
        reason: reason.to_string(),
        later,
    }
}
