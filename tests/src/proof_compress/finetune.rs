//! A network that was taught photos gets a new head for clothes and then eight bits, beside the
//! same architecture that is taught clothes from nothing in no less time.

use std::path::Path;

use anyhow::{Context as _, Result};
use image::GrayImage;
use image::imageops::{FilterType, resize};
use noroshi_compress::evaluate::Model;
use noroshi_compress::quantize::{Options, quantize};
use noroshi_compress::{Network, Settings, Weights, build, pickle};
use noroshi_engine::{ModelSource, Tensor, open, process_cpu};
use noroshi_model::{EngineKind, Normalization};
use noroshi_onnx::{ModelProto, encode};
use noroshi_train::data::{Dataset, Location};
use noroshi_train::{Augmentation, Examples, Finetuning, Net, Recipe, Trainer, finetune};
use serde_json::json;

use crate::assets::{asset, engine_options};
use crate::claims::{Claim, rounded};
use crate::datasets::{self, Part};
use crate::npy::write_bytes;
use crate::rows::Context;
use crate::rows::seeds::{Judged, Outcome};

pub(super) const SETTINGS: &str = "1";

/// Pixels of a side.
const SIDE: usize = 96;
const CLASSES: usize = 10;
/// Training pictures; every so many chooses the best epoch of the head.
const PICTURES: usize = 6_000;
const HELD: usize = 10;
/// Pictures of the test part.
const TESTED: usize = 2_000;
const CALIBRATION: usize = 256;
/// Epochs of the head, on features.
const EPOCHS: usize = 40;
/// Pictures that the network from nothing sees, each once: what takes no less time.
const SEEN: usize = 900;
/// What the claim asks for.
const BETTER: f64 = 0.02;

pub(super) fn run(context: &Context) -> Result<Vec<Claim>> {
    let clothes = Clothes::new(context)?;
    let settings = json!({
        "side": SIDE, "pictures": PICTURES, "held": HELD, "tested": TESTED, "epochs": EPOCHS,
        "seen from nothing": SEEN, "calibration": CALIBRATION,
    });
    let state = pickle::StateDict::read(&asset("weights/mobilenet_v2.pth")?)?;
    let photos = network(Weights::Trained(&state))?;
    let tuned = context.judge("new head, int8", &settings, |seed| {
        clothes.tuned(&photos, seed)
    })?;
    let scratch = context.judge("from nothing", &settings, |seed| clothes.scratch(seed))?;
    let blind = clothes.tuned(&network(Weights::Random(1))?, 1)?;
    let seconds = |judged: &Judged| {
        let all = judged.outcomes.iter();
        let all: Vec<f64> = all
            .filter_map(|o| o.more.get("seconds")?.as_f64())
            .collect();
        all.iter().sum::<f64>() / all.len().max(1) as f64
    };
    let (fine, nothing) = (seconds(&tuned), seconds(&scratch));
    let mut claims = vec![
        tuned
            .at_least(
                "a new head on a frozen backbone, int8: accuracy, that from nothing + .02",
                scratch.mean() + BETTER,
            )
            .with("from nothing", rounded(scratch.mean()))
            .with("in float", rounded(mean(&tuned, "float")))
            .with("bytes", tuned.bytes()),
        Claim::at_least(
            "from nothing: CPU time, of that of the new head",
            nothing / fine,
            1.0,
        )
        .with("seconds of the new head", rounded(fine))
        .with("seconds from nothing", rounded(nothing)),
        Claim::at_least(
            "a backbone that was taught nothing (control): worse by",
            tuned.mean() - blind.accuracy(),
            BETTER,
        )
        .with("accuracy", rounded(blind.accuracy())),
    ];
    claims.extend(tuned.claims);
    claims.extend(scratch.claims);
    Ok(claims)
}

fn mean(judged: &Judged, figure: &str) -> f64 {
    let all = judged.outcomes.iter();
    let all: Vec<f64> = all.filter_map(|o| o.more.get(figure)?.as_f64()).collect();
    all.iter().sum::<f64>() / all.len().max(1) as f64
}

/// MobileNetV2 for photos of this side.
fn network(weights: Weights<'_>) -> Result<Net> {
    let settings = Settings {
        resolution: SIDE,
        ..Settings::default()
    };
    Ok(Net::import_onnx(&build(
        Network::MobileNetV2,
        &settings,
        weights,
    )?)?)
}

/// Clothes as a network of photos takes them.
struct Clothes {
    learned: Dataset,
    held: Dataset,
    test: Dataset,
    labels: Vec<u16>,
}

impl Clothes {
    fn new(context: &Context) -> Result<Self> {
        let set = datasets::load("fashion")?;
        let folder = context.folder()?;
        let all = part(&folder.join("train"), &set.train, PICTURES)?;
        let test = part(&folder.join("test"), &set.test, TESTED)?;
        let (held, learned): (Vec<usize>, Vec<usize>) =
            (0..all.len()).partition(|place| place % HELD == 0);
        Ok(Self {
            learned: all.select(&learned),
            held: all.select(&held),
            test,
            labels: set.test.labels[..TESTED].to_vec(),
        })
    }

    /// The network with a new head, then with eight bits.
    fn tuned(&self, net: &Net, seed: u64) -> Result<Outcome> {
        let recipe = Recipe {
            epochs: EPOCHS,
            batch: 64,
            seed,
            keep_best: true,
            ..Recipe::default()
        };
        let how = Finetuning {
            engine: engine_options()?,
            ..Finetuning::default()
        };
        let began = process_cpu();
        let (net, fitted) = finetune(net, &self.learned, &self.held, &recipe, &how, &mut |_| ())?;
        let seconds = (process_cpu() - began).as_secs_f64();
        eprintln!(
            "  head: {seconds:.1} s of CPU, epoch {} is kept",
            fitted.kept
        );
        let float = net.export_onnx()?;
        let small = self.quantized(&float)?;
        let whole = self.outcome(seed, &float)?.accuracy();
        let outcome = self.outcome(seed, &small)?;
        Ok(outcome
            .with("seconds", rounded(seconds))
            .with("float", rounded(whole)))
    }

    /// The same architecture, taught from its first weights.
    fn scratch(&self, seed: u64) -> Result<Outcome> {
        let (net, _) = network(Weights::Random(seed))?.with_head(CLASSES, seed)?;
        let mut net = net.renewed(seed)?;
        let recipe = Recipe {
            epochs: 1,
            batch: 20,
            rate: 2e-3,
            seed,
            augmentation: Augmentation::default(),
            measure_statistics: true,
            ..Recipe::default()
        };
        let began = process_cpu();
        // The first of them in file order, which is mixed.
        let places: Vec<usize> = (0..SEEN).collect();
        let data = Examples::read(&self.learned.select(&places))?;
        Trainer::new(&recipe).fit(&mut net, &data, &mut |_| ())?;
        let seconds = (process_cpu() - began).as_secs_f64();
        eprintln!("  from nothing: {seconds:.1} s of CPU");
        let outcome = self.outcome(seed, &net.export_onnx()?)?;
        Ok(outcome.with("seconds", rounded(seconds)))
    }

    fn quantized(&self, float: &ModelProto) -> Result<ModelProto> {
        let options = Options {
            engine: engine_options()?,
            ..Options::default()
        };
        let count = CALIBRATION.min(self.learned.len());
        let mut model = opened(float, &self.learned)?;
        let inputs: Vec<Tensor> = (0..count)
            .map(|place| model.input(&self.learned, place * self.learned.len() / count))
            .collect::<Result<_, _>>()?;
        Ok(quantize(float, &inputs, &options, &mut |_| ())?.model)
    }

    /// What the file answers to the test pictures.
    fn outcome(&self, seed: u64, file: &ModelProto) -> Result<Outcome> {
        let mut model = opened(file, &self.test)?;
        let answer = |place: usize| -> Result<u16> {
            let outputs = model.run(&self.test, place)?;
            let scores = outputs.first().context("an output")?.to_f32();
            let best = crate::answers::best(&scores).context("a class")?;
            Ok(u16::try_from(best)?)
        };
        let answers: Vec<u16> = (0..self.test.len()).map(answer).collect::<Result<_>>()?;
        Outcome::new(seed, &answers, &self.labels, &encode(file)?)
    }
}

fn opened(model: &ModelProto, data: &Dataset) -> Result<Model> {
    let bytes = encode(model)?;
    let source = ModelSource::Bytes(&bytes);
    let engine = open(EngineKind::OnnxRuntime, source, &engine_options()?)?;
    Ok(Model::new(engine, data)?)
}

/// The first pictures of a part, made larger and of three channels.
fn part(folder: &Path, part: &Part, count: usize) -> Result<Dataset> {
    std::fs::create_dir_all(folder)?;
    let pixels = part.bytes().context("pictures are bytes")?;
    let side = SIDE as u32;
    let mut large = Vec::with_capacity(count * 3 * SIDE * SIDE);
    for picture in pixels.chunks_exact(part.columns).take(count) {
        let picture = GrayImage::from_raw(28, 28, picture.to_vec()).context("28 by 28 pixels")?;
        let picture = resize(&picture, side, side, FilterType::Triangle).into_raw();
        (0..3).for_each(|_| large.extend_from_slice(&picture));
    }
    write_bytes(&folder.join("x.npy"), &[count, 3, SIDE, SIDE], &large)?;
    let labels: Vec<u8> = part.labels[..count].iter().map(|&l| l as u8).collect();
    write_bytes(&folder.join("y.npy"), &[count], &labels)?;
    Ok(Dataset::open(&Location {
        samples: folder.to_owned(),
        normalization: Some(Normalization::IMAGENET),
        ..Location::default()
    })?)
}
