//! What agent and source process say to each other.

use noroshi_protocol::FrameId;
use serde::{Deserialize, Serialize};

use super::SourceSpec;
use crate::ring::Geometry;

/// From the agent.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// Begin: always the first, once.
    Start {
        /// Process id of the agent.
        agent: u32,
        /// What to bring.
        spec: Box<SourceSpec>,
        /// The pipeline's settings, JSON, for a command's standard input.
        settings: String,
    },
    /// A slot may be written again.
    Release {
        /// Which.
        slot: u32,
    },
}

/// From the source process.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    /// The ring; its descriptor comes along. Always the first, once.
    Ring {
        /// Its shape.
        geometry: Geometry,
        /// Random number of this process: the first half of its frames' ids.
        source: u64,
    },
    /// A frame is in a slot, which is the agent's until it is released.
    Frame {
        /// Which slot.
        slot: u32,
        /// The slot's generation.
        generation: u64,
        /// Which frame.
        id: FrameId,
        /// `CLOCK_BOOTTIME` when it was taken, nanoseconds.
        boottime_ns: u64,
    },
    /// Frames that a live source had no slot for, since the last such report.
    Skipped {
        /// How many.
        frames: u64,
    },
    /// Something that is not a frame, or not one that fits.
    Unreadable {
        /// File, or number in the stream.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nothing more will come; leases stay valid until the agent closes the link.
    End,
}
