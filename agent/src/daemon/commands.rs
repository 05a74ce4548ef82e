//! Commands: each has at most one effect, whatever the network repeats.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use noroshi_protocol::{
    Command, CommandHead, CommandId, CommandKind, Message, Outcome, PipelineId, Reply, Reported,
    limits,
};
use tokio::sync::{mpsc, oneshot, watch};

use super::controller::Input;
use super::network::Network;
use super::notes::Notes;
use super::pipeline::{About, Question};
use super::records::{Obeyed, Records};
use super::trust::{SignedCommand, Trust};
use crate::AgentError;
use crate::config::Config;

/// Replies that are kept for repeats.
const REMEMBERED: usize = 64;
/// How long a pipeline may take to answer: longer than a worker that hangs is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is known when a command arrives.
struct Known<'a> {
    command: &'a Command,
    org: &'a str,
    device: &'a str,
    enrolment: u32,
    synced: bool,
    now_ms: u64,
    forbidden: &'a [String],
}

/// Why a command is not obeyed, if so. Pure.
fn objection(known: &Known<'_>) -> Option<String> {
    let command = known.command;
    let word = command.what.word();
    if command.org.as_str() != known.org || command.device.as_str() != known.device {
        return Some("it is for another device".into());
    }
    if command.enrolment != known.enrolment {
        return Some(format!(
            "it is for enrolment {}, this is {}",
            command.enrolment, known.enrolment
        ));
    }
    if known.forbidden.iter().any(|kind| kind == word) {
        return Some(format!("agent.toml forbids {word}"));
    }
    if !known.synced && !command.what.works_without_clock() {
        return Some(format!("the clock is not synced, and {word} needs that"));
    }
    (known.synced && known.now_ms > command.not_after_ms).then(|| "it came too late".into())
}

/// Whether doing it again does no harm: obeyed even where no note of it can be written, since
/// *purge* is what makes room on a full disk.
const fn may_happen_twice(what: &CommandKind) -> bool {
    matches!(what, CommandKind::Purge) || what.is_question()
}

/// Obeys commands.
pub(super) struct Obedience {
    pub(super) config: Arc<Config>,
    pub(super) network: Arc<Network>,
    pub(super) trust: Arc<Trust>,
    pub(super) records: Records,
    pub(super) notes: Notes,
    pub(super) controller: mpsc::Sender<Input>,
    pub(super) state: watch::Receiver<Option<Arc<Reported>>>,
}

impl Obedience {
    /// Takes the envelope of a command and answers with its reply; `None` if nobody whom we know
    /// has signed it, or it is being obeyed already.
    pub(super) async fn obey(&self, bytes: &[u8]) -> Option<Reply> {
        let command = match self.trust.command(bytes).await {
            Ok(SignedCommand::Known(command)) => command,
            Ok(SignedCommand::Unknown(head)) => return self.unknown(head),
            Err(e) => {
                let text = format!("a command was refused: {e}");
                if self.notes.is_new(&text) {
                    self.notes
                        .tell(crate::event::event("command-refused", text))
                        .await;
                }
                return None;
            }
        };
        match self.once(&command).await {
            Ok(reply) => reply,
            Err(e) => {
                // Without a durable note it could happen twice, so it does not happen.
                tracing::error!(command.id = %command.id, error = %e, "command not obeyed");
                Some(reply(&command.id, Outcome::Failed, e.to_string()))
            }
        }
    }

    /// A kind that only newer agents know; `None` if it is not for this device.
    fn unknown(&self, head: CommandHead) -> Option<Reply> {
        let identity = self.network.identity.file()?;
        let ours = head.org == identity.org
            && head.device == identity.device
            && head.enrolment == identity.enrolment;
        let text = format!(
            "agent {} does not know this kind of command: upgrade it",
            env!("CARGO_PKG_VERSION")
        );
        ours.then(|| reply(&head.id, Outcome::Refused, text))
    }

    async fn once(&self, command: &Command) -> Result<Option<Reply>, AgentError> {
        // A question is answered anew as often as it comes, and wears no flash.
        if command.what.is_question() {
            return Ok(Some(self.answer(command).await));
        }
        let mut obeyed = self.records.commands()?;
        if let Some(before) = obeyed.iter().find(|before| before.id == command.id) {
            return Ok(Some(before.reply.clone().unwrap_or_else(|| {
                let text = "it was begun before a restart; whether it ended is unknown";
                reply(&command.id, Outcome::Failed, text.into())
            })));
        }
        obeyed.push(Obeyed {
            id: command.id.clone(),
            reply: None,
        });
        let surplus = obeyed.len().saturating_sub(REMEMBERED);
        obeyed.drain(..surplus);
        if let Err(e) = self.records.keep_commands(&obeyed)
            && !may_happen_twice(&command.what)
        {
            return Err(e);
        }
        let answer = self.answer(command).await;
        if let Some(last) = obeyed.last_mut() {
            last.reply = Some(answer.clone());
        }
        if let Err(e) = self.records.keep_commands(&obeyed) {
            tracing::warn!(command.id = %command.id, error = %e, "the reply is not kept");
        }
        Ok(Some(answer))
    }

    async fn answer(&self, command: &Command) -> Reply {
        match self.objection(command) {
            Some(text) => reply(&command.id, Outcome::Refused, text),
            None => self.effect(command).await,
        }
    }

    fn objection(&self, command: &Command) -> Option<String> {
        let identity = self.network.identity.file()?;
        objection(&Known {
            command,
            org: identity.org.as_str(),
            device: identity.device.as_str(),
            enrolment: identity.enrolment,
            synced: self.network.clock.is_synchronized(),
            now_ms: self.network.clock.trusted_ms(),
            forbidden: &self.config.commands.forbid,
        })
    }

    async fn effect(&self, command: &Command) -> Reply {
        let done = match &command.what {
            CommandKind::Diag => Ok(self.diagnosis()),
            CommandKind::Purge => (self.purge().await)
                .map(|freed| format!("{freed} bytes freed"))
                .map_err(|e| e.to_string()),
            CommandKind::RestartWorker(pipeline) => self.restart(pipeline).await,
            CommandKind::Explain(seen) => {
                self.ask(&seen.pipeline, About::Explain(seen.frame)).await
            }
            CommandKind::Label(given) => {
                let about = About::Label(given.labels.clone());
                self.ask(&given.pipeline, about).await
            }
            CommandKind::States(pipeline) => self.ask(pipeline, About::States).await,
            CommandKind::PullState(of) => self.ask(&of.pipeline, About::Pull(of.version)).await,
            CommandKind::RollBack(of) => self.ask(&of.pipeline, About::RollBack(of.version)).await,
        };
        match done {
            Ok(text) => reply(&command.id, Outcome::Done, text),
            Err(text) => reply(&command.id, Outcome::Failed, text),
        }
    }

    async fn restart(&self, pipeline: &PipelineId) -> Result<String, String> {
        let (answer, answered) = oneshot::channel();
        let input = Input::RestartWorker(pipeline.clone(), answer);
        let there = self.controller.send(input).await.is_ok() && answered.await.unwrap_or(false);
        if there {
            Ok(format!("pipeline {pipeline}"))
        } else {
            Err(format!("there is no pipeline {pipeline}"))
        }
    }

    async fn ask(&self, pipeline: &PipelineId, about: About) -> Result<String, String> {
        let (answer, answered) = oneshot::channel();
        let input = Input::Ask(pipeline.clone(), Question { about, answer });
        let gone = || "the pipeline ended before it could answer".to_owned();
        self.controller.send(input).await.map_err(|_| gone())?;
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(answered) => answered.map_err(|_| gone())?,
            Err(_) => Err(format!(
                "pipeline {pipeline} did not answer within {} s",
                PATIENCE.as_secs()
            )),
        }
    }

    fn diagnosis(&self) -> String {
        let state = self.state.borrow();
        let text = state
            .as_ref()
            .and_then(|reported| serde_json::to_string_pretty(&**reported).ok())
            .unwrap_or_else(|| "nothing is reported yet".into());
        let memory = noroshi_engine::memory().map_or(0, |memory| memory.resident);
        format!("resident memory of the agent: {memory}\n{text}")
    }

    async fn purge(&self) -> Result<u64, AgentError> {
        let (answer, answered) = oneshot::channel();
        let gone = || AgentError::Unreachable("the agent is stopping".into());
        self.controller
            .send(Input::Purge(answer))
            .await
            .map_err(|_| gone())?;
        let mut freed = answered.await.map_err(|_| gone())??;
        let corrupt = self.config.outbox_dir().with_extension("corrupt");
        freed += remove_folder(&corrupt)?;
        Ok(freed)
    }
}

fn remove_folder(folder: &PathBuf) -> Result<u64, AgentError> {
    let what = format!("remove {}", folder.display());
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(0);
    };
    let bytes = entries
        .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()))
        .sum();
    std::fs::remove_dir_all(folder).map_err(AgentError::io(what))?;
    Ok(bytes)
}

fn reply(id: &CommandId, outcome: Outcome, text: String) -> Reply {
    // The id and the frame around the text need a few bytes of their own.
    let mut text = text;
    text.truncate(text.floor_char_boundary(limits::BATCH - 512));
    let reply = Reply {
        id: id.clone(),
        outcome,
        text,
    };
    debug_assert!(reply.to_cbor().len() <= Reply::LIMIT);
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(what: CommandKind) -> Command {
        Command {
            org: "o".parse().unwrap(),
            device: "d".parse().unwrap(),
            enrolment: 1,
            id: "c".parse().unwrap(),
            not_after_ms: 100,
            what,
        }
    }

    #[test]
    fn objections() {
        let restart = command(CommandKind::RestartWorker("p".parse().unwrap()));
        let diag = command(CommandKind::Diag);
        let known = |command| Known {
            command,
            org: "o",
            device: "d",
            enrolment: 1,
            synced: true,
            now_ms: 50,
            forbidden: &[],
        };
        assert_eq!(objection(&known(&restart)), None);
        let late = Known {
            now_ms: 101,
            ..known(&restart)
        };
        assert!(objection(&late).unwrap().contains("late"));
        let unsynced = Known {
            synced: false,
            now_ms: 999,
            ..known(&restart)
        };
        assert!(objection(&unsynced).unwrap().contains("clock"));
        let unsynced = Known {
            synced: false,
            now_ms: 999,
            ..known(&diag)
        };
        assert_eq!(objection(&unsynced), None);
        let enrolled_anew = Known {
            enrolment: 2,
            ..known(&diag)
        };
        assert!(objection(&enrolled_anew).is_some());
        let other = Known {
            device: "e",
            ..known(&diag)
        };
        assert!(objection(&other).is_some());
        let forbidden = ["diag".to_owned()];
        let forbidden = Known {
            forbidden: &forbidden,
            ..known(&diag)
        };
        assert!(objection(&forbidden).unwrap().contains("forbids"));
    }
}
