//! The source's side of a ring.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{Ordering, fence};

use rustix::fs::{MemfdFlags, fcntl_add_seals, ftruncate, memfd_create};

use super::copy::copy_in;
use super::layout::HEADER_WORDS;
use super::map::{Access, Mapping};
use super::seals::required;
use super::{Geometry, Header};
use crate::AgentError;

/// A ring that this process writes.
pub struct Writer {
    geometry: Geometry,
    memory: OwnedFd,
    mapping: Mapping,
}

impl Writer {
    /// Makes the memory, maps it writable and seals it: from then on nobody can map it so again.
    pub fn create(geometry: Geometry) -> Result<Self, AgentError> {
        geometry.check()?;
        let memory = memfd_create(
            "noroshi-ring",
            MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
        )
        .map_err(AgentError::os("make a frame ring"))?;
        ftruncate(&memory, geometry.total_bytes() as u64)
            .map_err(AgentError::os("size a frame ring"))?;
        let mapping = Mapping::new(
            memory.as_fd(),
            geometry.total_bytes() / 8,
            Access::ReadAndWrite,
        )?;
        fcntl_add_seals(&memory, required()).map_err(AgentError::os("seal a frame ring"))?;
        Ok(Self {
            geometry,
            memory,
            mapping,
        })
    }

    /// The descriptor for the agent.
    pub fn memory(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }

    /// Number and size of the slots.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Writes a frame into `slot`, which nobody may have on lease, and returns the slot's new
    /// generation.
    pub fn write(&mut self, slot: u32, header: &Header, pixels: &[u8]) -> Result<u64, AgentError> {
        header.check(&self.geometry)?;
        if pixels.len() != header.length() {
            return Err(AgentError::Ring(format!(
                "{} bytes of pixels for {} x {}",
                pixels.len(),
                header.width,
                header.height
            )));
        }
        let first = self.geometry.first_word(slot)?;
        let words = &self.mapping.words()[first..first + self.geometry.stride_words()];
        let (head, body) = words.split_at(HEADER_WORDS);
        let writing = head[0].load(Ordering::Relaxed) | 1;
        head[0].store(writing, Ordering::Relaxed);
        // Readers that see any of what follows also see the odd generation.
        fence(Ordering::Release);
        for (word, value) in head[1..].iter().zip(header.to_words()) {
            word.store(value, Ordering::Relaxed);
        }
        copy_in(pixels, body);
        let written = writing + 1;
        head[0].store(written, Ordering::Release);
        Ok(written)
    }
}
