//! What is measured of a pipeline. Pure.

use std::collections::VecDeque;

/// Inferences that the percentiles are taken over.
const WINDOW: usize = 256;

/// Counts and CPU times since the worker's model was started.
#[derive(Debug, Clone, Default)]
pub(super) struct Figures {
    frames: u64,
    unanswered: u64,
    crashes: u32,
    cpu_us: VecDeque<u32>,
}

impl Figures {
    /// A frame was answered.
    pub(super) fn answered(&mut self, cpu_us: u32) {
        self.frames += 1;
        if self.cpu_us.len() == WINDOW {
            self.cpu_us.pop_front();
        }
        self.cpu_us.push_back(cpu_us);
    }

    /// The worker got a frame and had no usable answer.
    pub(super) fn unanswered(&mut self) {
        self.unanswered += 1;
    }

    /// Whether frames came and not one of them was answered.
    pub(super) fn is_fruitless(&self) -> bool {
        self.frames == 0 && self.unanswered > 0
    }

    /// The worker died or hung.
    pub(super) fn crashed(&mut self) {
        self.crashes += 1;
    }

    /// Frames answered.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// Times that the worker died or hung.
    pub(super) fn crashes(&self) -> u32 {
        self.crashes
    }

    /// The CPU time that `percent` of the last inferences did not exceed, in microseconds; 0
    /// before the first.
    pub(super) fn cpu_us(&self, percent: usize) -> u32 {
        let mut sorted: Vec<u32> = self.cpu_us.iter().copied().collect();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(rank).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_is_a_fruit_and_no_frame_is_no_failure() {
        let mut figures = Figures::default();
        assert!(!figures.is_fruitless());
        figures.unanswered();
        assert!(figures.is_fruitless());
        figures.answered(1);
        assert!(!figures.is_fruitless());
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let mut figures = Figures::default();
        assert_eq!(figures.cpu_us(50), 0);
        for us in 1..=300 {
            figures.answered(us);
        }
        assert_eq!(figures.frames(), 300);
        assert_eq!(figures.cpu_us(50), 44 + 128);
        assert_eq!(figures.cpu_us(95), 44 + 244);
        assert_eq!(figures.cpu_us(100), 300);
    }
}
