//! One recipe from a network of clothes to a sixteenth of its bytes (Pressai's claim): everything
//! is chosen on held-out training pictures, and measured on the test part.

mod command;
mod fronts;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};
use noroshi_compress::evaluate::{self, Groups, Quality};
use noroshi_compress::recipe::{Event, Outcome as Found, Plan, Samples, file, run as carry_out};
use noroshi_compress::report::assess;
use noroshi_engine::process_cpu;
use noroshi_train::data::{Dataset, Location};
use noroshi_train::{Augmentation, Net, Recipe};
use serde_json::{Value, json};

use super::taught::{Pictures, net, onnx, train};
use crate::assets::engine_options;
use crate::claims::{Claim, rounded};
use crate::datasets::{self, Part};
use crate::npy::write_bytes;
use crate::rows::Context;
use crate::rows::seeds::{Judged, Outcome};

pub(super) const SETTINGS: &str = "1";

/// Training pictures of both forms; the long form takes all of them too.
const FEWER: usize = 12_000;
/// Every so many of them, by file order, are held out: the original does not learn from them, and
/// everything is chosen there.
const HELD: usize = 6;
/// Epochs of the original.
const EPOCHS: usize = 12;
/// What the claim asks for.
const ACCURACY: f64 = 0.915;
const LOSS: f64 = 1.0;
const BYTES: f64 = 1.0 / 16.0;
const TIME: f64 = 0.6;
const MINUTES: f64 = 20.0;
/// Sizes of a method's own files at which the recipe must have a better one.
const BETTER: f64 = 2.0;

pub(super) fn run(context: &Context) -> Result<Vec<Claim>> {
    let mut claims = judged(context, "clothes", FEWER)?;
    if context.full() {
        claims.extend(judged(context, "clothes, all", usize::MAX)?);
    }
    claims.extend(command::claims(context)?);
    Ok(claims)
}

/// The recipe's text: `teach` is how the seed teaches, `data` where the pictures are.
fn text(folder: &Path, seed: u64) -> String {
    format!(
        r#"
        model = "original-{seed}.onnx"
        [data]
        samples = "{folder}/train"
        [validation]
        samples = "{folder}/held"
        [measured]
        samples = "{folder}/test"
        [limits]
        loss = {LOSS:?}
        bytes = "1/16"
        time = {TIME:?}
        [teach]
        epochs = 8
        batch = 64
        rate = 0.002
        seed = {seed}
        [teach.augmentation]
        shift = 1
        [prune]
        keep = [0.75, 0.5, 0.375]
        [distil]
        widths = [0.5, 0.375]
        [quantize]
        bits = [8, 4]
        [search]
        rounds = 200
        "#,
        folder = folder.display()
    )
}

fn judged(context: &Context, name: &str, most: usize) -> Result<Vec<Claim>> {
    let kitchen = Kitchen::new(context, most)?;
    let settings = json!({
        "epochs": EPOCHS, "held": HELD, "pictures": kitchen.pictures.train.len(), "recipe": text(Path::new("."), 0),
    });
    let original = context.judge(&format!("{name}: original"), &settings, |seed| {
        let path = kitchen.original(seed)?;
        let net = Net::import_onnx(&noroshi_onnx::read(&path)?)?;
        kitchen.pictures.outcome(seed, &net, &onnx(&net)?)
    })?;
    let chosen = context.judge(&format!("{name}: recipe"), &settings, |seed| {
        kitchen.cook(seed)
    })?;
    let mut claims = bars(name, &original, &chosen, most > FEWER);
    claims.extend(original.claims);
    claims.extend(chosen.claims);
    Ok(claims)
}

fn bars(name: &str, original: &Judged, chosen: &Judged, whole: bool) -> Vec<Claim> {
    let mut claims = Vec::new();
    if whole {
        claims.push(original.at_least(&format!("{name}: original: accuracy"), ACCURACY));
    }
    let figures = |figure: &str| -> Vec<f64> {
        let all = chosen.outcomes.iter();
        all.filter_map(|one| one.more.get(figure)?.as_f64())
            .collect()
    };
    let mean = |figure: &str| {
        let all = figures(figure);
        all.iter().sum::<f64>() / all.len().max(1) as f64
    };
    let most = |figure: &str| {
        figures(figure)
            .into_iter()
            .fold(f64::NEG_INFINITY, f64::max)
    };
    let least = |figure: &str| figures(figure).into_iter().fold(f64::INFINITY, f64::min);
    let names: Vec<&Value> = (chosen.outcomes.iter())
        .filter_map(|one| one.more.get("chosen"))
        .collect();
    let lost = 100.0 * (original.mean() - chosen.mean());
    let say = |what: &str| format!("{name}: {what}");
    claims.push(
        Claim::at_most(&say("points lost on the test part"), lost, LOSS)
            .with("original", rounded(original.mean()))
            .with("seeds", figures("lost"))
            .with("chosen", json!(names)),
    );
    claims.push(Claim::at_most(
        &say("bytes, of the original's"),
        most("bytes"),
        BYTES,
    ));
    claims.push(Claim::at_most(
        &say("CPU time, of the original's"),
        mean("time"),
        TIME,
    ));
    claims.push(
        Claim::at_most(&say("minutes of two cores"), most("minutes"), MINUTES)
            .with("on the clock", most("minutes on the clock")),
    );
    for method in fronts::METHODS {
        claims.push(
            Claim::at_most(
                &say(&format!("{method} alone is better somewhere, points")),
                most(&format!("{method} ahead")),
                0.0,
            )
            .with(
                "on the test part, mean",
                rounded(mean(&format!("{method} ahead, test"))),
            ),
        );
        claims.push(
            Claim::at_least(
                &say(&format!("sizes at which the recipe beats {method} alone")),
                least(&format!("{method} beaten")),
                BETTER,
            )
            .with(
                "on the test part, mean",
                rounded(mean(&format!("{method} beaten, test"))),
            ),
        );
    }
    claims
}

/// Where a row's files are, and its pictures.
struct Kitchen {
    folder: PathBuf,
    pictures: Pictures,
    learned: Dataset,
    held: Dataset,
    test: Dataset,
}

impl Kitchen {
    fn new(context: &Context, most: usize) -> Result<Self> {
        let set = datasets::load("fashion")?;
        let count = most.min(set.train.len());
        let (held, learned): (Vec<usize>, Vec<usize>) =
            (0..count).partition(|place| place % HELD == 0);
        let folder = context.folder()?.join(count.to_string());
        write(&folder.join("train"), &set.train.select(&learned))?;
        write(&folder.join("held"), &set.train.select(&held))?;
        write(&folder.join("test"), &set.test)?;
        let open = |part: &str| {
            Dataset::open(&Location {
                samples: folder.join(part),
                ..Location::default()
            })
        };
        let pictures = Pictures::load("fashion")?;
        Ok(Self {
            learned: open("train")?,
            held: open("held")?,
            test: open("test")?,
            pictures: Pictures {
                train: pictures.train.select(&learned),
                ..pictures
            },
            folder,
        })
    }

    /// The network of this seed as a file, taught when it is first asked for.
    fn original(&self, seed: u64) -> Result<PathBuf> {
        let mut net = fresh(seed)?;
        let recipe = Recipe {
            epochs: EPOCHS,
            batch: 64,
            rate: 2e-3,
            seed,
            augmentation: Augmentation {
                shift: 1,
                ..Augmentation::default()
            },
            ..Recipe::default()
        };
        let path = self.folder.join(format!("original-{seed}.onnx"));
        let made_by = self.folder.join(format!("original-{seed}.txt"));
        let text = format!("{recipe:?} {}", net.digest());
        if path.exists() && std::fs::read_to_string(&made_by).is_ok_and(|known| known == text) {
            return Ok(path);
        }
        train(&mut net, &self.pictures.train, &recipe, None)?;
        noroshi_onnx::write(&path, &net.export_onnx_unfolded()?)?;
        std::fs::write(&made_by, text)?;
        Ok(path)
    }

    /// Carries the recipe out; the chosen file's answers to the test part.
    fn cook(&self, seed: u64) -> Result<Outcome> {
        let path = self.folder.join(format!("recipe-{seed}.toml"));
        self.original(seed)?;
        std::fs::write(&path, text(&self.folder, seed))?;
        let plan = Plan::read(&path)?;
        let steps = self.folder.join(format!("steps-{seed}"));
        // Anew: what it takes is measured.
        noroshi_compress::recipe::forget(&steps)?;
        let (clock, cpu) = (Instant::now(), process_cpu());
        let samples = self.samples(&plan);
        let options = options()?;
        let found = carry_out(&plan, &samples, &steps, &options, &mut |event| {
            if let Event::Measured { chain, figures } = event {
                eprintln!(
                    "  {chain}: {:.2} lost, {} bytes, {:.3} of the time",
                    figures.loss, figures.bytes, figures.time
                );
            }
        })?;
        let minutes = (process_cpu() - cpu).as_secs_f64() / 120.0;
        let waited = clock.elapsed().as_secs_f64() / 60.0;
        eprintln!("{found}");
        self.outcome(seed, &found, &steps, &options)?
            .measured(minutes, waited)
    }

    fn samples(&self, plan: &Plan) -> Samples {
        Samples {
            model: plan.model.clone(),
            learned: self.learned.clone(),
            held: self.held.clone(),
            groups: Groups::each(self.held.len()),
        }
    }

    fn outcome(
        &self,
        seed: u64,
        found: &Found,
        steps: &Path,
        options: &evaluate::Options,
    ) -> Result<Cooked> {
        let groups = Groups::each(self.test.len());
        let answers = |path: &Path| -> Result<Vec<bool>> {
            let seen = evaluate::evaluate(path, &self.test, &groups, options, &mut |_| ())?;
            let Quality::Classes(seen) = seen.quality else {
                anyhow::bail!("clothes have classes")
            };
            Ok(seen.right)
        };
        let share = |right: &[bool]| {
            right.iter().filter(|&&right| right).count() as f64 / right.len().max(1) as f64
        };
        let before = share(&answers(
            &self.folder.join(format!("original-{seed}.onnx")),
        )?);
        let tests = found.tried.iter().map(|one| {
            let right = answers(&file(steps, &one.chain))?;
            Ok(share(&right))
        });
        let tests: Vec<f64> = tests.collect::<Result<_>>()?;
        // If nothing is within the limits, the nearest is judged: the claims will say so.
        let chosen = found
            .chosen()
            .or_else(|| {
                found
                    .shown()
                    .into_iter()
                    .min_by(|a, b| a.figures.bytes.cmp(&b.figures.bytes))
            })
            .context("a file")?;
        let path = file(steps, &chosen.chain);
        let timing = assess::Options {
            evaluate: options.clone(),
            rounds: 400,
            ..assess::Options::default()
        };
        let original = self.folder.join(format!("original-{seed}.onnx"));
        let (_, time) = assess::time([&original, &path], &self.test, &timing)?;
        let bytes = std::fs::read(&path)?;
        let outcome = Outcome::new(
            seed,
            &self.classes(&path, options)?,
            &self.pictures.labels,
            &bytes,
        )?;
        let lost = 100.0 * (before - outcome.accuracy());
        let outcome = outcome
            .with("chosen", chosen.name.as_str())
            .with("within", found.chosen().is_some())
            .with("lost", rounded(lost))
            .with("bytes", bytes.len() as f64 / found.bytes as f64)
            .with("time", rounded(time))
            .with("files", found.digest.as_str());
        Ok(Cooked(fronts::compared(outcome, found, &tests)))
    }

    /// What the file answers to the test part.
    fn classes(&self, path: &Path, options: &evaluate::Options) -> Result<Vec<u16>> {
        let mut model = evaluate::Model::open(path, &self.test, &options.engine)?;
        let answer = |place: usize| -> Result<u16> {
            let outputs = model.run(&self.test, place)?;
            let scores = outputs.first().context("an output")?.to_f32();
            let best = crate::answers::best(&scores).context("a class")?;
            Ok(u16::try_from(best)?)
        };
        (0..self.test.len()).map(answer).collect()
    }
}

/// An outcome that still lacks what the run took.
struct Cooked(Outcome);

impl Cooked {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "the last link of a chain that can fail"
    )]
    fn measured(self, minutes: f64, waited: f64) -> Result<Outcome> {
        let outcome = self.0.with("minutes", rounded(minutes));
        Ok(outcome.with("minutes on the clock", rounded(waited)))
    }
}

fn options() -> Result<evaluate::Options> {
    Ok(evaluate::Options {
        engine: engine_options()?,
        ..evaluate::Options::default()
    })
}

fn write(folder: &Path, part: &Part) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let pixels = part.bytes().context("pictures are bytes")?;
    write_bytes(&folder.join("x.npy"), &[part.len(), 1, 28, 28], pixels)?;
    let labels: Vec<u8> = part.labels.iter().map(|&label| label as u8).collect();
    write_bytes(&folder.join("y.npy"), &[part.len()], &labels)
}

/// conv3x3-32, pool, conv3x3-64, pool, 128, 10.
fn fresh(seed: u64) -> Result<Net> {
    let stage = net(seed)
        .conv_plain(32, 3, 1, 1)
        .normalize()
        .relu()
        .max_pool(2);
    let stage = stage.conv_plain(64, 3, 1, 1).normalize().relu().max_pool(2);
    let stage = stage.dropout(0.3).dense_plain(128).normalize().relu();
    Ok(stage.dropout(0.3).dense(10).build()?)
}
