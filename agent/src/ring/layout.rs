//! Where things lie in a ring, and what a slot's header may say. Pure.

use noroshi_protocol::FrameId;
use serde::{Deserialize, Serialize};

use crate::AgentError;

/// Words of a slot's header, eight bytes each.
pub(super) const HEADER_WORDS: usize = 8;
const MAX_SLOTS: u32 = 64;
const MAX_SLOT_BYTES: u32 = 64 << 20;
const MAX_SIDE: u32 = 16_384;

/// Number and size of a ring's slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Geometry {
    slots: u32,
    slot_bytes: u32,
}

/// How pixels are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PixelFormat {
    /// Red, green, blue, one byte each, rows without padding.
    Rgb8,
    /// Numbers, f32, little-endian: a row of them is a frame of one row.
    F32,
}

impl PixelFormat {
    /// Bytes of one pixel.
    const fn bytes(self) -> usize {
        match self {
            Self::Rgb8 => 3,
            Self::F32 => 4,
        }
    }
}

/// What a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Which frame.
    pub id: FrameId,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// How pixels are stored.
    pub format: PixelFormat,
    /// `CLOCK_BOOTTIME` when the frame was taken, in nanoseconds.
    pub boottime_ns: u64,
}

impl Geometry {
    /// A ring of `slots` frames of at most `slot_bytes` bytes each.
    pub fn new(slots: u32, slot_bytes: u32) -> Result<Self, AgentError> {
        let geometry = Self { slots, slot_bytes };
        geometry.check()?;
        Ok(geometry)
    }

    /// Whether the numbers are within bounds: a geometry from another process must be checked.
    pub fn check(&self) -> Result<(), AgentError> {
        if !(2..=MAX_SLOTS).contains(&self.slots) {
            return Err(AgentError::Ring(format!(
                "{} slots; it must have 2 to {MAX_SLOTS}",
                self.slots
            )));
        }
        if !(1..=MAX_SLOT_BYTES).contains(&self.slot_bytes) {
            return Err(AgentError::Ring(format!(
                "slots of {} bytes; they must have 1 to {MAX_SLOT_BYTES}",
                self.slot_bytes
            )));
        }
        Ok(())
    }

    /// Number of slots.
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// Most bytes of pixels in a slot.
    pub fn slot_bytes(&self) -> usize {
        self.slot_bytes as usize
    }

    /// Words from one slot to the next.
    pub(super) fn stride_words(&self) -> usize {
        HEADER_WORDS + self.slot_bytes().div_ceil(64) * 8
    }

    /// Bytes of the whole ring.
    pub fn total_bytes(&self) -> usize {
        self.stride_words() * 8 * self.slots as usize
    }

    /// The first word of `slot`, if there is such a slot.
    pub(super) fn first_word(&self, slot: u32) -> Result<usize, AgentError> {
        if slot >= self.slots {
            return Err(AgentError::Ring(format!(
                "slot {slot} of a ring with {}",
                self.slots
            )));
        }
        Ok(self.stride_words() * slot as usize)
    }
}

impl Header {
    /// Bytes of the pixels.
    pub fn length(&self) -> usize {
        self.width as usize * self.height as usize * self.format.bytes()
    }

    /// The header as words, without the generation, which is the first word of a slot.
    pub(super) fn to_words(self) -> [u64; HEADER_WORDS - 1] {
        let format = match self.format {
            PixelFormat::Rgb8 => 1,
            PixelFormat::F32 => 2,
        };
        [
            self.id.source,
            self.id.number,
            self.boottime_ns,
            (u64::from(self.width) << 32) | u64::from(self.height),
            format,
            self.length() as u64,
            0,
        ]
    }

    /// Reads a header, believing none of it.
    pub(super) fn from_words(
        words: [u64; HEADER_WORDS - 1],
        geometry: &Geometry,
    ) -> Result<Self, AgentError> {
        let [source, number, boottime_ns, sides, format, length, _] = words;
        let format = match format {
            1 => PixelFormat::Rgb8,
            2 => PixelFormat::F32,
            _ => return Err(AgentError::Ring(format!("unknown pixel format {format}"))),
        };
        let header = Self {
            id: FrameId { source, number },
            width: (sides >> 32) as u32,
            height: sides as u32,
            format,
            boottime_ns,
        };
        header.check(geometry)?;
        if header.length() as u64 != length {
            return Err(AgentError::Ring(format!(
                "{length} bytes of pixels for {} x {}",
                header.width, header.height
            )));
        }
        Ok(header)
    }

    /// Whether a frame with this header fits a slot.
    pub fn check(&self, geometry: &Geometry) -> Result<(), AgentError> {
        let sides = 1..=MAX_SIDE;
        if !sides.contains(&self.width) || !sides.contains(&self.height) {
            return Err(AgentError::Ring(format!(
                "a frame of {} x {}; sides must be 1 to {MAX_SIDE}",
                self.width, self.height
            )));
        }
        if self.length() > geometry.slot_bytes() {
            return Err(AgentError::Ring(format!(
                "a frame of {} x {} needs {} bytes, a slot has {}",
                self.width,
                self.height,
                self.length(),
                geometry.slot_bytes()
            )));
        }
        Ok(())
    }
}
