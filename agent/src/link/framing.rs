//! Bytes to messages and back. Pure but for the descriptors it carries along.

use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::AgentError;

/// Largest message, in bytes.
pub const MAX_MESSAGE: usize = 1 << 20;
/// Most descriptors beside one message, and most that wait to be taken.
pub(super) const MAX_DESCRIPTORS: usize = 4;

/// A message as it goes over the link, with its length in front.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, AgentError> {
    let mut bytes = vec![0; 4];
    serde_cbor::to_writer(&mut bytes, message)
        .map_err(|e| AgentError::Link(format!("can't encode a message: {e}")))?;
    let length = bytes.len() - 4;
    if length > MAX_MESSAGE {
        return Err(AgentError::Link(format!(
            "a message of {length} bytes; at most {MAX_MESSAGE} are sent"
        )));
    }
    bytes[..4].copy_from_slice(&(length as u32).to_be_bytes());
    Ok(bytes)
}

/// What has come in and is not taken yet.
#[derive(Debug, Default)]
pub struct Incoming {
    bytes: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
}

impl Incoming {
    /// Takes bytes, and the descriptors that came with them.
    pub fn push(&mut self, bytes: &[u8], descriptors: Vec<OwnedFd>) -> Result<(), AgentError> {
        self.bytes.extend_from_slice(bytes);
        self.descriptors.extend(descriptors);
        if self.descriptors.len() > MAX_DESCRIPTORS {
            return Err(AgentError::Link("too many descriptors".into()));
        }
        Ok(())
    }

    /// The next whole message, if it is there.
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<Option<T>, AgentError> {
        let Some((head, rest)) = self.bytes.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*head) as usize;
        if length > MAX_MESSAGE {
            return Err(AgentError::Link(format!(
                "a message of {length} bytes; at most {MAX_MESSAGE} are read"
            )));
        }
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let message = serde_cbor::from_slice(body)
            .map_err(|e| AgentError::Link(format!("a message can't be read: {e}")))?;
        self.bytes.drain(..4 + length);
        Ok(Some(message))
    }

    /// The oldest descriptor that was not taken yet: call it once for each descriptor that a
    /// message speaks of.
    pub fn take_descriptor(&mut self) -> Result<OwnedFd, AgentError> {
        self.descriptors
            .pop_front()
            .ok_or_else(|| AgentError::Link("a descriptor is missing".into()))
    }
}

/// One receive; `Ok(0)` means that the other end is closed.
pub(super) fn receive_raw(socket: impl AsFd, incoming: &mut Incoming) -> std::io::Result<usize> {
    let mut bytes = [0; 16 << 10];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    incoming
        .push(&bytes[..received.bytes], descriptors)
        .map_err(std::io::Error::other)?;
    Ok(received.bytes)
}

/// One send of as much as fits; descriptors go with the first byte.
pub(super) fn send_raw(
    socket: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> std::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(std::io::Error::other(
            "too many descriptors for one message",
        ));
    }
    Ok(sendmsg(
        socket,
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?)
}
