//! Numbered picture files, one after the other.

use std::path::{Path, PathBuf};

use super::decode::Decoder;
use super::{Next, Pictures, Sequence};
use crate::AgentError;

pub(super) struct SequencePictures {
    sequence: Sequence,
    decoder: Decoder,
    number: u64,
}

impl SequencePictures {
    pub(super) fn new(sequence: Sequence, decoder: Decoder) -> Self {
        let number = sequence.first;
        Self {
            sequence,
            decoder,
            number,
        }
    }
}

fn path_of(sequence: &Sequence, number: u64) -> PathBuf {
    let digits = sequence.digits;
    let number = format!("{number:0digits$}");
    PathBuf::from(sequence.pattern.replacen("{number}", &number, 1))
}

impl Pictures for SequencePictures {
    fn next(&mut self) -> Result<Next, AgentError> {
        let mut path = path_of(&self.sequence, self.number);
        if !Path::new(&path).exists() {
            if self.number == self.sequence.first {
                return Err(AgentError::Source(format!(
                    "the first picture {} is not there",
                    path.display()
                )));
            }
            if !self.sequence.repeat {
                return Ok(Next::End);
            }
            self.number = self.sequence.first;
            path = path_of(&self.sequence, self.number);
        }
        self.number += 1;
        Ok(match self.decoder.file(&path) {
            Ok(picture) => Next::Picture(picture),
            Err(why) => Next::Unreadable {
                name: path.display().to_string(),
                why,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_filled_with_zeros() {
        let sequence = Sequence {
            pattern: "/d/f-{number}.png".into(),
            digits: 4,
            first: 0,
            repeat: true,
        };
        assert_eq!(path_of(&sequence, 12), PathBuf::from("/d/f-0012.png"));
    }
}
