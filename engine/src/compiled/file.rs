//! The file: magic, length of the header, header, padding, content.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use noroshi_model::{Architecture, Blob, Digest, ElementType, Precision, Requirements, Target};
use serde::{Deserialize, Serialize};

use crate::error::{EngineError, Result};

/// The first bytes of every compiled file.
pub const MAGIC: [u8; 8] = *b"NOROSHIC";
const FORMAT: u32 = 1;
/// Largest header that is believed, in bytes; a network of the survey takes two thousand.
const MAX_HEADER: usize = 256 << 10;
/// The content begins at a multiple of this many bytes, so that its weights are aligned.
const ALIGNMENT: usize = 64;

/// How much was rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Constants folded, redundant nodes removed.
    Basic,
    /// Operators fused too.
    Extended,
    /// Memory laid out for this machine's kernels too.
    All,
}

/// What a file is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Version of ONNX Runtime.
    pub runtime: String,
    /// Architecture of the CPU.
    pub architecture: Architecture,
    /// The best instruction set of the machine that compiled it.
    pub isa: String,
    /// How much was rewritten.
    pub level: Level,
}

/// What is known of the graph, since the content can't be inspected: from the source, and from the
/// rewritten graph where it says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Operator set of the source.
    pub opset: u32,
    /// ONNX version of the source.
    pub ir: u32,
    /// How often each operator is used in the source.
    pub before: BTreeMap<String, usize>,
    /// How often each is used in the rewritten graph; `domain::Name` outside ONNX's own domain.
    pub after: BTreeMap<String, usize>,
    /// Element types of the source.
    pub dtypes: BTreeSet<ElementType>,
    /// Arithmetic of the source.
    pub precision: Precision,
    /// Parameters of the source.
    pub parameters: u64,
    /// Multiply-accumulates of the source.
    pub macs: u64,
    /// Bytes of weights and activations while running.
    pub peak_memory: u64,
    /// Whether kernels copy their weights at the start into the order that they like best. Without,
    /// the start is quicker and smaller; what it costs is measured when the file is made.
    pub packed: bool,
}

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Version of this format.
    pub format: u32,
    /// What it is for.
    pub key: Key,
    /// Digest of the ONNX file that it was made from.
    pub source: Digest,
    /// What follows.
    pub content: Blob,
    /// What it computes.
    pub facts: Facts,
}

impl Header {
    /// What a device must have to run the file.
    pub fn requirements(&self) -> Requirements {
        let Facts {
            opset,
            ir,
            after,
            dtypes,
            peak_memory,
            ..
        } = &self.facts;
        Requirements {
            opset: *opset,
            ir: *ir,
            operators: after.keys().cloned().collect(),
            dtypes: dtypes.clone(),
            peak_memory: *peak_memory,
            architectures: BTreeSet::from([self.key.architecture]),
            cpu_features: BTreeSet::new(),
            target: Some(Target {
                runtime: self.key.runtime.clone(),
                isa: self.key.isa.clone(),
            }),
        }
    }
}

/// The bytes of a file with this `content`.
pub fn seal(key: Key, source: Digest, facts: Facts, content: &[u8]) -> Result<Vec<u8>> {
    let header = Header {
        format: FORMAT,
        key,
        source,
        content: Blob {
            sha256: Digest::of(content),
            length: content.len() as u64,
        },
        facts,
    };
    let text = serde_json::to_vec(&header).map_err(|e| EngineError::Compiled(e.to_string()))?;
    if text.len() > MAX_HEADER {
        return Err(EngineError::Compiled(format!(
            "its header would have {} bytes, at most {MAX_HEADER}: its operators are too many",
            text.len()
        )));
    }
    let start = start_of_content(text.len());
    let mut bytes = Vec::with_capacity(start + content.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&text);
    bytes.resize(start, 0);
    bytes.extend_from_slice(content);
    Ok(bytes)
}

fn start_of_content(header: usize) -> usize {
    (MAGIC.len() + 4 + header).next_multiple_of(ALIGNMENT)
}

/// The header of a file's bytes, and where its content begins. The content is not looked at.
pub fn split(bytes: &[u8]) -> Result<(Header, usize)> {
    let broken = |why: &str| EngineError::Compiled(format!("{why}; fetch it again"));
    let (magic, rest) = bytes
        .split_at_checked(MAGIC.len())
        .ok_or_else(|| broken("it is too short"))?;
    if magic != MAGIC {
        return Err(broken("it is no compiled model"));
    }
    let (length, rest) = rest
        .split_first_chunk::<4>()
        .ok_or_else(|| broken("it is too short"))?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > MAX_HEADER {
        return Err(broken("its header is too long"));
    }
    let text = rest
        .get(..length)
        .ok_or_else(|| broken("it ends within its header"))?;
    let header: Header = serde_json::from_slice(text)
        .map_err(|e| broken(&format!("its header is unreadable: {e}")))?;
    if header.format != FORMAT {
        return Err(EngineError::Compiled(format!(
            "it has format {}, this version reads {FORMAT}: upgrade Noroshi",
            header.format
        )));
    }
    let start = start_of_content(length);
    if start > bytes.len() {
        return Err(broken("it ends within its header"));
    }
    Ok((header, start))
}

/// The header of the file at `path`; none if it is no compiled file.
pub fn read_header(path: &Path) -> Result<Option<Header>> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let most = start_of_content(MAX_HEADER) as u64;
        File::open(path)?.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read()
        .map_err(|source| EngineError::system(format!("reading {}", path.display()), source))?;
    if !bytes.starts_with(&MAGIC) {
        return Ok(None);
    }
    split(&bytes).map(|(header, _)| Some(header))
}
