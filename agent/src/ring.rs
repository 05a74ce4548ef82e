//! A bounded ring of frames in sealed shared memory.
//!
//! The source makes it, maps it writable and then seals it, so that it can neither change its
//! size nor be mapped writable again. The agent checks the seals before it hands a read-only
//! descriptor to a worker. A worker copies a frame out and compares the slot's generation before
//! and after: nothing that a worker writes is ever read by anybody.

mod copy;
mod layout;
mod map;
mod reader;
mod seals;
mod writer;

pub use layout::{Geometry, Header, PixelFormat};
pub use reader::{Frame, Reader};
pub use seals::{check_seals, reopen_read_only};
pub use writer::Writer;

#[cfg(test)]
mod tests;
