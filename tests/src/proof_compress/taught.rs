//! What the rows on taught networks share: pictures as examples, trainings, outcomes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use noroshi_compress::statistics::Discordant;
use noroshi_train::{Augmentation, Examples, Net, NetBuilder, Recipe, Shape, Teacher, Trainer};

use crate::claims::{Claim, rounded};
use crate::datasets::{self, Part};
use crate::rows::Context;
use crate::rows::seeds::Outcome;

/// Pictures to learn from and to be judged by.
#[derive(Clone)]
pub(super) struct Pictures {
    pub(super) train: Examples,
    pub(super) test: Examples,
    /// Classes of the test pictures.
    pub(super) labels: Vec<u16>,
}

/// The classes of both picture sets.
const CLASSES: usize = 10;

impl Pictures {
    /// Numbers in 0..=1.
    pub(super) fn load(name: &str) -> Result<Self> {
        Self::load_over(name, 255.0)
    }

    /// Bytes divided by `whole`.
    pub(super) fn load_over(name: &str, whole: f32) -> Result<Self> {
        let set = datasets::load(name)?;
        ensure!(set.classes == CLASSES, "{name} has {} classes", set.classes);
        Ok(Self {
            train: examples(&set.train, whole)?,
            test: examples(&set.test, whole)?,
            labels: set.test.labels,
        })
    }

    /// How the network answers the test pictures, and the file that would be shipped.
    pub(super) fn outcome(&self, seed: u64, net: &Net, file: &[u8]) -> Result<Outcome> {
        let answers = net.classify(self.test.inputs())?;
        let answers: Vec<u16> = answers.into_iter().map(|class| class as u16).collect();
        Outcome::new(seed, &answers, &self.labels, file)
    }
}

fn examples(part: &Part, whole: f32) -> Result<Examples> {
    let inputs = part
        .floats()
        .into_iter()
        .map(|value| value / whole)
        .collect();
    let labels = part.labels.iter().map(|&label| u32::from(label)).collect();
    Ok(Examples::classes(
        Shape::image(1, 28, 28),
        inputs,
        labels,
        CLASSES,
    )?)
}

/// A network for those pictures.
pub(super) fn net(seed: u64) -> NetBuilder {
    Net::builder(Shape::image(1, 28, 28), seed)
}

/// The network as ONNX: what would be shipped of a dense one.
pub(super) fn onnx(net: &Net) -> Result<Vec<u8>> {
    Ok(noroshi_onnx::encode(&net.export_onnx()?)?)
}

/// Trains, with a line on standard error at the end.
pub(super) fn train(
    net: &mut Net,
    data: &Examples,
    recipe: &Recipe,
    teacher: Option<&mut dyn Teacher>,
) -> Result<()> {
    let mut trainer = Trainer::new(recipe);
    if let Some(teacher) = teacher {
        trainer = trainer.teacher(teacher);
    }
    let (mut seconds, mut epochs) = (0.0, 0);
    trainer.fit(net, data, &mut |told| {
        seconds += told.seconds;
        epochs = told.epoch;
    })?;
    eprintln!(
        "  {epochs} epochs, {:.2} s each",
        seconds / epochs.max(1) as f64
    );
    Ok(())
}

/// One network a seed, taught when it is first asked for.
#[derive(Default)]
pub(super) struct Nets(RefCell<BTreeMap<u64, Net>>);

impl Nets {
    pub(super) fn of(&self, seed: u64, teach: impl FnOnce() -> Result<Net>) -> Result<Net> {
        if let Some(net) = self.0.borrow().get(&seed) {
            return Ok(net.clone());
        }
        let net = teach()?;
        self.0.borrow_mut().insert(seed, net.clone());
        Ok(net)
    }
}

/// The teacher of distillation and hints: a convolutional network of 1.3 million parameters,
/// which sees pictures moved by up to two pixels.
pub(super) struct Teachers<'a> {
    pictures: &'a Pictures,
    nets: Nets,
    /// Where the long form keeps them for other rows.
    folder: Option<PathBuf>,
}

/// Name of the teacher's hidden layer that gives hints.
pub(super) const HINT: &str = "hint";
/// Epochs of the teacher.
pub(super) const TEACHER_EPOCHS: usize = 12;

impl<'a> Teachers<'a> {
    pub(super) fn new(pictures: &'a Pictures, context: &Context) -> Result<Self> {
        Ok(Self {
            pictures,
            nets: Nets::default(),
            folder: if context.full() {
                Some(context.folder()?)
            } else {
                None
            },
        })
    }

    /// The teacher of this seed.
    pub(super) fn of(&self, seed: u64) -> Result<Net> {
        self.nets.of(seed, || self.teach(seed))
    }

    fn teach(&self, seed: u64) -> Result<Net> {
        let mut net = fresh_teacher(seed)?;
        let recipe = Recipe {
            epochs: TEACHER_EPOCHS,
            batch: 50,
            seed,
            augmentation: Augmentation {
                shift: 2,
                ..Augmentation::default()
            },
            ..Recipe::default()
        };
        // A row's folder has the others beside it.
        let kept = self
            .folder
            .as_ref()
            .and_then(|folder| folder.parent())
            .map(|folder| {
                let text = format!("{recipe:?} {}", net.digest());
                let digest = noroshi_model::Digest::of(text.as_bytes());
                folder.join(format!("teacher-{seed}-{}.safetensors", digest.short()))
            });
        if let Some(path) = kept.as_ref().filter(|path| path.exists()) {
            return Ok(Net::load(path)?);
        }
        train(&mut net, &self.pictures.train, &recipe, None)?;
        if let Some(path) = kept {
            net.save(&path)?;
        }
        Ok(net)
    }
}

fn fresh_teacher(seed: u64) -> Result<Net> {
    let stage = net(seed)
        .conv_plain(16, 3, 1, 1)
        .normalize()
        .relu()
        .max_pool(2);
    let stage = stage
        .conv_plain(32, 3, 1, 1)
        .normalize()
        .relu()
        .max_pool(2)
        .dropout(0.3);
    let stage = stage.dense(820).relu().named(HINT).dropout(0.5);
    Ok(stage.dense(CLASSES).build()?)
}

/// Right answers of one outcome.
fn right(outcome: &Outcome, labels: &[u16]) -> Vec<bool> {
    outcome
        .answers()
        .iter()
        .zip(labels)
        .map(|(answer, label)| answer == label)
        .collect()
}

/// Errors of two methods side by side, pooled over the seeds that both have.
pub(super) fn pooled(first: &[Outcome], second: &[Outcome], labels: &[u16]) -> Discordant {
    let pairs = first.iter().zip(second);
    let counts = pairs.filter_map(|(a, b)| Discordant::count(&right(a, labels), &right(b, labels)));
    counts.fold(Discordant::default(), Discordant::plus)
}

/// That the second makes significantly fewer errors than the first (McNemar, pooled, two-sided).
pub(super) fn significantly_better(name: &str, counts: Discordant) -> Claim {
    let test = counts.test();
    let ok = test.difference > 0.0 && test.p_value < 0.05;
    Claim::new(name, rounded(test.p_value), "p below .05, fewer errors", ok)
        .with("only the first right", counts.only_first)
        .with("only the second right", counts.only_second)
}

/// Mean errors of the test pictures.
pub(super) fn errors(outcomes: &[Outcome]) -> f64 {
    let wrong = outcomes
        .iter()
        .map(|one| f64::from(one.total - one.correct));
    wrong.sum::<f64>() / outcomes.len().max(1) as f64
}
