//! Messages between the agent and the processes it starts.
//!
//! A link is a Unix socket pair; the child finds its end as descriptor 0. A message is a length
//! of four bytes, big-endian, and that many bytes of CBOR. Descriptors travel beside the first
//! byte of the message that speaks of them and are taken in the order in which they came.

mod agent_end;
mod child_end;
mod framing;

pub use agent_end::{AgentLink, LinkSender, pair};
pub use child_end::ChildLink;
pub use framing::{Incoming, MAX_MESSAGE, encode};

#[cfg(test)]
mod tests;
