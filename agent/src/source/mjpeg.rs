//! Cuts a stream of JPEG files into single ones.

use std::io::BufRead;

use super::decode::MAX_FILE_BYTES;
use crate::AgentError;

/// The bytes of the next JPEG file; `None` at the end of the stream. Bytes between two files are
/// skipped.
pub(super) fn read_jpeg(from: &mut impl BufRead) -> Result<Option<Vec<u8>>, AgentError> {
    let mut cutter = Cutter::default();
    loop {
        let buffer = from
            .fill_buf()
            .map_err(AgentError::io("read from the command"))?;
        if buffer.is_empty() {
            return Ok(None);
        }
        let mut used = 0;
        let mut whole = false;
        for byte in buffer {
            used += 1;
            if cutter.push(*byte) {
                whole = true;
                break;
            }
        }
        from.consume(used);
        if whole {
            return Ok(Some(cutter.bytes));
        }
        if cutter.bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(AgentError::Source(format!(
                "a JPEG of more than {MAX_FILE_BYTES} bytes"
            )));
        }
    }
}

#[derive(Default)]
struct Cutter {
    bytes: Vec<u8>,
    state: State,
}

#[derive(Default, Clone, Copy)]
enum State {
    /// Before the start marker.
    #[default]
    Outside,
    /// Seen 0xFF, waiting for a marker's second byte; `scan` tells whether within scan data.
    Marker { scan: bool },
    /// Between segments.
    Between,
    /// First byte of a segment's length.
    Length { scan: bool },
    /// Second byte of it.
    LengthLow { scan: bool, high: u8 },
    /// Within a segment.
    Segment { scan: bool, left: u16 },
    /// Within entropy-coded data.
    Scan,
}

impl Cutter {
    /// Takes a byte; true when it completes a file.
    fn push(&mut self, byte: u8) -> bool {
        self.bytes.push(byte);
        let (state, whole) = step(self.state, byte, self.bytes.len());
        if matches!(state, State::Outside) && !whole {
            self.bytes.clear();
            if byte == 0xFF {
                self.bytes.push(byte);
                self.state = State::Marker { scan: false };
                return false;
            }
        }
        self.state = state;
        whole
    }
}

fn step(state: State, byte: u8, held: usize) -> (State, bool) {
    let next = match (state, byte) {
        (State::Outside, _) => State::Outside,
        (State::Marker { scan }, 0xFF) => State::Marker { scan },
        // The start marker is the first thing in a file.
        (State::Marker { .. }, 0xD8) if held == 2 => State::Between,
        (State::Marker { .. }, _) if held == 2 => State::Outside,
        (State::Marker { .. }, 0xD9) => return (State::Outside, true),
        (State::Marker { scan: true }, 0x00 | 0xD0..=0xD7) => State::Scan,
        (State::Marker { .. }, 0x01 | 0xD0..=0xD8) => State::Between,
        (State::Marker { .. }, kind) => State::Length { scan: kind == 0xDA },
        (State::Between, 0xFF) => State::Marker { scan: false },
        (State::Between, _) => State::Outside,
        (State::Length { scan }, high) => State::LengthLow { scan, high },
        (State::LengthLow { scan, high }, low) => {
            match u16::from_be_bytes([high, low]).checked_sub(2) {
                None => State::Outside,
                Some(0) => after_segment(scan),
                Some(left) => State::Segment { scan, left },
            }
        }
        (State::Segment { scan, left: 1 }, _) => after_segment(scan),
        (State::Segment { scan, left }, _) => State::Segment {
            scan,
            left: left - 1,
        },
        (State::Scan, 0xFF) => State::Marker { scan: true },
        (State::Scan, _) => State::Scan,
    };
    (next, false)
}

fn after_segment(scan: bool) -> State {
    if scan { State::Scan } else { State::Between }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn jpeg(shade: u8) -> Vec<u8> {
        let picture = image::RgbImage::from_fn(40, 30, |x, y| {
            image::Rgb([shade, (x * 6) as u8, (y * 8) as u8])
        });
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture
            .write_to(&mut bytes, image::ImageFormat::Jpeg)
            .unwrap();
        bytes.into_inner()
    }

    #[test]
    fn a_stream_is_cut_where_files_end() {
        let (a, b) = (jpeg(1), jpeg(200));
        let stream = [b"junk".as_slice(), &a, b"\r\n--boundary\r\n", &b].concat();
        let mut stream = stream.as_slice();
        assert_eq!(read_jpeg(&mut stream).unwrap(), Some(a));
        assert_eq!(read_jpeg(&mut stream).unwrap(), Some(b));
        assert_eq!(read_jpeg(&mut stream).unwrap(), None);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut stream = bytes.as_slice();
            while let Ok(Some(_)) = read_jpeg(&mut stream) {}
        }
    }
}
