//! A soft decision tree as bytes.
//!
//! ```text
//! "NST"  version u8  depth u8  classes u16  channels, height, width u32
//! filters f32 …  biases f32 …  leaves f32 …  SHA-256 of everything before
//! ```
//!
//! All numbers little-endian. A version that isn't known is refused.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};

use super::{MAX_DEPTH, SoftTree};
use crate::net::state::MAX_NUMBERS;
use crate::shape::Shape;
use crate::{Error, Result};

const MAGIC: &[u8; 4] = b"NST\x01";
/// Magic, depth, classes, three sides.
const HEAD: usize = 4 + 1 + 2 + 12;
const DIGEST: usize = 32;
/// The largest file.
const MAX_BYTES: u64 = 4 * (MAX_NUMBERS as u64 + (1 << 28)) + 64;

impl SoftTree {
    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(self.depth as u8);
        bytes.extend((self.classes as u16).to_le_bytes());
        for side in [self.shape.channels, self.shape.height, self.shape.width] {
            bytes.extend((side as u32).to_le_bytes());
        }
        let numbers = self.filters.iter().chain(&self.biases).chain(&self.leaves);
        bytes.extend(numbers.flat_map(|number| number.to_le_bytes()));
        let sum = digest(&SHA256, &bytes);
        bytes.extend(sum.as_ref());
        bytes
    }

    /// The tree of a file; every size in it is checked against what is there. The reason if it is
    /// none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let (content, sum) = bytes
            .split_last_chunk::<DIGEST>()
            .filter(|(content, _)| content.len() >= HEAD)
            .ok_or("it is cut off")?;
        if content[..3] != MAGIC[..3] {
            return Err("it is no soft tree".into());
        }
        if content[3] != MAGIC[3] {
            return Err(format!(
                "it has version {}, this program reads version {}",
                content[3], MAGIC[3]
            ));
        }
        if digest(&SHA256, content).as_ref() != sum {
            return Err("its digest is wrong: it was cut or changed".into());
        }
        let side = |at: usize| {
            let bytes = content[at..at + 4].try_into();
            u32::from_le_bytes(bytes.expect("four bytes")) as usize
        };
        let shape = Shape::image(side(7), side(11), side(15));
        let depth = usize::from(content[4]);
        let classes = usize::from(u16::from_le_bytes([content[5], content[6]]));
        let inputs = shape
            .channels
            .checked_mul(shape.height)
            .and_then(|all| all.checked_mul(shape.width))
            .filter(|inputs| (1..=MAX_NUMBERS).contains(inputs));
        let (Some(inputs), 1..=MAX_DEPTH, 2..) = (inputs, depth, classes) else {
            return Err(format!(
                "depth {depth}, {classes} classes, samples of {}x{}x{}",
                shape.channels, shape.height, shape.width
            ));
        };
        // At most 2^28 · 2^12 numbers and 2^16 · 2^12: no overflow in 64 bits.
        let nodes = (1usize << depth) - 1;
        let (filters, leaves) = (nodes * inputs, (nodes + 1) * classes);
        let (numbers, rest) = content[HEAD..].as_chunks::<4>();
        if numbers.len() != filters + nodes + leaves || !rest.is_empty() {
            return Err("its length isn't what its sizes need".into());
        }
        let numbers: Vec<f32> = numbers.iter().map(|one| f32::from_le_bytes(*one)).collect();
        if !numbers.iter().all(|number| number.is_finite()) {
            return Err("a number in it isn't finite".into());
        }
        Ok(Self {
            filters: numbers[..filters].to_vec(),
            biases: numbers[filters..filters + nodes].to_vec(),
            leaves: numbers[filters + nodes..].to_vec(),
            shape,
            depth,
            classes,
        })
    }

    /// Writes the tree beside `path`, then renames: a crash leaves the old file or the new one.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        fs::write(&part, self.to_bytes())
            .and_then(|()| fs::File::open(&part))
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&part, path))
            .map_err(|error| Error::file(path, error))
    }

    /// Reads a tree that [`SoftTree::save`] wrote.
    pub fn load(path: &Path) -> Result<Self> {
        let file = fs::File::open(path).map_err(|error| Error::file(path, error))?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::file(path, error))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(Error::file(path, "it is larger than any soft tree"));
        }
        Self::from_bytes(&bytes).map_err(|reason| Error::file(path, reason))
    }
}
