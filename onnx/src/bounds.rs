//! How much memory a file's messages would take, found before any of them is made.
//!
//! Two bytes of protobuf can stand for an empty node of hundreds of bytes, so the length of a file
//! does not bound its decoded size. This walk visits the same messages as the decoder, without
//! allocating, and stops once the estimate exceeds the limit.

use crate::{Error, Result};

/// Most bytes that the decoded messages may take beside the file itself.
pub(crate) const STRUCTURE_LIMIT: u64 = 512 << 20;

/// Deepest nesting of messages, as the decoder has it.
const DEPTH_LIMIT: usize = 100;

/// Upper estimate of one message with its list headers, in bytes.
const MESSAGE_COST: u64 = 400;

/// Upper estimate of the header of a string or of a block of bytes.
const TEXT_COST: u64 = 32;

/// Bytes of memory for one byte of a small message: two bytes can be a message in it.
const SMALL_FACTOR: u64 = 64;

#[derive(Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    SparseTensor,
    Value,
    Training,
    Function,
}

/// What the content of a length-delimited field is.
enum Content {
    Message(Kind),
    /// A message whose fields are all small, and may be messages again.
    Small,
    /// Packed numbers: bytes of memory per byte of file.
    Packed(u64),
    /// Shared with the file's buffer.
    Shared,
    Text,
}

fn content(kind: Kind, field: u64) -> Content {
    use Content::{Message, Packed, Shared, Small, Text};
    match (kind, field) {
        (Kind::Model, 7) | (Kind::Attribute, 6 | 11) | (Kind::Training, 1 | 2) => {
            Message(Kind::Graph)
        }
        (Kind::Model, 20) => Message(Kind::Training),
        (Kind::Model, 25) => Message(Kind::Function),
        (Kind::Graph, 1) | (Kind::Function, 7) => Message(Kind::Node),
        (Kind::Graph, 5) | (Kind::Attribute, 5 | 10) | (Kind::SparseTensor, 1 | 2) => {
            Message(Kind::Tensor)
        }
        (Kind::Graph, 11..=13) | (Kind::Function, 12) => Message(Kind::Value),
        (Kind::Graph, 15) | (Kind::Attribute, 22 | 23) => Message(Kind::SparseTensor),
        (Kind::Node, 5) | (Kind::Function, 11) => Message(Kind::Attribute),
        (Kind::Tensor, 9) => Shared,
        (Kind::Tensor, 4 | 10) => Packed(1),
        (Kind::Tensor, 5 | 7 | 11 | 1) | (Kind::Attribute, 7 | 8) => Packed(8),
        (Kind::Model, 8 | 14 | 26)
        | (Kind::Graph, 14 | 16)
        | (Kind::Node, 9 | 10)
        | (Kind::Attribute, 14 | 15)
        | (Kind::Tensor, 3 | 13 | 16)
        | (Kind::Value, 2 | 4)
        | (Kind::Training, 3 | 4)
        | (Kind::Function, 9 | 14) => Small,
        _ => Text,
    }
}

/// Refuses a file whose messages would take more than `limit` bytes beside the file.
pub(crate) fn check(bytes: &[u8], limit: u64) -> Result<()> {
    let mut walk = Walk { cost: 0, limit };
    walk.message(bytes, Kind::Model, 0)
}

struct Walk {
    cost: u64,
    limit: u64,
}

impl Walk {
    fn add(&mut self, cost: u64) -> Result<()> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost > self.limit {
            return Err(Error::TooLarge {
                what: "the size in bytes of the decoded graph".into(),
                actual: self.cost,
                limit: self.limit,
            });
        }
        Ok(())
    }

    fn message(&mut self, mut bytes: &[u8], kind: Kind, depth: usize) -> Result<()> {
        self.add(MESSAGE_COST)?;
        if depth > DEPTH_LIMIT {
            return Err(Error::model("messages are nested too deeply"));
        }
        while !bytes.is_empty() {
            let key = number(&mut bytes)?;
            match key & 7 {
                0 => {
                    number(&mut bytes)?;
                    self.add(8)?;
                }
                1 => {
                    take(&mut bytes, 8)?;
                    self.add(8)?;
                }
                5 => {
                    take(&mut bytes, 4)?;
                    self.add(8)?;
                }
                2 => {
                    let length = number(&mut bytes)?;
                    let block = take(&mut bytes, length)?;
                    self.block(block, content(kind, key >> 3), depth)?;
                }
                _ => return Err(Error::model("the file is garbled or not protobuf")),
            }
        }
        Ok(())
    }

    fn block(&mut self, block: &[u8], content: Content, depth: usize) -> Result<()> {
        let length = block.len() as u64;
        match content {
            Content::Message(kind) => self.message(block, kind, depth + 1),
            Content::Small => self.add(MESSAGE_COST + length.saturating_mul(SMALL_FACTOR)),
            Content::Packed(factor) => self.add(length.saturating_mul(factor)),
            Content::Shared => self.add(TEXT_COST),
            Content::Text => self.add(TEXT_COST + length),
        }
    }
}

fn number(bytes: &mut &[u8]) -> Result<u64> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or_else(cut_short)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Error::model("the file is garbled or not protobuf"))
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8]> {
    let length = usize::try_from(length).map_err(|_| cut_short())?;
    let (block, rest) = bytes.split_at_checked(length).ok_or_else(cut_short)?;
    *bytes = rest;
    Ok(block)
}

fn cut_short() -> Error {
    Error::model("the file ends inside a message, so it is truncated or garbled")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_byte_nodes_are_refused_by_what_they_would_cost() {
        // Graph (field 7) of a million empty nodes (field 1, length 0).
        let nodes = [0x0a, 0x00].repeat(1_000_000);
        let mut file = vec![0x3a];
        let mut length = nodes.len();
        while length >= 0x80 {
            file.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        file.push(length as u8);
        file.extend(nodes);
        assert!(matches!(
            check(&file, 64 << 20),
            Err(Error::TooLarge { .. })
        ));
        assert!(check(&file, 512 << 20).is_ok());
    }

    #[test]
    fn a_cut_file_and_garbage_are_refused() {
        assert!(matches!(
            check(&[0x3a, 0x05, 0x00], 1 << 20),
            Err(Error::Model(_))
        ));
        assert!(matches!(check(&[0xff; 40], 1 << 20), Err(Error::Model(_))));
    }
}
