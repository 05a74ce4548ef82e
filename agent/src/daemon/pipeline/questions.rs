//! What people ask of a pipeline: its worker knows, the pipeline believes none of it.

use noroshi_protocol::{Explanation, FrameId, PipelineId};

use super::{About, Pipeline, Prepared, Question, doing};
use crate::AgentError;
use crate::worker::Why;

impl Pipeline {
    /// Answers in the pause between two frames.
    pub(super) async fn answer(&mut self, question: Question) {
        let answer = match question.about {
            About::Explain(frame) => self.explain(frame).await,
            About::Label(labels) => self.learn(&labels).await,
            About::States => self.states().await,
            About::Pull(version) => self.pull(version).await,
            About::RollBack(to) => self.roll_back(to).await,
        };
        if question.answer.send(answer).is_err() {
            tracing::debug!(pipeline.id = %self.id, "who asked is gone");
        }
    }

    /// Lets the worker keep the input of the result that was just written.
    pub(super) async fn remember(&mut self) {
        if let Some(worker) = self.worker.as_ref().filter(|worker| worker.explains())
            && let Err(e) = worker.remember().await
        {
            // A worker that is dying is noticed and told of where its death is awaited.
            tracing::debug!(pipeline.id = %self.id, error = %e, "an input is not kept");
        }
    }

    async fn explain(&mut self, frame: FrameId) -> Result<String, String> {
        let (Some(running), Some(worker)) = (&self.running, &mut self.worker) else {
            return Err(no_worker(&self.id));
        };
        if !worker.explains() {
            let model = &running.prepared.assignment.model;
            return Err(format!(
                "{} version {} can't say why: only models of a few kilobytes can",
                model.model, model.version
            ));
        }
        match worker.explain(frame).await {
            Ok(Some(why)) => explanation(&running.prepared, why?),
            Ok(None) => Err(forgotten(frame)),
            Err(e) => Err(self.lost(&e).await),
        }
    }

    /// The worker died of a question; what that says to who asked.
    pub(super) async fn lost(&mut self, error: &AgentError) -> String {
        self.worker = None;
        // There is no frame in hand whose fate this would be.
        let _fate = self.patience.lost_worker(doing(error));
        self.crashed(error).await;
        error.to_string()
    }
}

pub(super) fn no_worker(pipeline: &PipelineId) -> String {
    format!("pipeline {pipeline} has no worker at the moment: ask again")
}

/// The frame's input is not there.
pub(super) fn forgotten(frame: FrameId) -> String {
    format!(
        "the input of frame {frame} is not kept: a device keeps those of the last results since \
         its pipeline's worker started, at most 1024"
    )
}

fn explanation(prepared: &Prepared, why: Why) -> Result<String, String> {
    let label = prepared.labels.get(why.label as usize);
    let label = label.ok_or_else(|| format!("label {} of {}", why.label, prepared.labels.len()))?;
    let choice = &prepared.assignment.model;
    let explanation = Explanation {
        model: choice.model.clone(),
        version: choice.version,
        variant: choice.variant.clone(),
        label: label.clone(),
        score: why.score,
        terms: why.terms,
        rest: why.rest,
    };
    if let Some(fault) = explanation.fault() {
        return Err(format!("the worker's explanation makes no sense: {fault}"));
    }
    serde_json::to_string(&explanation).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use noroshi_model::{Blob, Digest, EngineKind};
    use noroshi_protocol::{Assignment, ModelChoice, Part, Rest, Term};

    use super::*;
    use crate::daemon::worker::ModelFiles;

    fn prepared() -> Prepared {
        let blob = Blob {
            sha256: Digest::of(b""),
            length: 1,
        };
        Prepared {
            assignment: Assignment {
                pipeline: "door".parse().unwrap(),
                revision: 1,
                source: "camera".into(),
                model: ModelChoice {
                    model: "m".parse().unwrap(),
                    version: 3,
                    manifest: blob,
                    variant: "small".parse().unwrap(),
                },
                filters: Vec::new(),
                top: 1,
            },
            files: ModelFiles {
                manifest: PathBuf::new(),
                model: PathBuf::new(),
                golden: PathBuf::new(),
                variant: "small".parse().unwrap(),
                engine: EngineKind::Tiny,
                digest: Digest::of(b""),
            },
            labels: Arc::new(vec!["left".into(), "top".into()]),
        }
    }

    fn why(label: u32, value: f64) -> Why {
        let term = Term {
            part: Part::Column,
            index: 1,
            name: "column 1".into(),
            value,
        };
        Why {
            label,
            score: 0.75,
            terms: vec![term],
            rest: Rest::default(),
        }
    }

    #[test]
    fn a_workers_explanation_is_checked() {
        let text = explanation(&prepared(), why(1, 0.75)).unwrap();
        let read: Explanation = serde_json::from_str(&text).unwrap();
        assert_eq!((read.label.as_str(), read.version), ("top", 3));
        assert!(explanation(&prepared(), why(2, 0.75)).is_err());
        assert!(explanation(&prepared(), why(1, 0.5)).is_err());
        assert!(explanation(&prepared(), why(1, f64::NAN)).is_err());
    }
}
