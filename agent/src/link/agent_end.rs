//! The agent's end of a link: never blocks its one thread.

use std::io::ErrorKind;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as BlockingStream;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::net::UnixStream;

use super::framing::{Incoming, encode, receive_raw, send_raw};
use crate::AgentError;

/// The link to one child process. A clone sends over the same socket; only one may receive.
pub struct AgentLink {
    socket: Arc<UnixStream>,
    incoming: Incoming,
}

/// Makes a link: the agent's end, and the descriptor that becomes the child's descriptor 0.
pub fn pair() -> Result<(AgentLink, OwnedFd), AgentError> {
    let (ours, theirs) = BlockingStream::pair().map_err(AgentError::io("make a process link"))?;
    ours.set_nonblocking(true)
        .map_err(AgentError::io("make a process link"))?;
    let socket = UnixStream::from_std(ours).map_err(AgentError::io("make a process link"))?;
    let link = AgentLink {
        socket: Arc::new(socket),
        incoming: Incoming::default(),
    };
    Ok((link, theirs.into()))
}

impl AgentLink {
    /// Another handle that can send.
    pub fn sender(&self) -> LinkSender {
        LinkSender {
            socket: Arc::clone(&self.socket),
        }
    }

    /// Sends a message with the descriptors that it speaks of.
    pub async fn send<T: Serialize>(
        &self,
        message: &T,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), AgentError> {
        send(&self.socket, message, descriptors).await
    }

    /// Waits for the next message; safe to drop at any time without losing one.
    pub async fn receive<T: DeserializeOwned>(&mut self) -> Result<T, AgentError> {
        loop {
            if let Some(message) = self.incoming.take()? {
                return Ok(message);
            }
            self.socket
                .readable()
                .await
                .map_err(AgentError::io("wait for a process link"))?;
            let received = self.socket.try_io(Interest::READABLE, || {
                receive_raw(&*self.socket, &mut self.incoming)
            });
            match received {
                Ok(0) => return Err(AgentError::LinkClosed),
                Ok(_) => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
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

/// Sends over a link that somebody else receives from.
#[derive(Clone)]
pub struct LinkSender {
    socket: Arc<UnixStream>,
}

impl LinkSender {
    /// Sends a message with the descriptors that it speaks of.
    pub async fn send<T: Serialize>(
        &self,
        message: &T,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), AgentError> {
        send(&self.socket, message, descriptors).await
    }
}

async fn send<T: Serialize>(
    socket: &UnixStream,
    message: &T,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(), AgentError> {
    let bytes = encode(message)?;
    let mut sent = 0;
    while sent < bytes.len() {
        socket
            .writable()
            .await
            .map_err(AgentError::io("wait for a process link"))?;
        let with = if sent == 0 { descriptors } else { &[] };
        match socket.try_io(Interest::WRITABLE, || {
            send_raw(socket, &bytes[sent..], with)
        }) {
            Ok(count) => sent += count,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(e) if matches!(e.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                return Err(AgentError::LinkClosed);
            }
            Err(e) => return Err(AgentError::io("write to a process link")(e)),
        }
    }
    Ok(())
}
