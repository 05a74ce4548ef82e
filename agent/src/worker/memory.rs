//! The inputs behind the last results: of these people may ask why, and no others.

use std::collections::VecDeque;

use noroshi_engine::Tensor;
use noroshi_protocol::FrameId;

/// Inputs that are kept at most.
pub(super) const INPUTS: usize = 1_024;
/// Their bytes at most.
const BYTES: usize = 4 << 20;

/// The last inputs, the oldest first; bounded in number and bytes.
#[derive(Default)]
pub(super) struct Memory {
    kept: VecDeque<(FrameId, Tensor)>,
    bytes: usize,
}

impl Memory {
    /// Keeps the input of `frame`; the oldest make room. An input larger than all the room is
    /// not kept.
    pub(super) fn keep(&mut self, frame: FrameId, input: Tensor) {
        let bytes = size_of_val(&frame) + input.data().bytes();
        if bytes > BYTES {
            return;
        }
        self.bytes += bytes;
        self.kept.push_back((frame, input));
        while self.kept.len() > INPUTS || self.bytes > BYTES {
            let Some((frame, oldest)) = self.kept.pop_front() else {
                return;
            };
            self.bytes -= size_of_val(&frame) + oldest.data().bytes();
        }
    }

    /// The input of `frame`.
    pub(super) fn find(&self, frame: FrameId) -> Option<&Tensor> {
        // The newest first: it is asked about most.
        let found = self.kept.iter().rev().find(|(kept, _)| *kept == frame);
        found.map(|(_, input)| input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: u64) -> FrameId {
        FrameId { source: 1, number }
    }

    fn input(numbers: usize) -> Tensor {
        Tensor::f32(vec![1, numbers], vec![0.5; numbers]).unwrap()
    }

    #[test]
    fn the_last_are_kept_within_number_and_bytes() {
        let mut memory = Memory::default();
        for number in 0..2_000 {
            memory.keep(frame(number), input(2));
        }
        assert_eq!(memory.kept.len(), INPUTS);
        assert!(memory.find(frame(2_000 - 1_025)).is_none());
        assert!(memory.find(frame(2_000 - 1_024)).is_some());
        memory.keep(frame(7), input((BYTES >> 2) + 1));
        assert!(memory.find(frame(7)).is_none(), "larger than all the room");
        memory.keep(frame(8), input(BYTES / 4 - 100));
        assert!(memory.find(frame(8)).is_some());
        assert!(memory.bytes <= BYTES && memory.kept.len() < 40);
    }
}
