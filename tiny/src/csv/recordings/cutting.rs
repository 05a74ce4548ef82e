//! Windows are cut while samples come.

use std::collections::BTreeMap;

use super::columns::Sample;
use super::{ReadWindows, WindowSettings};
use crate::csv::{MAX_BYTES, MAX_CLASSES, ordered};
use crate::error::{Result, data};
use crate::features::{Extractor, Step, Windowed, Windows};
use crate::model::Intake;
use crate::random::Random;
use crate::table::Table;

/// More groups than this are a column that names none.
const MAX_GROUPS: usize = 60_000;
/// A step in time of so many usual ones is a gap.
const LEAP: f64 = 4.5;

/// Names that were seen, in the order of first sight.
#[derive(Default)]
struct Names {
    numbers: BTreeMap<String, u16>,
}

impl Names {
    fn number(&mut self, name: &str, most: usize, what: &str) -> Result<u16> {
        if let Some(&number) = self.numbers.get(name) {
            return Ok(number);
        }
        let next = self.numbers.len();
        if next >= most {
            return Err(data(format!(
                "there are more than {most} {what}; is it the right column?"
            )));
        }
        self.numbers.insert(name.to_owned(), next as u16);
        Ok(next as u16)
    }

    /// By number.
    fn list(&self) -> Vec<String> {
        let mut names = vec![String::new(); self.numbers.len()];
        for (name, &number) in &self.numbers {
            names[usize::from(number)].clone_from(name);
        }
        names
    }
}

/// Cuts windows while samples come.
pub(super) struct Cutting<'a> {
    settings: &'a WindowSettings,
    extractor: Extractor,
    windows: Windows,
    keep: usize,
    random: Random,
    classes: Names,
    groups: Names,
    /// Features of the kept windows, their classes, and whose they are.
    features: Vec<i16>,
    labels: Vec<u16>,
    owners: Vec<u16>,
    /// Class and group of the recording that goes on.
    current: Option<(u16, u16)>,
    before: Option<f64>,
    usual: Option<f64>,
    recordings: usize,
    samples: u64,
    dropped: u64,
    cut: u64,
}

impl<'a> Cutting<'a> {
    pub(super) fn new(extractor: Extractor, settings: &'a WindowSettings) -> Self {
        let columns = extractor.features().columns();
        Self {
            windows: Windows::new(extractor.features()),
            keep: settings.csv.rows.min(MAX_BYTES / 4 / columns),
            random: Random::new(settings.csv.seed, 13),
            settings,
            extractor,
            classes: Names::default(),
            groups: Names::default(),
            features: Vec::new(),
            labels: Vec::new(),
            owners: Vec::new(),
            current: None,
            before: None,
            usual: None,
            recordings: 0,
            samples: 0,
            dropped: 0,
            cut: 0,
        }
    }

    pub(super) fn add(&mut self, sample: &Sample) -> Result<()> {
        if sample.missing.is_some() {
            self.dropped += 1;
            self.current = None;
            return Ok(());
        }
        self.samples += 1;
        let label = self
            .classes
            .number(&sample.label, MAX_CLASSES, "classes (--label)")?;
        let group = self
            .groups
            .number(&sample.group, MAX_GROUPS, "groups (--group)")?;
        if self.leaps(sample.time) || self.current != Some((label, group)) {
            self.windows.restart();
            self.recordings += 1;
            self.usual = None;
            self.current = Some((label, group));
        }
        let numbers = self.extractor.samples(&sample.numbers)?;
        if let Some(window) = self.windows.push(&numbers)? {
            let owner = if self.settings.group.is_some() {
                group
            } else {
                u16::try_from(self.recordings - 1).unwrap_or(u16::MAX)
            };
            self.keep(&window, label, owner)?;
        }
        Ok(())
    }

    /// Whether time went back or leapt; the first step of a recording is the usual one.
    fn leaps(&mut self, time: Option<f64>) -> bool {
        let before = std::mem::replace(&mut self.before, time);
        let (Some(time), Some(before)) = (time, before) else {
            return false;
        };
        let step = time - before;
        if step <= 0.0 {
            return true;
        }
        step > LEAP * *self.usual.get_or_insert(step)
    }

    fn keep(&mut self, window: &[i16], label: u16, owner: u16) -> Result<()> {
        self.cut += 1;
        let place = if self.labels.len() < self.keep {
            self.labels.len()
        } else {
            self.random.below(self.cut as usize)
        };
        if place >= self.keep {
            return Ok(());
        }
        let features = self.extractor.extract(window)?;
        if place == self.labels.len() {
            self.features.extend(features);
            self.labels.push(label);
            self.owners.push(owner);
        } else {
            let columns = features.len();
            self.features[place * columns..][..columns].copy_from_slice(&features);
            self.labels[place] = label;
            self.owners[place] = owner;
        }
        Ok(())
    }

    pub(super) fn finish(self, channels: Vec<String>) -> Result<ReadWindows> {
        if self.labels.len() < 2 {
            return Err(data(format!(
                "{} samples in {} recordings make {} windows of {} samples: two at least, better \
                 hundreds, are needed (--window, --hop)",
                self.samples,
                self.recordings,
                self.labels.len(),
                self.settings.length
            )));
        }
        let columns = self.extractor.features().columns();
        let column = |at: usize| {
            let features = self.features.iter().skip(at);
            features.step_by(columns).copied().collect()
        };
        let steps = (0..columns).map(|at| Step::over(column(at))).collect();
        let windowed = Windowed::new(self.extractor, steps)?;
        let rows = self.features.chunks(columns);
        let values = rows.flat_map(|row| windowed.bytes(row)).collect();
        let (classes, order) = ordered(&self.classes.numbers);
        let labels = self.labels.iter().map(|&one| order[usize::from(one)]);
        let table = Table::new(columns, classes.len().max(2), values, labels.collect())?;
        let named = self.settings.group.is_some();
        Ok(ReadWindows {
            table,
            intake: Intake::Windows(windowed),
            groups: self.owners,
            group_names: if named {
                self.groups.list()
            } else {
                Vec::new()
            },
            classes,
            channels,
            samples: self.samples,
            dropped: self.dropped,
            recordings: self.recordings,
            windows: self.cut,
        })
    }
}
