//! Models that were compiled ahead of time: the runtime's rewriting of the graph, done once for
//! one target and kept.
//!
//! A file is the eight bytes of [`MAGIC`], a length, a header as JSON, and what ONNX Runtime wrote
//! in its own format. The header is the key: version of the runtime, architecture, instruction
//! set, level, and the digests of the source and of the content. [`open`] refuses whatever does
//! not fit this process before the runtime sees a byte: such a file names kernels of one version
//! and has its weights laid out for one width of vectors, and elsewhere it could answer wrongly
//! without any error.

mod bytes;
mod file;
#[cfg(test)]
mod tests;

use std::path::Path;

use noroshi_model::{Architecture, Digest};

use crate::capability::isa;
use crate::engine::{Engine, Optimization, Options};
use crate::error::{EngineError, Result};
use crate::onnx::{OnnxEngine, optimize, warm};

pub(crate) use bytes::Bytes;
pub use file::{Facts, Header, Key, Level, MAGIC, read_header, seal, split};

/// What the runtime made of a graph.
#[derive(Debug)]
pub struct Rewritten {
    /// In the runtime's own format: what a file's content is.
    pub content: Vec<u8>,
    /// The same graph as ONNX, to look at.
    pub onnx: Vec<u8>,
    /// What it is for.
    pub key: Key,
}

/// Lets the runtime rewrite the ONNX file in `bytes` for this machine. `folder` is an empty folder
/// for its files, which are removed again.
pub fn rewrite(bytes: &[u8], level: Level, folder: &Path, options: &Options) -> Result<Rewritten> {
    let key = here(level, options)?;
    let options = Options {
        optimization: match level {
            Level::Basic => Optimization::Basic,
            Level::Extended => Optimization::Extended,
            Level::All => Optimization::All,
        },
        ..options.clone()
    };
    let written = |name: &str, own: bool| {
        let path = folder.join(name);
        optimize(bytes, &path, own, &options)?;
        let read = std::fs::read(&path);
        // Whoever gave the folder removes it, with whatever stays.
        let _ = std::fs::remove_file(&path);
        read.map_err(|source| EngineError::system("reading the rewritten model", source))
    };
    Ok(Rewritten {
        content: written("rewritten.ort", true)?,
        onnx: written("rewritten.onnx", false)?,
        key,
    })
}

/// The key that files for this process have.
pub fn here(level: Level, options: &Options) -> Result<Key> {
    let library = warm(&options.library)?;
    Ok(Key {
        runtime: library.version,
        architecture: Architecture::from_rust(std::env::consts::ARCH),
        isa: isa().to_owned(),
        level,
    })
}

/// Opens a compiled file if it is whole and for this process.
pub(crate) fn open(bytes: Bytes, options: &Options) -> Result<Box<dyn Engine>> {
    let (header, start) = split(&bytes)?;
    header.key.check(&here(header.key.level, options)?)?;
    let content = &bytes[start..];
    if content.len() as u64 != header.content.length {
        return Err(EngineError::Compiled(format!(
            "its content has {} bytes, its header says {}; fetch it again",
            content.len(),
            header.content.length
        )));
    }
    let digest = Digest::of(content);
    if digest != header.content.sha256 {
        return Err(EngineError::Compiled(format!(
            "its content has the digest {}, its header says {}; fetch it again or compile it anew",
            digest.short(),
            header.content.sha256.short()
        )));
    }
    let engine = OnnxEngine::open_as_it_is(bytes, start, header.facts.packed, options)?;
    Ok(Box::new(engine))
}

impl Key {
    /// Refuses what is for another process than `here`.
    fn check(&self, here: &Self) -> Result<()> {
        let differs = |what: &str, own: &str, found: &str| {
            if own == found {
                return Ok(());
            }
            Err(EngineError::Compiled(format!(
                "it is for {what} {own}, this is {found}; run `noroshi model compile` here, or use \
                 the .onnx file"
            )))
        };
        differs("ONNX Runtime", &self.runtime, &here.runtime)?;
        let word = |architecture: Architecture| format!("{architecture:?}").to_lowercase();
        differs(
            "architecture",
            &word(self.architecture),
            &word(here.architecture),
        )?;
        differs("instruction set", &self.isa, &here.isa)
    }
}
