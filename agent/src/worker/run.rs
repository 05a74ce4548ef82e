//! The worker process's loop.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::time::Duration;

use noroshi_engine::{
    Classifier, Frame, GoldenReport, GoldenSet, LibraryOptions, ModelSource, Options, process_cpu,
    warm,
};
use noroshi_model::{EngineKind, MAX_MANIFEST_BYTES, Manifest, VariantName};
use noroshi_protocol::FrameId;

use super::memory::Memory;
use super::{Order, Report};
use crate::AgentError;
use crate::link::ChildLink;
use crate::ring::{PixelFormat, Reader};
use crate::sandbox::{self, MemoryCeiling};

/// Golden inputs are a few small frames.
const MAX_GOLDEN_BYTES: usize = 32 << 20;
/// Rings in use at once: a source's old and new one, and a few to spare.
const MAX_RINGS: usize = 8;

/// Answers orders until the agent closes the link: what `noroshi-agent worker` runs.
pub fn run() -> Result<(), AgentError> {
    let mut link = ChildLink::inherited()?;
    let options = match prepare(&mut link) {
        Ok(options) => options,
        Err(AgentError::LinkClosed) => return Ok(()),
        Err(e) => {
            // The agent shows this text; without it there would be only an exit status.
            link.send(&Report::Refused { why: e.to_string() })?;
            return Err(e);
        }
    };
    link.send(&Report::Caged)?;
    let mut worker = Worker {
        link,
        options,
        model: None,
        rings: HashMap::new(),
        pixels: Vec::new(),
        last: None,
        memory: Memory::default(),
    };
    match worker.serve() {
        Err(AgentError::LinkClosed) => Ok(()),
        other => other,
    }
}

fn prepare(link: &mut ChildLink) -> Result<Options, AgentError> {
    let Order::Start {
        agent,
        memory_bytes,
        engine,
        library,
        library_sha256,
        threads,
    } = link.receive()?
    else {
        return Err(AgentError::Link("the first order must be to start".into()));
    };
    sandbox::limit(agent, Some(MemoryCeiling(memory_bytes)))?;
    let library = LibraryOptions {
        path: library,
        sha256: library_sha256,
    };
    if engine.installed() == EngineKind::OnnxRuntime {
        warm(&library).map_err(|e| AgentError::Worker(e.to_string()))?;
    }
    // The first look at a CPU clock asks the kernel for more than the sandbox allows.
    let began = process_cpu();
    sandbox::enter()?;
    tracing::debug!(cpu_us = began.as_micros() as u64, "sandbox closed");
    Ok(Options {
        threads,
        // The one that is loaded: from here its path can't even be looked at.
        library: LibraryOptions::default(),
        ..Options::default()
    })
}

pub(super) struct Worker {
    link: ChildLink,
    options: Options,
    pub(super) model: Option<Classifier>,
    rings: HashMap<u64, Reader>,
    /// The last frame's, used again: a frame is some hundred pages of fresh memory otherwise.
    pixels: Vec<u8>,
    /// The frame that was answered last; its input is the preprocessor's.
    pub(super) last: Option<FrameId>,
    pub(super) memory: Memory,
}

impl Worker {
    fn serve(&mut self) -> Result<(), AgentError> {
        loop {
            match self.link.receive()? {
                Order::Start { .. } => {
                    return Err(AgentError::Link("told to start twice".into()));
                }
                Order::Load { variant, test } => {
                    let report = match self.load(&variant, test) {
                        Ok(golden) => Report::Loaded {
                            golden,
                            explains: self.explains(),
                            learns: self.learns(),
                        },
                        Err(e) => Report::Refused { why: e.to_string() },
                    };
                    self.link.send(&report)?;
                }
                Order::Ring { ring, geometry } => {
                    let memory = self.link.take_descriptor()?;
                    if self.rings.len() >= MAX_RINGS {
                        return Err(AgentError::Link("too many rings".into()));
                    }
                    self.rings.insert(ring, Reader::open(memory, geometry)?);
                }
                Order::DropRing { ring } => {
                    self.rings.remove(&ring);
                }
                Order::Infer {
                    ring,
                    slot,
                    generation,
                    top,
                } => {
                    let report = self.infer(ring, slot, generation, top);
                    noroshi_service::failpoint::pass("worker.before_answer");
                    self.link.send(&report)?;
                }
                Order::Remember => self.remember(),
                Order::Explain { frame } => {
                    let report = self.explain(frame);
                    self.link.send(&report)?;
                }
                Order::Learn { labels } => {
                    let report = self.learn(&labels);
                    self.link.send(&report)?;
                }
                Order::Restore { state } => {
                    let report = self.restore(state.as_deref().map(Vec::as_slice));
                    self.link.send(&report)?;
                }
            }
        }
    }

    fn load(
        &mut self,
        variant: &VariantName,
        test: bool,
    ) -> Result<Option<GoldenReport>, AgentError> {
        let manifest = read(self.link.take_descriptor()?, MAX_MANIFEST_BYTES)?;
        let model = File::from(self.link.take_descriptor()?);
        let golden = if test {
            Some(self.link.take_descriptor()?)
        } else {
            None
        };
        let unusable = |e: &dyn std::fmt::Display| AgentError::Worker(e.to_string());
        let manifest = Manifest::from_json(&manifest).map_err(|e| unusable(&e))?;
        let variant = manifest
            .variant(variant)
            .ok_or_else(|| AgentError::Worker(format!("the manifest has no variant {variant}")))?;
        let mut classifier =
            Classifier::open(&manifest, variant, ModelSource::File(&model), &self.options)
                .map_err(|e| unusable(&e))?;
        let report = match golden {
            None => None,
            Some(golden) => {
                let golden = GoldenSet::from_cbor(&read(golden, MAX_GOLDEN_BYTES)?)
                    .map_err(|e| unusable(&e))?;
                let report = golden
                    .check(&mut classifier, variant.golden.tolerance)
                    .map_err(|e| unusable(&e))?;
                Some(report)
            }
        };
        self.model = Some(classifier);
        Ok(report)
    }

    fn infer(&mut self, ring: u64, slot: u32, generation: u64, top: u8) -> Report {
        let began = process_cpu();
        let pixels = &mut self.pixels;
        let copied = self
            .rings
            .get(&ring)
            .map(|r| r.read_into(slot, generation, pixels));
        let header = match copied {
            Some(Ok(Some(header))) => header,
            Some(Ok(None)) => return Report::Gone,
            Some(Err(e)) => return Report::Failed { why: e.to_string() },
            None => {
                return Report::Failed {
                    why: "unknown ring".into(),
                };
            }
        };
        let Some(model) = &mut self.model else {
            return Report::Failed {
                why: "no model is loaded".into(),
            };
        };
        let frame = match header.format {
            PixelFormat::Rgb8 => Frame::rgb(header.width, header.height, &self.pixels),
            PixelFormat::F32 => Frame::numbers(&self.pixels),
        };
        let prepared = frame.and_then(|frame| model.prepare(&frame));
        let input_us = micros_since(began);
        self.last = None;
        match prepared.and_then(|()| model.classify_prepared(usize::from(top))) {
            Ok(answer) => {
                self.last = Some(header.id);
                Report::Answer {
                    ranked: answer
                        .ranked
                        .iter()
                        .map(|score| (score.index as u32, score.score))
                        .collect(),
                    cpu_us: micros_since(began),
                    input_us,
                }
            }
            Err(e) => Report::Failed { why: e.to_string() },
        }
    }
}

fn micros_since(began: Duration) -> u32 {
    let spent = process_cpu().saturating_sub(began);
    u32::try_from(spent.as_micros()).unwrap_or(u32::MAX)
}

fn read(file: OwnedFd, limit: usize) -> Result<Vec<u8>, AgentError> {
    let mut bytes = Vec::new();
    File::from(file)
        .take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(AgentError::io("read a descriptor"))?;
    if bytes.len() > limit {
        return Err(AgentError::Worker(format!(
            "a file is larger than the {limit} bytes that are read"
        )));
    }
    Ok(bytes)
}
