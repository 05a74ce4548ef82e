//! What a worker remembers: for those who ask why, and to learn from.

use noroshi_engine::Learner;
use noroshi_protocol::FrameId;
use serde_bytes::ByteBuf;

use super::memory::Memory;
use super::run::Worker;
use super::why::why;
use super::{Knowledge, Lesson, Report, Taught};

impl Worker {
    pub(super) fn explains(&mut self) -> bool {
        let model = self.model.as_mut();
        model.is_some_and(|model| model.engine().explainer().is_some())
    }

    pub(super) fn learns(&mut self) -> bool {
        let model = self.model.as_mut();
        model.is_some_and(|model| model.engine().learner().is_some())
    }

    /// Keeps the input that was answered last. Why it was answered so is found out at once if the
    /// model may know better tomorrow.
    pub(super) fn remember(&mut self) {
        let learns = self.learns();
        let (Some(frame), Some(model)) = (self.last.take(), &mut self.model) else {
            return;
        };
        let input = model.preprocessor().tensor().clone();
        let explainer = model.engine().explainer().filter(|_| learns);
        let why = explainer.and_then(|explainer| explainer.explain(&input).ok());
        self.memory.keep(frame, input, why);
    }

    pub(super) fn explain(&mut self, frame: FrameId) -> Report {
        let (Some(kept), Some(model)) = (self.memory.find(frame), &mut self.model) else {
            return Report::Forgotten;
        };
        let spec = model.preprocessor().spec().clone();
        if let Some(explanation) = &kept.why {
            return Report::Explained(why(explanation, &spec));
        }
        let Some(explainer) = model.engine().explainer() else {
            return Report::Forgotten;
        };
        match explainer.explain(&kept.input) {
            Ok(explanation) => Report::Explained(why(&explanation, &spec)),
            Err(e) => Report::Failed { why: e.to_string() },
        }
    }

    /// Learns the labels in their order; the state is told once, after the last.
    pub(super) fn learn(&mut self, labels: &[(FrameId, u32)]) -> Report {
        let model = self.model.as_mut();
        let Some(learner) = model.and_then(|model| model.engine().learner()) else {
            return does_not_learn();
        };
        let memory = &mut self.memory;
        let lessons = labels
            .iter()
            .map(|(frame, label)| learn_one(learner, memory, *frame, *label))
            .collect();
        Report::Taught(Taught {
            lessons,
            knowledge: knowledge(learner),
            state: ByteBuf::from(learner.state()),
        })
    }

    pub(super) fn restore(&mut self, state: Option<&[u8]>) -> Report {
        let model = self.model.as_mut();
        let Some(learner) = model.and_then(|model| model.engine().learner()) else {
            return does_not_learn();
        };
        match learner.restore(state) {
            Ok(()) => Report::Restored(knowledge(learner)),
            Err(e) => Report::Failed { why: e.to_string() },
        }
    }
}

fn learn_one(learner: &mut dyn Learner, memory: &mut Memory, frame: FrameId, label: u32) -> Lesson {
    let Some(kept) = memory.find(frame) else {
        return Lesson::Forgotten;
    };
    if kept.learned {
        return Lesson::Repeated;
    }
    match learner.learn(&kept.input, label as usize) {
        Ok(lesson) => {
            kept.learned = true;
            Lesson::Learned {
                right: lesson.right,
                alarm: lesson.alarm,
            }
        }
        Err(error) => {
            tracing::warn!(%error, "a label can't be learned");
            Lesson::Refused
        }
    }
}

fn knowledge(learner: &dyn Learner) -> Knowledge {
    Knowledge {
        samples: learner.samples(),
        alarms: learner.alarms(),
    }
}

fn does_not_learn() -> Report {
    Report::Failed {
        why: "the model does not learn where it runs".into(),
    }
}
