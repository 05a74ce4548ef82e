//! Uncompressed frames from a pipe: binary PPM and our own small header.

use std::io::{BufRead, ErrorKind, Read};

use crate::AgentError;

/// Width, height and pixels.
pub(super) type RawFrame = (u32, u32, Vec<u8>);

/// Reads a frame with the header `NRGB`, width, height; `None` at the end of the stream.
pub(super) fn read_rgb(
    from: &mut impl Read,
    max_pixels: u32,
) -> Result<Option<RawFrame>, AgentError> {
    let mut head = [0; 12];
    if !read_whole(from, &mut head)? {
        return Ok(None);
    }
    if &head[..4] != b"NRGB" {
        return Err(AgentError::Source(
            "the command's frame does not begin with NRGB".into(),
        ));
    }
    let number =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    read_pixels(from, number(4), number(8), max_pixels).map(Some)
}

/// Reads a binary PPM picture; `None` at the end of the stream.
pub(super) fn read_ppm(
    from: &mut impl BufRead,
    max_pixels: u32,
) -> Result<Option<RawFrame>, AgentError> {
    let mut magic = [0; 2];
    if !read_whole(from, &mut magic)? {
        return Ok(None);
    }
    if &magic != b"P6" {
        return Err(AgentError::Source(
            "the command's frame is not a binary PPM (P6)".into(),
        ));
    }
    let width = read_number(from)?;
    let height = read_number(from)?;
    if read_number(from)? != 255 {
        return Err(AgentError::Source("the PPM must have 255 levels".into()));
    }
    read_pixels(from, width, height, max_pixels).map(Some)
}

/// A decimal number after white space and comments; takes the one byte that ends it.
fn read_number(from: &mut impl BufRead) -> Result<u32, AgentError> {
    let malformed = || AgentError::Source("the command's PPM header can't be read".into());
    let mut digits = String::new();
    // A header is short; a stream that never ends its number or comment is not one.
    for _ in 0..1_024 {
        let mut byte = [0];
        from.read_exact(&mut byte)
            .map_err(AgentError::io("read from the command"))?;
        match byte[0] {
            b'#' if digits.is_empty() => {
                let mut comment = Vec::new();
                from.take(1_024)
                    .read_until(b'\n', &mut comment)
                    .map_err(AgentError::io("read from the command"))?;
            }
            digit if digit.is_ascii_digit() && digits.len() < 9 => digits.push(digit.into()),
            space if space.is_ascii_whitespace() => {
                if !digits.is_empty() {
                    return digits.parse().map_err(|_| malformed());
                }
            }
            _ => return Err(malformed()),
        }
    }
    Err(malformed())
}

fn read_pixels(
    from: &mut impl Read,
    width: u32,
    height: u32,
    max_pixels: u32,
) -> Result<RawFrame, AgentError> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > u64::from(max_pixels) {
        return Err(AgentError::Source(format!(
            "the command's frame of {width} x {height} is empty or more than max_pixels = {max_pixels}"
        )));
    }
    let mut bytes = vec![0; pixels as usize * 3];
    if !read_whole(from, &mut bytes)? {
        return Err(AgentError::Source(
            "the command ended within a frame".into(),
        ));
    }
    Ok((width, height, bytes))
}

/// Fills `into`; false when the stream ends before its first byte.
fn read_whole(from: &mut impl Read, into: &mut [u8]) -> Result<bool, AgentError> {
    let mut filled = 0;
    while filled < into.len() {
        match from.read(&mut into[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => {
                return Err(AgentError::Source(
                    "the command ended within a frame".into(),
                ));
            }
            Ok(count) => filled += count,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(AgentError::io("read from the command")(e)),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_formats_are_read() {
        let mut ppm: &[u8] = b"P6 # hi\n2 1\n255\nabcdefP6\n1 1 255\nxyz";
        assert_eq!(
            read_ppm(&mut ppm, 9).unwrap(),
            Some((2, 1, b"abcdef".to_vec()))
        );
        assert_eq!(
            read_ppm(&mut ppm, 9).unwrap(),
            Some((1, 1, b"xyz".to_vec()))
        );
        assert_eq!(read_ppm(&mut ppm, 9).unwrap(), None);
        let mut rgb: &[u8] = b"NRGB\x01\0\0\0\x02\0\0\0abcdef";
        assert_eq!(
            read_rgb(&mut rgb, 9).unwrap(),
            Some((1, 2, b"abcdef".to_vec()))
        );
        assert!(read_rgb(&mut &b"NRGB\xff\xff\xff\xff\xff\xff\xff\xff"[..], 9).is_err());
        assert!(read_rgb(&mut &b"NRGB\x01\0\0\0\x02\0\0\0abc"[..], 9).is_err());
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_ppm(&mut bytes.as_slice(), 1_000);
            let _ = read_rgb(&mut bytes.as_slice(), 1_000);
        }
    }
}
