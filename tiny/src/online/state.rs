//! A forest as bytes: to persist, to pull, to roll back. Nothing is believed before it is checked.

use super::arena::{Arena, BLOCK_HEAD, NONE};
use super::walk::DEPTH_AT_MOST;
use super::{ARENA_BYTES_AT_MOST, FREE, OnlineForest, Settings, SettingsError, Task};

const MAGIC: [u8; 4] = *b"NROL";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 28;
/// No state is longer.
pub const STATE_BYTES_AT_MOST: usize = HEADER_BYTES + ARENA_BYTES_AT_MOST as usize + 4;

/// Why bytes are no forest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Something else.
    #[error("this is no state of an online forest")]
    Magic,
    /// From another version of the program.
    #[error("a state of version {0} isn't read here, only version {VERSION}: start anew")]
    Version(u8),
    /// Cut off, or more than there should be.
    #[error("the state has {found} bytes, not {expected}")]
    Length {
        /// What was handed over.
        found: usize,
        /// What its settings ask for.
        expected: usize,
    },
    /// Bits flipped.
    #[error("the state's checksum doesn't match: it was damaged, take an older one")]
    Checksum,
    /// What no forest is made with.
    #[error("the state's settings: {0}")]
    Settings(#[from] SettingsError),
    /// Nodes that form no trees, or numbers that are none.
    #[error("the state contradicts itself: {0}")]
    Content(&'static str),
}

impl OnlineForest {
    /// The whole forest, settings included, as at most [`STATE_BYTES_AT_MOST`] bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let settings = &self.settings;
        let classes = match settings.task {
            Task::Regression => 0,
            Task::Classification { classes } => classes,
        };
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.arena_bytes() + 4);
        bytes.extend(MAGIC);
        bytes.extend([VERSION, classes, settings.trees, settings.candidates]);
        bytes.extend([settings.growing, u8::from(settings.root_alarm)]);
        bytes.extend(settings.features.to_le_bytes());
        bytes.extend(settings.bytes.to_le_bytes());
        bytes.extend(settings.seed.to_le_bytes());
        bytes.extend((self.arena.0.len() as u32).to_le_bytes());
        for word in &self.arena.0 {
            bytes.extend(word.to_le_bytes());
        }
        let sum = checksum(&bytes);
        bytes.extend(sum.to_le_bytes());
        bytes
    }

    /// The forest that [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateError> {
        let settings = settings(bytes)?;
        let layout = settings.check()?;
        let expected = HEADER_BYTES + layout.words * 4 + 4;
        let found = bytes.len();
        if found != expected {
            return Err(StateError::Length { found, expected });
        }
        let (body, sum) = bytes.split_at(expected - 4);
        if checksum(body).to_le_bytes() != sum {
            return Err(StateError::Checksum);
        }
        let (words, _) = body[HEADER_BYTES..].as_chunks::<4>();
        let words = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
        let forest = Self {
            settings,
            layout,
            arena: Arena(words),
        };
        forest.check_content()?;
        Ok(forest)
    }

    fn check_content(&self) -> Result<(), StateError> {
        let mut nodes = Marks::new(self.layout.node_count, "nodes form no trees");
        let mut blocks = Marks::new(self.layout.block_count, "blocks of tests are shared");
        for root in self.roots() {
            let mut open = vec![(root, 0)];
            while let Some((node, depth)) = open.pop() {
                nodes.mark(node)?;
                self.check_node(node, depth, &mut blocks)?;
                if let Some((left, right)) = self.children(node) {
                    open.extend([(left, depth + 1), (right, depth + 1)]);
                }
            }
        }
        let mut free = self.arena.low(FREE);
        while free != NONE {
            nodes.mark(free)?;
            free = self.arena.low(self.layout.node(free));
        }
        let mut free = self.arena.high(FREE);
        while free != NONE {
            blocks.mark(free)?;
            free = self.arena.low(self.layout.block(free));
        }
        nodes.all()?;
        blocks.all()?;
        let plain = self.layout.features..self.layout.roots;
        let head = super::DETECTOR..super::DETECTOR + super::drift::DETECTOR_WORDS;
        if plain.chain(head).any(|at| !self.arena.real(at).is_finite()) {
            return Err(StateError::Content("a number is not finite"));
        }
        Ok(())
    }

    fn check_node(&self, node: u16, depth: usize, blocks: &mut Marks) -> Result<(), StateError> {
        let at = self.layout.node(node);
        if depth > DEPTH_AT_MOST {
            return Err(StateError::Content("a tree is too deep"));
        }
        if self.arena.low(at + 1) >= self.settings.features {
            return Err(StateError::Content("a test of a feature that isn't there"));
        }
        let reals = if self.classes() == 1 {
            2..self.layout.node_words
        } else {
            2..6
        };
        let finite = reals
            .clone()
            .all(|word| self.arena.real(at + word).is_finite());
        let weight = self.weight(node);
        if !finite || !(0.0..=1e5).contains(&weight) {
            return Err(StateError::Content("a node's number is not finite"));
        }
        if self.classes() > 1 {
            let counts = (0..self.classes()).map(|class| self.arena.count(at + 6, class));
            let sum: u32 = counts.map(u32::from).sum();
            if (sum as f32 - weight).abs() > 0.5 {
                return Err(StateError::Content(
                    "a node's counts don't sum to its weight",
                ));
            }
        }
        let Some(block) = self.block_of(node) else {
            return Ok(());
        };
        if self.children(node).is_some() {
            return Err(StateError::Content("a node with a test tries others"));
        }
        blocks.mark(block)?;
        self.check_block(block)
    }

    fn check_block(&self, block: u16) -> Result<(), StateError> {
        if usize::from(self.arena.low(self.layout.block(block))) > self.layout.candidates {
            return Err(StateError::Content("a leaf tries too many tests"));
        }
        let at = self.layout.block(block) + BLOCK_HEAD;
        let finite = |at: usize| self.arena.real(at).is_finite();
        if self.classes() == 1 && !(finite(at) && finite(at + 1)) {
            return Err(StateError::Content("a leaf's number is not finite"));
        }
        for candidate in 0..self.layout.candidates {
            let at = self.layout.candidate(block, candidate);
            if self.arena.low(at) >= self.settings.features {
                return Err(StateError::Content("a test of a feature that isn't there"));
            }
        }
        Ok(())
    }
}

fn settings(bytes: &[u8]) -> Result<Settings, StateError> {
    let header: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(StateError::Magic)?;
    if header[..4] != MAGIC {
        return Err(StateError::Magic);
    }
    if header[4] != VERSION {
        return Err(StateError::Version(header[4]));
    }
    let word = |at: usize| {
        let bytes = [header[at], header[at + 1], header[at + 2], header[at + 3]];
        u32::from_le_bytes(bytes)
    };
    Ok(Settings {
        task: match header[5] {
            0 => Task::Regression,
            classes => Task::Classification { classes },
        },
        trees: header[6],
        candidates: header[7],
        growing: header[8],
        root_alarm: header[9] != 0,
        features: u16::from_le_bytes([header[10], header[11]]),
        bytes: word(12),
        seed: u64::from(word(16)) | u64::from(word(20)) << 32,
    })
}

/// Each index once.
struct Marks {
    seen: Vec<bool>,
    problem: &'static str,
}

impl Marks {
    fn new(count: usize, problem: &'static str) -> Self {
        Self {
            seen: vec![false; count],
            problem,
        }
    }

    fn mark(&mut self, index: u16) -> Result<(), StateError> {
        match self.seen.get_mut(usize::from(index)) {
            Some(seen) if !*seen => {
                *seen = true;
                Ok(())
            }
            _ => Err(StateError::Content(self.problem)),
        }
    }

    fn all(&self) -> Result<(), StateError> {
        if self.seen.iter().all(|seen| *seen) {
            return Ok(());
        }
        Err(StateError::Content(self.problem))
    }
}

/// CRC-32 as in Ethernet.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for &byte in bytes {
        sum ^= u32::from(byte);
        for _ in 0..8 {
            sum = sum >> 1 ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 };
        }
    }
    !sum
}
