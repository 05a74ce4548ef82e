//! The worker's side of a ring.

use std::os::fd::AsFd;
use std::sync::atomic::{Ordering, fence};

use super::copy::copy_out;
use super::layout::HEADER_WORDS;
use super::map::{Access, Mapping};
use super::{Geometry, Header};
use crate::AgentError;

/// A ring that this process only reads.
pub struct Reader {
    geometry: Geometry,
    mapping: Mapping,
}

/// A frame copied out of a ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub header: Header,
    /// Its pixels.
    pub pixels: Vec<u8>,
}

impl Reader {
    /// Maps a ring read-only after checking its seals and size.
    pub fn open(memory: impl AsFd, geometry: Geometry) -> Result<Self, AgentError> {
        super::check_seals(memory.as_fd(), &geometry)?;
        let mapping = Mapping::new(memory.as_fd(), geometry.total_bytes() / 8, Access::Read)?;
        Ok(Self { geometry, mapping })
    }

    /// Copies the frame of `generation` out of `slot`; `None` when it is no longer there.
    pub fn read(&self, slot: u32, generation: u64) -> Result<Option<Frame>, AgentError> {
        let mut pixels = Vec::new();
        let header = self.read_into(slot, generation, &mut pixels)?;
        Ok(header.map(|header| Frame { header, pixels }))
    }

    /// As [`read`](Self::read), into a buffer that is used again: what is in `pixels` counts only
    /// if there is a header.
    pub fn read_into(
        &self,
        slot: u32,
        generation: u64,
        pixels: &mut Vec<u8>,
    ) -> Result<Option<Header>, AgentError> {
        let first = self.geometry.first_word(slot)?;
        let words = &self.mapping.words()[first..first + self.geometry.stride_words()];
        let (head, body) = words.split_at(HEADER_WORDS);
        if head[0].load(Ordering::Acquire) != generation || generation & 1 == 1 {
            return Ok(None);
        }
        let mut fields = [0; HEADER_WORDS - 1];
        for (field, word) in fields.iter_mut().zip(&head[1..]) {
            *field = word.load(Ordering::Relaxed);
        }
        let header = Header::from_words(fields, &self.geometry);
        if let Ok(header) = &header {
            copy_out(body, header.length(), pixels);
        }
        // Everything above is loaded before the generation is looked at again.
        fence(Ordering::Acquire);
        if head[0].load(Ordering::Relaxed) != generation {
            return Ok(None);
        }
        header.map(Some)
    }
}
