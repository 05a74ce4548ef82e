//! The inputs behind the last results: of these people may ask why, and no others.

use std::collections::VecDeque;

use noroshi_engine::{Explanation, Tensor, Term};
use noroshi_protocol::FrameId;

/// Inputs that are kept at most.
pub(super) const INPUTS: usize = 1_024;
/// Their bytes at most.
const BYTES: usize = 4 << 20;

/// The last inputs, the oldest first; bounded in number and bytes.
#[derive(Default)]
pub(super) struct Memory {
    kept: VecDeque<Kept>,
    bytes: usize,
}

/// An input that was answered.
pub(super) struct Kept {
    frame: FrameId,
    pub(super) input: Tensor,
    /// Why it was answered so, of a model that will know better when it is asked.
    pub(super) why: Option<Explanation>,
    /// Whether the model has learned from it.
    pub(super) learned: bool,
}

impl Kept {
    fn bytes(&self) -> usize {
        let terms = self.why.as_ref().map_or(0, |why| why.terms.len());
        size_of::<Self>() + self.input.data().bytes() + terms * size_of::<Term>()
    }
}

impl Memory {
    /// Keeps the input of `frame`; the oldest make room. An input larger than all the room is
    /// not kept.
    pub(super) fn keep(&mut self, frame: FrameId, input: Tensor, why: Option<Explanation>) {
        let kept = Kept {
            frame,
            input,
            why,
            learned: false,
        };
        if kept.bytes() > BYTES {
            return;
        }
        self.bytes += kept.bytes();
        self.kept.push_back(kept);
        while self.kept.len() > INPUTS || self.bytes > BYTES {
            let Some(oldest) = self.kept.pop_front() else {
                return;
            };
            self.bytes -= oldest.bytes();
        }
    }

    /// The input of `frame`.
    pub(super) fn find(&mut self, frame: FrameId) -> Option<&mut Kept> {
        // The newest first: it is asked about most.
        self.kept.iter_mut().rev().find(|kept| kept.frame == frame)
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
            memory.keep(frame(number), input(2), None);
        }
        assert_eq!(memory.kept.len(), INPUTS);
        assert!(memory.find(frame(2_000 - 1_025)).is_none());
        assert!(memory.find(frame(2_000 - 1_024)).is_some());
        memory.keep(frame(7), input((BYTES >> 2) + 1), None);
        assert!(memory.find(frame(7)).is_none(), "larger than all the room");
        memory.keep(frame(8), input(BYTES / 4 - 100), None);
        assert!(memory.find(frame(8)).is_some());
        assert!(memory.bytes <= BYTES && memory.kept.len() < 40);
    }
}
