//! The child's end of a link: blocking, for source and worker processes.

use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::framing::{Incoming, encode, receive_raw, send_raw};
use crate::AgentError;

/// The link to the agent.
pub struct ChildLink {
    socket: UnixStream,
    incoming: Incoming,
}

impl ChildLink {
    /// Over a connected socket.
    pub fn new(socket: UnixStream) -> Self {
        Self {
            socket,
            incoming: Incoming::default(),
        }
    }

    /// Over descriptor 0, where the agent has put it.
    pub fn inherited() -> Result<Self, AgentError> {
        let socket = std::io::stdin()
            .as_fd()
            .try_clone_to_owned()
            .map_err(AgentError::io("take descriptor 0"))?;
        let socket = UnixStream::from(socket);
        socket.peer_addr().map_err(|_| {
            AgentError::Link(
                "descriptor 0 is not a link: only the agent starts this command".into(),
            )
        })?;
        Ok(Self::new(socket))
    }

    /// Sends a message.
    pub fn send<T: Serialize>(&mut self, message: &T) -> Result<(), AgentError> {
        self.send_with(message, &[])
    }

    /// Sends a message with the descriptors that it speaks of.
    pub fn send_with<T: Serialize>(
        &mut self,
        message: &T,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), AgentError> {
        let bytes = encode(message)?;
        let mut sent = 0;
        while sent < bytes.len() {
            let with = if sent == 0 { descriptors } else { &[] };
            match send_raw(&self.socket, &bytes[sent..], with) {
                Ok(count) => sent += count,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::BrokenPipe => return Err(AgentError::LinkClosed),
                Err(e) => return Err(AgentError::io("write to a process link")(e)),
            }
        }
        Ok(())
    }

    /// Waits for the next message.
    pub fn receive<T: DeserializeOwned>(&mut self) -> Result<T, AgentError> {
        loop {
            if let Some(message) = self.receive_within(None)? {
                return Ok(message);
            }
        }
    }

    /// The next message, or `None` when none came within `patience` (no limit if that is `None`;
    /// a zero looks only at what is there).
    pub fn receive_within<T: DeserializeOwned>(
        &mut self,
        patience: Option<Duration>,
    ) -> Result<Option<T>, AgentError> {
        loop {
            if let Some(message) = self.incoming.take()? {
                return Ok(Some(message));
            }
            // A timeout of zero would mean no timeout at all to the kernel.
            let patience = patience.map(|p| p.max(Duration::from_micros(1)));
            self.socket
                .set_read_timeout(patience)
                .map_err(AgentError::io("set a process link's timeout"))?;
            match receive_raw(&self.socket, &mut self.incoming) {
                Ok(0) => return Err(AgentError::LinkClosed),
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::ConnectionReset => {
                    return Err(AgentError::LinkClosed);
                }
                Err(e) => return Err(AgentError::io("read from a process link")(e)),
            }
        }
    }

    /// A descriptor that the last message speaks of.
    pub fn take_descriptor(&mut self) -> Result<OwnedFd, AgentError> {
        self.incoming.take_descriptor()
    }
}
