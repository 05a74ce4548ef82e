//! Trees that learn from one sample at a time, for ever, in an arena that never grows.
//!
//! A small forest for classification or regression. Every tree splits by tests that it draws from
//! what it sees and that prove themselves on what comes after; the answer blends the statistics
//! along the path, so a leaf without samples answers like its parent. Regression adds a linear
//! part (recursive least squares with forgetting), and the trees learn what it leaves over.
//!
//! The world may change. Every node watches its own errors (Page-Hinkley) and is pruned when they
//! rise; the root watches the whole forest's (a quick average against a slow one) and, when it
//! alarms, forgets all statistics but keeps the tests, which then prove themselves anew.
//! When the arena is full, a split that is worth it takes the place of the siblings that are
//! worth least.
//!
//! Sources: P. Domingos, G. Hulten, *Mining High-Speed Data Streams* (2000), memory by merging
//! and races between tests; A. Saffari and others, *On-line Random Forests* (2009), random tests
//! in leaves; B. Lakshminarayanan and others, *Mondrian Forests* (2014), smoothing along the path;
//! E. S. Page, *Continuous Inspection Schemes* (1954); G. Ross and others, *Exponentially weighted
//! moving average charts for detecting concept drift* (2012).

mod arena;
mod drift;
mod explain;
mod features;
mod grow;
mod linear;
pub(crate) mod state;
mod teach;
mod walk;

use arena::{Arena, HEAD, Layout};

pub use explain::{Explanation, Term};
pub use state::{STATE_BYTES_AT_MOST, StateError};
pub use teach::{Taught, teach};

/// No arena is larger.
pub const ARENA_BYTES_AT_MOST: u32 = 19_200;
/// No sample has more features.
pub const FEATURES_AT_MOST: u16 = 128;
/// No forest tells more classes apart.
pub const CLASSES_AT_MOST: u8 = 16;
/// No number is greater: its square must still be one.
pub const NUMBER_AT_MOST: f32 = 1e15;

/// What is learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// A number.
    Regression,
    /// One of `classes` classes.
    Classification {
        /// How many.
        classes: u8,
    },
}

/// What a forest is made with. Two forests of equal settings that see equal samples are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// What is learned.
    pub task: Task,
    /// How many numbers a sample has.
    pub features: u16,
    /// The arena's bytes; everything the forest knows lies in it.
    pub bytes: u32,
    /// How many trees.
    pub trees: u8,
    /// How many tests a growing leaf tries at a time.
    pub candidates: u8,
    /// How many of a hundred leaves may grow at a time.
    pub growing: u8,
    /// Whether the root watches; without it, only subtrees are pruned.
    pub root_alarm: bool,
    /// What chance is drawn from.
    pub seed: u64,
}

/// Why a forest can't be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Too many or none.
    #[error("a sample has 1 to {FEATURES_AT_MOST} features, not {0}")]
    Features(u16),
    /// Too many or too few.
    #[error("2 to {CLASSES_AT_MOST} classes can be told apart, not {0}")]
    Classes(u8),
    /// Beyond what is promised.
    #[error("an arena has at most {ARENA_BYTES_AT_MOST} bytes in words of 4, not {0}")]
    Bytes(u32),
    /// Nothing could grow in it.
    #[error("{0} bytes are too few for these trees: give more bytes or fewer trees")]
    Room(u32),
}

/// Why a sample is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// Not as many numbers as the forest was made for.
    #[error("the sample has {found} features, the forest {expected}")]
    Features {
        /// In the sample.
        found: usize,
        /// In the settings.
        expected: usize,
    },
    /// NaN, infinite or beyond [`NUMBER_AT_MOST`].
    #[error(
        "feature {0} is no number of at most {NUMBER_AT_MOST:e}: leave the sample out or fill it in"
    )]
    Feature(usize),
    /// The label is no class of this forest, or no number of at most [`NUMBER_AT_MOST`].
    #[error("the label is no class or number that this forest can learn")]
    Label,
}

/// What a sample is answered with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Answer {
    /// The number.
    Number(f32),
    /// The class and its share of the vote, 0 to 1.
    Class {
        /// Which.
        class: u8,
        /// Its share.
        share: f32,
    },
}

/// What is true of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Label {
    /// The number.
    Number(f32),
    /// The class.
    Class(u8),
}

/// What happened while a sample was learned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Learned {
    /// The root alarmed: the world changed, all statistics were forgotten.
    pub alarm: bool,
    /// So many subtrees were pruned because their errors rose.
    pub pruned: u16,
}

/// Counters since the forest was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Samples learned.
    pub samples: u32,
    /// Alarms of the root.
    pub alarms: u32,
    /// Subtrees pruned because their errors rose.
    pub pruned: u32,
    /// Siblings merged to make room.
    pub merged: u32,
}

/// Trees that learn online.
#[derive(Debug, Clone, PartialEq)]
pub struct OnlineForest {
    settings: Settings,
    layout: Layout,
    arena: Arena,
}

// Words of the head.
const SAMPLES: usize = 0;
const CHANCE: usize = 1;
const ALARMS: usize = 3;
const PRUNED: usize = 4;
const MERGED: usize = 5;
const FREE: usize = 6;
const DETECTOR: usize = 7;

/// Values of one sample's answer, one a class, or one number.
type Scores = [f32; CLASSES_AT_MOST as usize];

impl Settings {
    /// For classification of `features` numbers into `classes`.
    pub fn classification(features: u16, classes: u8, seed: u64) -> Self {
        Self::usual(Task::Classification { classes }, features, seed)
    }

    /// For a number from `features` numbers.
    pub fn regression(features: u16, seed: u64) -> Self {
        Self::usual(Task::Regression, features, seed)
    }

    fn usual(task: Task, features: u16, seed: u64) -> Self {
        Self {
            task,
            features,
            bytes: ARENA_BYTES_AT_MOST,
            trees: 8,
            candidates: 8,
            growing: 30,
            root_alarm: true,
            seed,
        }
    }

    fn check(&self) -> Result<Layout, SettingsError> {
        if !(1..=FEATURES_AT_MOST).contains(&self.features) {
            return Err(SettingsError::Features(self.features));
        }
        if let Task::Classification { classes } = self.task
            && !(2..=CLASSES_AT_MOST).contains(&classes)
        {
            return Err(SettingsError::Classes(classes));
        }
        if self.bytes > ARENA_BYTES_AT_MOST || !self.bytes.is_multiple_of(4) {
            return Err(SettingsError::Bytes(self.bytes));
        }
        let usable = self.trees > 0 && self.candidates > 0 && (1..=100).contains(&self.growing);
        let layout = Layout::of(self).filter(|_| usable);
        layout.ok_or(SettingsError::Room(self.bytes))
    }
}

impl OnlineForest {
    /// A forest that knows nothing.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let layout = settings.check()?;
        let mut forest = Self {
            arena: Arena::new(layout.words),
            layout,
            settings,
        };
        let seed = settings.seed ^ 0x9e37_79b9_7f4a_7c15;
        forest.arena.0[CHANCE] = seed as u32;
        forest.arena.0[CHANCE + 1] = (seed >> 32) as u32 | 1;
        forest.plant();
        forest.forget_linear();
        Ok(forest)
    }

    /// What it was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The arena's bytes: all that the forest knows, for ever.
    pub fn arena_bytes(&self) -> usize {
        self.arena.0.len() * 4
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        Counters {
            samples: self.arena.0[SAMPLES],
            alarms: self.arena.0[ALARMS],
            pruned: self.arena.0[PRUNED],
            merged: self.arena.0[MERGED],
        }
    }

    /// What it says to `sample`.
    pub fn answer(&self, sample: &[f32]) -> Result<Answer, SampleError> {
        self.check(sample)?;
        Ok(self.answered(sample))
    }

    /// Every class's share of the vote, in order; they sum to 1. Of regression, the number.
    pub fn shares(&self, sample: &[f32]) -> Result<Vec<f32>, SampleError> {
        self.check(sample)?;
        Ok(self.scores(sample)[..self.classes()].to_vec())
    }

    /// The vote's share for `class`; 0 for a class that there isn't, and for regression.
    pub fn share(&self, sample: &[f32], class: u8) -> f32 {
        let classes = self.classes();
        if self.check(sample).is_err() || classes == 1 || usize::from(class) >= classes {
            return 0.0;
        }
        self.scores(sample)[usize::from(class)]
    }

    /// Learns that `label` is true of `sample`.
    pub fn learn(&mut self, sample: &[f32], label: Label) -> Result<Learned, SampleError> {
        self.check(sample)?;
        let target = self.target(label)?;
        let mut learned = Learned::default();
        let answer = self.answered(sample);
        if self.watch_root(answer, target) && self.settings.root_alarm {
            self.forget();
            learned.alarm = true;
            self.arena.0[ALARMS] = self.arena.0[ALARMS].saturating_add(1);
        }
        self.arena.0[SAMPLES] = self.arena.0[SAMPLES].saturating_add(1);
        self.note_features(sample);
        let target = match target {
            Target::Number(value) => Target::Number(value - self.learn_linear(sample, value)),
            class @ Target::Class(_) => class,
        };
        let scale = self.error_scale();
        for tree in 0..self.settings.trees {
            learned.pruned += self.learn_tree(tree, sample, target, scale);
        }
        self.arena.0[PRUNED] = self.arena.0[PRUNED].saturating_add(u32::from(learned.pruned));
        Ok(learned)
    }

    fn check(&self, sample: &[f32]) -> Result<(), SampleError> {
        let expected = usize::from(self.settings.features);
        if sample.len() != expected {
            let found = sample.len();
            return Err(SampleError::Features { found, expected });
        }
        match sample.iter().position(|value| !sane(*value)) {
            Some(feature) => Err(SampleError::Feature(feature)),
            None => Ok(()),
        }
    }

    fn target(&self, label: Label) -> Result<Target, SampleError> {
        match (label, self.settings.task) {
            (Label::Number(value), Task::Regression) if sane(value) => Ok(Target::Number(value)),
            (Label::Class(class), Task::Classification { classes }) if class < classes => {
                Ok(Target::Class(class))
            }
            _ => Err(SampleError::Label),
        }
    }

    fn answered(&self, sample: &[f32]) -> Answer {
        let scores = self.scores(sample);
        match self.settings.task {
            Task::Regression => Answer::Number(scores[0]),
            Task::Classification { classes } => {
                let best = best(&scores[..usize::from(classes)]);
                Answer::Class {
                    class: best as u8,
                    share: scores[best],
                }
            }
        }
    }

    /// The number, or every class's share.
    fn scores(&self, sample: &[f32]) -> Scores {
        let mut scores = [0.0; CLASSES_AT_MOST as usize];
        for tree in 0..self.settings.trees {
            let one = self.tree_scores(tree, sample);
            for (sum, value) in scores.iter_mut().zip(one) {
                *sum += value;
            }
        }
        let share = 1.0 / f32::from(self.settings.trees);
        for value in &mut scores {
            *value *= share;
        }
        if self.settings.task == Task::Regression {
            scores[0] += self.linear(sample);
        }
        scores
    }
}

/// What trees learn: a class, or what the linear part leaves over.
#[derive(Debug, Clone, Copy)]
enum Target {
    Number(f32),
    Class(u8),
}

/// Not NaN, not infinite, not too great.
fn sane(value: f32) -> bool {
    value.abs() <= NUMBER_AT_MOST
}

fn best(scores: &[f32]) -> usize {
    let mut best = 0;
    for (index, &score) in scores.iter().enumerate() {
        if score > scores[best] {
            best = index;
        }
    }
    best
}

const _: () = assert!(HEAD >= DETECTOR + drift::DETECTOR_WORDS);
const _: () = assert!(ARENA_BYTES_AT_MOST <= 19_200);

#[cfg(test)]
mod tests;
