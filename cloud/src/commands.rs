//! Commands: signed, kept, then published once; the device's reply ends them.

use noroshi_protocol::{
    Channel, Command, CommandId, CommandKind, DeviceId, Domain, Envelope, Message, Topic,
};

use crate::cloud::Cloud;
use crate::error::{Error, Result};
use crate::random;
use crate::store::{CommandRow, PeerRow, signed};

impl Cloud {
    /// Sends a command that the device obeys within `lifetime_ms`, at most once.
    pub async fn send_command(
        &self,
        device: &DeviceId,
        what: CommandKind,
        lifetime_ms: u64,
    ) -> Result<CommandRow> {
        let peer = self.store.device(device.as_str()).await?;
        let now_ms = self.signing_time()?;
        let id: CommandId = random::id();
        is_known(&what, &peer)?;
        let pipeline = what.pipeline().map(|pipeline| pipeline.as_str().to_owned());
        let kind = what.word().to_owned();
        let command = Command {
            org: self.org.clone(),
            device: device.clone(),
            enrolment: u32::try_from(peer.enrolment).unwrap_or(u32::MAX),
            id: id.clone(),
            not_after_ms: now_ms.saturating_add(lifetime_ms),
            what,
        };
        let envelope = Envelope::seal(Domain::Command, &command, &self.online_key).to_cbor();
        let row = CommandRow {
            id: id.as_str().to_owned(),
            device: device.as_str().to_owned(),
            kind,
            pipeline,
            created_ms: signed(now_ms),
            not_after_ms: signed(command.not_after_ms),
            envelope: envelope.clone(),
            outcome: None,
            reply: String::new(),
        };
        self.store.create_command(&row).await?;
        let topic = Topic {
            org: self.org.clone(),
            site: peer.site_id()?,
            device: device.clone(),
            channel: Channel::Command(id),
        };
        self.outlet().publish(&topic, envelope.into()).await;
        Ok(row)
    }
}

/// Refuses what the device's agent is too old for: it could not even say so.
fn is_known(what: &CommandKind, peer: &PeerRow) -> Result<()> {
    let capabilities = peer.capabilities()?;
    let known = match what {
        CommandKind::Diag | CommandKind::Purge | CommandKind::RestartWorker(_) => true,
        CommandKind::Explain(_) => capabilities.is_some_and(|found| found.explains()),
        CommandKind::Label(_)
        | CommandKind::States(_)
        | CommandKind::PullState(_)
        | CommandKind::RollBack(_) => capabilities.is_some_and(|found| found.learns()),
    };
    if known {
        return Ok(());
    }
    Err(Error::Conflict {
        code: "agent_too_old",
        detail: format!(
            "the agent of {} is too old for {}: upgrade it",
            peer.id,
            what.word()
        ),
    })
}
