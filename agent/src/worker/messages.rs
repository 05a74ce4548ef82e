//! What agent and worker process say to each other.

use std::path::PathBuf;

use noroshi_engine::GoldenReport;
use noroshi_model::{Digest, EngineKind, VariantName};
use noroshi_protocol::{FrameId, Rest, Term};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::ring::Geometry;

/// From the agent.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// Load the engine's library and enter the sandbox: always the first, once.
    Start {
        /// Process id of the agent.
        agent: u32,
        /// Most bytes of private memory.
        memory_bytes: u64,
        /// Which engine will run.
        engine: EngineKind,
        /// ONNX Runtime's library, if agent.toml names one.
        library: Option<PathBuf>,
        /// What its bytes must be.
        library_sha256: Option<Digest>,
        /// Threads that compute.
        threads: usize,
    },
    /// Load a model. Two descriptors come along, manifest and model, and a third with golden
    /// inputs if `test` is set.
    Load {
        /// Which variant of the manifest.
        variant: VariantName,
        /// Whether to run the golden inputs.
        test: bool,
    },
    /// A ring to read frames from; its descriptor comes along.
    Ring {
        /// The agent's number for it.
        ring: u64,
        /// Its shape.
        geometry: Geometry,
    },
    /// No more frames come from that ring.
    DropRing {
        /// The agent's number for it.
        ring: u64,
    },
    /// Infer one frame.
    Infer {
        /// The ring that it is in.
        ring: u64,
        /// The slot.
        slot: u32,
        /// The slot's generation.
        generation: u64,
        /// How many labels to answer.
        top: u8,
    },
    /// Keep the input that was answered last: its answer became a result, of which people may
    /// ask. No report; only for models that explain.
    Remember,
    /// Say why a frame was answered as it was.
    Explain {
        /// Which.
        frame: FrameId,
    },
    /// Learn what is true of frames.
    Learn {
        /// Frames with the index of their label.
        labels: Vec<(FrameId, u32)>,
    },
    /// Know what a state says from here on, or nothing but what was released.
    Restore {
        /// The engine's bytes.
        state: Option<ByteBuf>,
    },
}

/// From the worker: exactly one for each order but `Ring`, `DropRing` and `Remember`.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    /// The sandbox is closed.
    Caged,
    /// The model is loaded, and its golden inputs were run if that was asked for.
    Loaded {
        /// How the golden inputs went.
        golden: Option<GoldenReport>,
        /// Whether the model can say why.
        explains: bool,
        /// Whether it learns.
        learns: bool,
    },
    /// The model can't be run; the worker is of no more use.
    Refused {
        /// Why, for people.
        why: String,
    },
    /// What the model says about the frame.
    Answer {
        /// Index of a label and its score, best first.
        ranked: Vec<(u32, f32)>,
        /// CPU time in microseconds.
        cpu_us: u32,
        /// How much of it passed until the frame was the model's input.
        input_us: u32,
    },
    /// The frame is no longer in its slot.
    Gone,
    /// The frame that is asked about is not kept any more, or never was.
    Forgotten,
    /// Why the frame was answered as it was.
    Explained(Why),
    /// What came of the labels.
    Taught(Taught),
    /// The model knows what it was told to; a state that it refuses is `Failed`.
    Restored(Knowledge),
    /// The model gave no usable answer for the frame.
    Failed {
        /// Why, for people.
        why: String,
    },
}

/// What came of labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Taught {
    /// One a label.
    pub lessons: Vec<Lesson>,
    /// What the model knows now.
    pub knowledge: Knowledge,
    /// The same as the engine's bytes.
    pub state: ByteBuf,
}

/// What came of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lesson {
    /// It was learned.
    Learned {
        /// Whether the model would have answered so.
        right: bool,
        /// Whether the drift detector alarmed.
        alarm: bool,
    },
    /// The input is not kept.
    Forgotten,
    /// It was learned from before.
    Repeated,
    /// The model can't learn it.
    Refused,
}

/// How much a model learned since its release.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knowledge {
    /// Samples.
    pub samples: u32,
    /// Alarms of the drift detector.
    pub alarms: u32,
}

/// Why a frame was answered as it was; see [`noroshi_protocol::Explanation`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// Index of the label.
    pub label: u32,
    /// Its score.
    pub score: f64,
    /// Its greatest terms.
    pub terms: Vec<Term>,
    /// The other ones.
    pub rest: Rest,
}
