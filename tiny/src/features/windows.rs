//! Windows over a stream of samples.

use noroshi_model::Features;

use crate::error::{Result, TinyError};

/// Samples come one by one; every `hop` of them a window is whole. Holds one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Windows {
    channels: usize,
    hop: usize,
    /// The window, the oldest sample at `at`.
    ring: Vec<i16>,
    at: usize,
    /// Samples until the next window.
    wait: usize,
}

impl Windows {
    /// None of the first window has come.
    pub fn new(features: &Features) -> Self {
        Self {
            channels: usize::from(features.channels),
            hop: usize::from(features.hop),
            ring: vec![0; features.numbers()],
            at: 0,
            wait: usize::from(features.length),
        }
    }

    /// Takes a sample; a window, sample after sample, if it is whole with it.
    pub fn push(&mut self, sample: &[i16]) -> Result<Option<Vec<i16>>> {
        if sample.len() != self.channels {
            return Err(TinyError::Columns {
                wanted: self.channels,
                given: sample.len(),
            });
        }
        self.ring[self.at..][..self.channels].copy_from_slice(sample);
        self.at = (self.at + self.channels) % self.ring.len();
        self.wait -= 1;
        if self.wait > 0 {
            return Ok(None);
        }
        self.wait = self.hop;
        Ok(Some(
            [&self.ring[self.at..], &self.ring[..self.at]].concat(),
        ))
    }

    /// Begins anew, as after a gap in the samples.
    pub fn restart(&mut self) {
        self.at = 0;
        self.wait = self.ring.len() / self.channels;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_come_every_hop() {
        let features = Features {
            channels: 2,
            length: 4,
            hop: 3,
            units: vec![1.0; 2],
            parts: vec![noroshi_model::FeaturePart::Correlation],
        };
        let mut windows = Windows::new(&features);
        let mut whole = Vec::new();
        for number in 0..10i16 {
            whole.extend(windows.push(&[number, -number]).unwrap());
        }
        let firsts: Vec<Vec<i16>> = whole
            .iter()
            .map(|window| window.iter().step_by(2).copied().collect())
            .collect();
        assert_eq!(firsts, [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]);
        windows.restart();
        let again = (0..4).filter_map(|number| windows.push(&[number, 0]).unwrap());
        assert_eq!(again.collect::<Vec<_>>(), [[0, 0, 1, 0, 2, 0, 3, 0]]);
        assert!(windows.push(&[1]).is_err());
    }
}
