//! Windows of the watch, their features, and models of nine people.

use anyhow::{Context as _, Result};
use noroshi_model::{Bands, FeaturePart, Features, Statistic};
use noroshi_tiny::features::{Extractor, Step, Windowed};
use noroshi_tiny::{Intake, Model, Table};

use super::kinds::{KINDS, Kind};
use crate::datasets::{self, Recording, WATCH_AXES};

/// How many people there are, numbered from 1.
pub(super) const PEOPLE: u16 = 10;
const CLASSES: usize = 7;
/// Samples of a window: two seconds.
const WINDOW: u16 = 100;
const HOP: u16 = 50;
/// The choice for a person: the nine others in so many groups, each of which judges once.
const GROUPS: u16 = 3;

/// The recordings and what was computed of them.
pub(super) struct Watch {
    extractor: Extractor,
    recordings: Vec<Recording>,
    rows: Vec<Row>,
}

/// A window.
struct Row {
    features: Vec<i16>,
    label: u16,
    person: u16,
}

/// What an inertial sensor gives: ±8 g and ±2,000° a second in 16 bits, nearly.
fn features() -> Features {
    let (acceleration, rotation) = (1.0 / 4096.0, 1.0 / 1024.0);
    Features {
        channels: WATCH_AXES as u8,
        length: WINDOW,
        hop: HOP,
        units: vec![
            acceleration,
            acceleration,
            acceleration,
            rotation,
            rotation,
            rotation,
        ],
        parts: vec![
            FeaturePart::Statistics(vec![
                Statistic::Mean,
                Statistic::Deviation,
                Statistic::Least,
                Statistic::Greatest,
                Statistic::MeanCrossings,
            ]),
            // At 25 Hz: from 0.4 to 0.8, 1.6, 2.3, 3.5, 5.5 and 12.5 Hz.
            FeaturePart::Bands(Bands {
                thin: 2,
                points: 64,
                edges: vec![1, 2, 4, 6, 9, 14, 32],
            }),
        ],
    }
}

impl Watch {
    pub(super) fn load() -> Result<Self> {
        let extractor = Extractor::new(&features())?;
        let recordings = datasets::watch()?;
        let mut rows = Vec::new();
        for recording in &recordings {
            for window in recording.windows(WINDOW.into(), HOP.into()) {
                let samples = extractor.samples(window.samples)?;
                rows.push(Row {
                    features: extractor.extract(&samples)?,
                    label: window.label,
                    person: window.subject,
                });
            }
        }
        Ok(Self {
            extractor,
            recordings,
            rows,
        })
    }

    pub(super) fn features(&self) -> &Features {
        self.extractor.features()
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Bytes of a file that say what its features are.
    pub(super) fn intake_bytes(&self) -> usize {
        4 * self.features().columns() + 6 + 4 * WATCH_AXES + 3 + 5 + 2 + 18
    }

    /// The models of all people but one, for each of the kind named for them.
    pub(super) fn models(&self, kinds: &[String], seed: u64) -> Result<Vec<Model>> {
        let model = |(person, name): (u16, &String)| {
            let kind = KINDS.iter().find(|kind| kind.name == *name);
            let kind = kind.with_context(|| format!("there is no kind {name}"))?;
            self.train(kind, seed, |other| other != person)
        };
        (1..=PEOPLE).zip(kinds).map(model).collect()
    }

    /// A model of the people that are `taught`.
    fn train(&self, kind: &Kind, seed: u64, taught: impl Fn(u16) -> bool) -> Result<Model> {
        let rows: Vec<&Row> = self.rows.iter().filter(|row| taught(row.person)).collect();
        let columns = self.features().columns();
        let column = |at: usize| rows.iter().map(|row| row.features[at]).collect();
        let steps = (0..columns).map(|at| Step::over(column(at))).collect();
        let windowed = Windowed::new(self.extractor.clone(), steps)?;
        let bytes = |row: &&Row| windowed.bytes(&row.features);
        let values = rows.iter().flat_map(bytes).collect();
        let labels = rows.iter().map(|row| row.label).collect();
        let table = Table::new(columns, CLASSES, values, labels)?;
        let family = (kind.train)(&table, seed).context(kind.name)?;
        Ok(Model {
            intake: Intake::Windows(windowed),
            columns: columns as u16,
            classes: CLASSES as u16,
            family,
        })
    }

    /// What a model answers to a person's windows, and what is right.
    pub(super) fn answers(&self, model: &Model, person: u16) -> Result<(Vec<u16>, Vec<u16>)> {
        let (mut answers, mut labels) = (Vec::new(), Vec::new());
        let Intake::Windows(windowed) = &model.intake else {
            anyhow::bail!("the model takes no windows");
        };
        for row in self.rows.iter().filter(|row| row.person == person) {
            answers.push(model.answer(&windowed.bytes(&row.features))?.label);
            labels.push(row.label);
        }
        Ok((answers, labels))
    }

    /// The kind whose models, taught two of three groups of the other nine, are right most often
    /// on the third; of equals the first.
    pub(super) fn choose(&self, person: u16) -> Result<String> {
        let others: Vec<u16> = (1..=PEOPLE).filter(|&other| other != person).collect();
        let group = |other: u16| {
            let place = others.iter().position(|&one| one == other);
            place.map(|place| place as u16 % GROUPS)
        };
        let mut rights = Vec::new();
        for kind in &KINDS {
            let mut rates = Vec::new();
            for judging in 0..GROUPS {
                let taught = |other| group(other).is_some_and(|one| one != judging);
                let model = self.train(kind, 1, taught)?;
                for &other in others
                    .iter()
                    .filter(|&&other| group(other) == Some(judging))
                {
                    let (answers, labels) = self.answers(&model, other)?;
                    let same = answers.iter().zip(&labels).filter(|(a, b)| a == b).count();
                    rates.push(same as f64 / labels.len() as f64);
                }
            }
            rights.push(super::mean(&rates));
        }
        eprintln!("watch: for {person}: {rights:.4?}");
        let best = rights.iter().copied().fold(0.0, f64::max);
        let place = rights.iter().position(|&one| one >= best);
        Ok(KINDS[place.context("a kind")?].name.to_owned())
    }

    /// All samples of a person, each recording cut to whole hops: so every window that is judged
    /// is one of the stream's, beside those across two recordings.
    pub(super) fn stream(&self, person: u16) -> Vec<i16> {
        let of = |recording: &Recording| {
            let hop = usize::from(HOP) * WATCH_AXES;
            let whole = recording.samples.len() / hop * hop;
            let samples = self.extractor.samples(&recording.samples[..whole]);
            samples.unwrap_or_default()
        };
        let own = self.recordings.iter().filter(|one| one.subject == person);
        own.flat_map(of).collect()
    }

    /// Features, label and person of all windows: numbers of 16 bits, row after row.
    pub(super) fn exported(&self) -> Vec<u8> {
        let number = |row: &Row| {
            let mut numbers = row.features.clone();
            numbers.extend([row.label.cast_signed(), row.person.cast_signed()]);
            numbers
        };
        let numbers = self.rows.iter().flat_map(number);
        numbers.flat_map(i16::to_le_bytes).collect()
    }

    /// The model with the first feature's low bound off by one.
    pub(super) fn off_by_one(&self, model: &Model) -> Result<Model> {
        let Intake::Windows(windowed) = &model.intake else {
            anyhow::bail!("the model takes no windows");
        };
        let mut steps = windowed.steps().to_vec();
        // A column in whole steps: of a fine one a step of 16 bits may change no byte.
        let coarse = steps.iter().position(|step| step.factor == u16::MAX);
        steps[coarse.unwrap_or(0)].low += 1;
        let windowed = Windowed::new(self.extractor.clone(), steps)?;
        Ok(Model {
            intake: Intake::Windows(windowed),
            ..model.clone()
        })
    }
}
