//! A source process: brings frames from one camera, folder or command into a ring.
//!
//! Slots are on lease: a slot that was announced belongs to the agent until it gives it back, so
//! that a frame which is still wanted is never written over. Without a free slot a live source
//! skips the frame and counts it, any other waits.

mod decode;
mod exec;
mod folder;
mod lease;
mod log;
mod messages;
mod mjpeg;
mod pace;
mod raw;
mod rows;
mod run;
mod sequence;
mod spec;

pub use exec::guard;
pub use messages::{Order, Report};
pub use run::run;
pub use spec::{Exec, ExecFormat, Folder, Input, RowsFile, Sequence, SourceSpec};

use std::rc::Rc;

use crate::ring::PixelFormat;

/// One frame before it is in the ring.
pub(crate) struct Picture {
    /// Name of the file, or the number of the frame for a stream.
    name: String,
    width: u32,
    height: u32,
    format: PixelFormat,
    /// Rows without padding.
    pixels: Rc<Vec<u8>>,
}

/// What an input has next.
pub(crate) enum Next {
    /// A frame.
    Picture(Picture),
    /// Something that is no frame; the source goes on.
    Unreadable { name: String, why: String },
    /// Nothing more will come.
    End,
}

/// Where pictures come from.
pub(crate) trait Pictures {
    /// The next picture; an error ends the process, and the agent starts it again later.
    fn next(&mut self) -> Result<Next, crate::AgentError>;
}
