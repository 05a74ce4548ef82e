//! The source process's loop.

use std::os::fd::AsFd;
use std::time::Duration;

use noroshi_protocol::FrameId;

use super::decode::Decoder;
use super::exec::ExecPictures;
use super::folder::FolderPictures;
use super::lease::FreeSlots;
use super::log::FrameLog;
use super::pace::Pace;
use super::rows::RowsPictures;
use super::sequence::SequencePictures;
use super::{Input, Next, Order, Picture, Pictures, Report, SourceSpec};
use crate::AgentError;
use crate::link::ChildLink;
use crate::ring::{Header, Writer};
use crate::sandbox;
use crate::time::boottime;

/// Brings frames until the agent closes the link: what `noroshi-agent source` runs.
pub fn run() -> Result<(), AgentError> {
    let mut link = ChildLink::inherited()?;
    let Order::Start {
        agent,
        spec,
        settings,
    } = link.receive()?
    else {
        return Err(AgentError::Link("the first order must be to start".into()));
    };
    sandbox::limit(agent, None)?;
    spec.check()?;
    let pictures = open(&spec, &settings)?;
    match Source::new(link, &spec)?.bring(pictures) {
        // The agent has no more use for this process.
        Err(AgentError::LinkClosed) => Ok(()),
        other => other,
    }
}

fn open(spec: &SourceSpec, settings: &str) -> Result<Box<dyn Pictures>, AgentError> {
    let decoder = Decoder::new(spec.max_pixels);
    Ok(match spec.input()? {
        Input::Folder(folder) => Box::new(FolderPictures::new(folder.clone(), decoder)),
        Input::Sequence(sequence) => Box::new(SequencePictures::new(sequence.clone(), decoder)),
        Input::Rows(rows) => Box::new(RowsPictures::new(rows.clone())),
        Input::Exec(exec) => Box::new(ExecPictures::start(exec, spec.max_pixels, settings)?),
    })
}

struct Source {
    link: ChildLink,
    ring: Writer,
    free: FreeSlots,
    pace: Pace,
    /// Whether the input comes at its own pace and must be read on, whatever happens.
    streams: bool,
    live: bool,
    log: FrameLog,
    next: FrameId,
    skipped: u64,
}

impl Source {
    fn new(mut link: ChildLink, spec: &SourceSpec) -> Result<Self, AgentError> {
        let ring = Writer::create(spec.geometry()?)?;
        let source = crate::random::number()?;
        let geometry = ring.geometry();
        link.send_with(&Report::Ring { geometry, source }, &[ring.memory().as_fd()])?;
        Ok(Self {
            link,
            free: FreeSlots::new(geometry.slots()),
            ring,
            pace: Pace::new(spec.frames_per_second, boottime()),
            streams: spec.exec.is_some(),
            live: spec.is_live(),
            log: FrameLog::open(spec.log.as_deref())?,
            next: FrameId { source, number: 0 },
            skipped: 0,
        })
    }

    fn bring(mut self, mut pictures: Box<dyn Pictures>) -> Result<(), AgentError> {
        loop {
            if !self.streams {
                self.wait_until_due()?;
            }
            match pictures.next()? {
                Next::Picture(picture) => {
                    let early = !self.pace.wait(boottime()).is_zero();
                    if self.streams && early {
                        self.listen(Some(Duration::ZERO))?;
                        continue;
                    }
                    self.pace.taken(boottime());
                    self.offer(&picture)?;
                }
                Next::Unreadable { name, why } => {
                    self.pace.taken(boottime());
                    self.link.send(&Report::Unreadable { name, why })?;
                }
                Next::End => {
                    self.link.send(&Report::End)?;
                    loop {
                        self.listen(None)?;
                    }
                }
            }
        }
    }

    fn wait_until_due(&mut self) -> Result<(), AgentError> {
        loop {
            let wait = self.pace.wait(boottime());
            if wait.is_zero() {
                return self.listen(Some(Duration::ZERO));
            }
            self.listen(Some(wait))?;
        }
    }

    /// Takes orders until none comes within `patience`.
    fn listen(&mut self, patience: Option<Duration>) -> Result<(), AgentError> {
        let mut patience = patience;
        while let Some(order) = self.link.receive_within(patience)? {
            match order {
                Order::Release { slot } => self.free.release(slot),
                Order::Start { .. } => {
                    return Err(AgentError::Link("told to start twice".into()));
                }
            }
            // What else is already there, but no second wait.
            patience = Some(Duration::ZERO);
        }
        Ok(())
    }

    fn offer(&mut self, picture: &Picture) -> Result<(), AgentError> {
        self.listen(Some(Duration::ZERO))?;
        let slot = loop {
            match self.free.take() {
                Some(slot) => break slot,
                None if self.live => {
                    self.skipped += 1;
                    return Ok(());
                }
                None => self.listen(None)?,
            }
        };
        if self.skipped > 0 {
            let frames = std::mem::take(&mut self.skipped);
            self.link.send(&Report::Skipped { frames })?;
        }
        let header = Header {
            id: self.next,
            width: picture.width,
            height: picture.height,
            format: picture.format,
            boottime_ns: boottime().as_nanos() as u64,
        };
        self.next.number += 1;
        let generation = self.ring.write(slot, &header, &picture.pixels)?;
        self.log
            .write(header.id, &picture.name, header.boottime_ns)?;
        noroshi_service::failpoint::pass("source.before_announce");
        self.link.send(&Report::Frame {
            slot,
            generation,
            id: header.id,
            boottime_ns: header.boottime_ns,
        })
    }
}
