//! What a pipeline's model learns: its worker knows it, files keep it.

use noroshi_protocol::{
    Labelled, LearnedReport, Lessons, PulledState, Skipped, StateEntry, StateList,
};
use serde::Serialize;
use serde_bytes::ByteBuf;

use super::questions::{forgotten, no_worker};
use super::{Pipeline, Prepared, WorkerProcess};
use crate::AgentError;
use crate::daemon::notes::stamp;
use crate::daemon::states::{Learned, Origin, Shelf, State};
use crate::worker::{Knowledge, Lesson, Taught};

impl Pipeline {
    /// Lets the present worker know what its model learned before.
    pub(super) async fn recall(&mut self) {
        self.status.learned = None;
        let Some(mut worker) = self.worker.take() else {
            return;
        };
        match self.recall_into(&mut worker).await {
            Ok(learned) => {
                self.status.learned = learned;
                self.worker = Some(worker);
            }
            Err(e) => {
                self.lost(&e).await;
            }
        }
    }

    /// Lets a worker know what its model learned before; what that is, if it learns. A state that
    /// the model refuses is moved aside, and the one before it is taken. An error means that the
    /// worker is of no more use.
    pub(super) async fn recall_into(
        &self,
        worker: &mut WorkerProcess,
    ) -> Result<Option<LearnedReport>, AgentError> {
        let Some((shelf, _)) = self.shelf().filter(|_| worker.learns()) else {
            return Ok(None);
        };
        while let Some(state) = self.newest(&shelf).await {
            match worker.restore(state.content.clone()).await? {
                Ok(knowledge) => return Ok(Some(report(state.version, knowledge))),
                Err(why) => {
                    let why = format!("state {}: {why}", state.version);
                    self.tell_damaged(&why).await;
                    if let Err(error) = shelf.put_aside(state.version) {
                        tracing::error!(%error, "a state stays in the way of those before it");
                        break;
                    }
                }
            }
        }
        // A worker that goes on after a failure may know more than that.
        worker.restore(None).await?.map_err(AgentError::Worker)?;
        Ok(Some(LearnedReport::default()))
    }

    fn learns(&self) -> bool {
        let worker = self.worker.as_ref();
        worker.is_some_and(WorkerProcess::learns)
    }

    /// Where what runs keeps what it learns.
    fn shelf(&self) -> Option<(Shelf, Box<Prepared>)> {
        let running = self.running.as_ref()?;
        let digest = running.prepared.files.digest;
        let shelf = self.around.states.of(&self.id, digest);
        Some((shelf, running.prepared.clone()))
    }

    /// The shelf of a model that learns, or what to say instead.
    fn learning(&self) -> Result<(Shelf, Box<Prepared>), String> {
        let (shelf, prepared) = self.shelf().ok_or_else(|| no_worker(&self.id))?;
        if self.worker.is_none() {
            return Err(no_worker(&self.id));
        }
        if !self.learns() {
            let model = &prepared.assignment.model;
            return Err(format!(
                "{} version {} does not learn where it runs: `noroshi model train --online` makes \
                 models that do",
                model.model, model.version
            ));
        }
        Ok((shelf, prepared))
    }

    async fn newest(&self, shelf: &Shelf) -> Option<State> {
        let of = shelf.clone();
        match blocking(move || of.newest()).await {
            Ok(found) => {
                for damaged in found.damaged {
                    self.tell_damaged(&damaged).await;
                }
                found.state
            }
            Err(e) => {
                self.tell_damaged(&e.to_string()).await;
                None
            }
        }
    }

    async fn tell_damaged(&self, why: &str) {
        let text = format!(
            "pipeline {}: what its model learned can't be used ({why}); an older state is taken, \
             or the model as it was released",
            self.id
        );
        let details = [("pipeline", self.id.to_string())];
        let event = crate::event::detailed("state-damaged", text, details);
        self.around.notes.tell(event).await;
    }

    pub(super) async fn learn(&mut self, given: &[Labelled]) -> Result<String, String> {
        let (shelf, prepared) = self.learning()?;
        let (known, mut skipped) = by_index(given, &prepared.labels);
        let labels = known
            .iter()
            .map(|(place, index)| (given[*place].frame, *index));
        let labels: Vec<_> = labels.collect();
        if labels.is_empty() {
            return Err(skipped.swap_remove(0).why);
        }
        let worker = self.worker.as_mut().ok_or_else(|| no_worker(&self.id))?;
        let taught = match worker.learn(labels).await {
            Ok(taught) => taught?,
            Err(e) => return Err(self.lost(&e).await),
        };
        let outcome = outcome(&taught, given, &known);
        skipped.extend(outcome.skipped);
        skipped.sort_by_key(|skipped| skipped.place);
        if outcome.learned == 0 {
            return Err(skipped.swap_remove(0).why);
        }
        let knowledge = taught.knowledge;
        let content = Some(taught.state.into_vec());
        let state = self
            .keep(&shelf, knowledge, Origin::Learned, content)
            .await?;
        if outcome.drift {
            self.tell_drift(&prepared, &state).await;
        }
        let choice = &prepared.assignment.model;
        json(&Lessons {
            model: choice.model.clone(),
            version: choice.version,
            state: state.version,
            learned: outcome.learned,
            right: outcome.right,
            drift: outcome.drift,
            samples: knowledge.samples,
            skipped,
        })
    }

    /// Keeps what the worker knows. If it can't be kept the worker goes back to what is, so that
    /// a restart changes nothing.
    async fn keep(
        &mut self,
        shelf: &Shelf,
        knowledge: Knowledge,
        origin: Origin,
        content: Option<Vec<u8>>,
    ) -> Result<State, String> {
        let learned = Learned {
            samples: knowledge.samples,
            alarms: knowledge.alarms,
            wall_ms: stamp(&self.around.clock).wall_ms,
            origin,
            content,
        };
        let of = shelf.clone();
        match blocking(move || of.keep(learned)).await {
            Ok(state) => {
                self.status.learned = Some(report(state.version, knowledge));
                self.around.changed.notify_one();
                Ok(state)
            }
            Err(e) => {
                self.recall().await;
                Err(format!("it could not be kept, so it was not learned: {e}"))
            }
        }
    }

    async fn tell_drift(&self, prepared: &Prepared, state: &State) {
        let choice = &prepared.assignment.model;
        let text = format!(
            "pipeline {}: the world changed: errors of {} version {} rose, and what it had learned \
             begins anew (state {})",
            self.id, choice.model, choice.version, state.version
        );
        let details = [
            ("pipeline", self.id.to_string()),
            ("model", choice.model.to_string()),
            ("version", choice.version.to_string()),
            ("state", state.version.to_string()),
            ("samples", state.samples.to_string()),
            ("alarms", state.alarms.to_string()),
        ];
        let event = crate::event::detailed("drift", text, details);
        self.around.notes.tell(event).await;
    }

    pub(super) async fn states(&self) -> Result<String, String> {
        let (shelf, prepared) = self.learning()?;
        let states = blocking(move || shelf.all()).await;
        let states = states.map_err(|e| e.to_string())?;
        let choice = &prepared.assignment.model;
        json(&StateList {
            model: choice.model.clone(),
            version: choice.version,
            file: prepared.files.digest,
            states: states.iter().map(entry).collect(),
        })
    }

    pub(super) async fn pull(&self, version: Option<u64>) -> Result<String, String> {
        let (shelf, prepared) = self.learning()?;
        let state = match version {
            Some(version) => blocking(move || shelf.read(version)).await,
            None => blocking(move || shelf.newest().map(|found| found.state))
                .await
                .and_then(|state| {
                    let nothing = "nothing was learned yet: the model runs as it was released";
                    state.ok_or_else(|| AgentError::Refused(nothing.into()))
                }),
        };
        let state = state.map_err(|e| e.to_string())?;
        let choice = &prepared.assignment.model;
        let Some(content) = &state.content else {
            return Err(format!(
                "state {} is {} version {} as it was released: there is nothing to pull",
                state.version, choice.model, choice.version
            ));
        };
        json(&PulledState {
            model: choice.model.clone(),
            version: choice.version,
            file: prepared.files.digest,
            sha256: noroshi_model::Digest::of(content),
            content: PulledState::encode(content),
            state: entry(&state),
        })
    }

    pub(super) async fn roll_back(&mut self, to: Option<u64>) -> Result<String, String> {
        let (shelf, _) = self.learning()?;
        let content: Option<ByteBuf> = match to {
            None => None,
            Some(version) => {
                let of = shelf.clone();
                let state = blocking(move || of.read(version)).await;
                state.map_err(|e| e.to_string())?.content
            }
        };
        let worker = self.worker.as_mut().ok_or_else(|| no_worker(&self.id))?;
        let knowledge = match worker.restore(content.clone()).await {
            Ok(knowledge) => knowledge?,
            Err(e) => return Err(self.lost(&e).await),
        };
        let content = content.map(ByteBuf::into_vec);
        self.keep(&shelf, knowledge, Origin::RolledBack(to), content)
            .await?;
        self.states().await
    }
}

/// Labels that the model knows, by place and index, and why the others are skipped.
fn by_index(given: &[Labelled], labels: &[String]) -> (Vec<(usize, u32)>, Vec<Skipped>) {
    let (mut known, mut skipped) = (Vec::new(), Vec::new());
    for (place, one) in given.iter().enumerate() {
        match labels.iter().position(|label| *label == one.label) {
            Some(index) => known.push((place, index as u32)),
            None => skipped.push(skip(
                place,
                format!("the model has no label {:?}", one.label),
            )),
        }
    }
    (known, skipped)
}

fn skip(place: usize, why: String) -> Skipped {
    Skipped {
        place: place as u32,
        why,
    }
}

/// What came of labels, counted.
struct Outcome {
    learned: u32,
    right: u32,
    drift: bool,
    skipped: Vec<Skipped>,
}

fn outcome(taught: &Taught, given: &[Labelled], known: &[(usize, u32)]) -> Outcome {
    let mut outcome = Outcome {
        learned: 0,
        right: 0,
        drift: false,
        skipped: Vec::new(),
    };
    for (lesson, (place, _)) in taught.lessons.iter().zip(known) {
        let why = match lesson {
            Lesson::Learned { right, alarm } => {
                outcome.learned += 1;
                outcome.right += u32::from(*right);
                outcome.drift |= alarm;
                continue;
            }
            Lesson::Forgotten => forgotten(given[*place].frame),
            Lesson::Repeated => "it was learned from before".into(),
            Lesson::Refused => "the model can't learn from this input".into(),
        };
        outcome.skipped.push(skip(*place, why));
    }
    outcome
}

fn report(state: u64, knowledge: Knowledge) -> LearnedReport {
    LearnedReport {
        state,
        samples: knowledge.samples,
        alarms: knowledge.alarms,
    }
}

fn entry(state: &State) -> StateEntry {
    let (rolled_back, to) = match state.origin {
        Origin::Learned => (false, None),
        Origin::RolledBack(to) => (true, to),
    };
    StateEntry {
        version: state.version,
        samples: state.samples,
        alarms: state.alarms,
        made_ms: state.wall_ms,
        bytes: state
            .content
            .as_ref()
            .map_or(0, |content| content.len() as u32),
        rolled_back,
        to,
    }
}

fn json(reply: &impl Serialize) -> Result<String, String> {
    serde_json::to_string(reply).map_err(|e| e.to_string())
}

/// Files are read and written where waiting for the disk holds nothing up.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AgentError> + Send + 'static,
) -> Result<T, AgentError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(e) => Err(AgentError::Refused(e.to_string())),
    }
}
