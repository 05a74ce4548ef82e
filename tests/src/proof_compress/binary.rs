//! Networks of one-bit weights on mnist10k: BinaryConnect (Courbariaux et al. 2015), BNN (2016),
//! XNOR-Net (Rastegari et al. 2016), and one-bit weights with two-bit activations.

use anyhow::{Context as _, Result};
use noroshi_engine::binary::{Layer, Network, Weights as PackedWeights};
use noroshi_engine::{ModelSource, Options, Tensor, open};
use noroshi_model::EngineKind;
use noroshi_train::{Augmentation, Binarization, Body, Net, OneBit, PackedInput, Recipe, Weights};
use serde_json::json;

use super::taught::{Pictures, net, onnx, train};
use crate::claims::Claim;
use crate::rows::Context;
use crate::rows::seeds::{Judged, Outcome};

pub(super) const SETTINGS: &str = "1";

const EPOCHS: usize = 30;
const BATCH: usize = 100;
const RATE: f32 = 1e-3;
/// Most pixels by which pictures are moved: without it every network learns all of them by heart.
const SHIFT: usize = 1;
const WIDTHS: [usize; 2] = [512, 512];
/// What a unit of a pixel means: a power of two, so that sums of pixels are exact.
pub(super) const UNIT: f32 = 1.0 / 256.0;
/// Bytes of BNN's weights: 98 · 512 + 64 · 512 + 64 · 10.
const WEIGHT_BYTES: u64 = 83_584;

/// How weights and activations are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Float,
    /// Weights of one bit, activations in float: it is not packed.
    BinaryConnect,
    Packed(OneBit),
}

pub(super) fn run(context: &Context) -> Result<Vec<Claim>> {
    let pictures = Pictures::load_over("mnist10k", 1.0 / UNIT)?;
    let settings = json!({
        "epochs": EPOCHS, "batch": BATCH, "rate": RATE, "shift": SHIFT, "widths": WIDTHS,
    });
    let judge = |name: &str, method: Method| {
        context.judge(name, &settings, |seed| taught(&pictures, method, seed))
    };
    let float = judge("float", Method::Float)?;
    let connect = judge("BinaryConnect", Method::BinaryConnect)?;
    let bnn = judge("BNN", Method::Packed(OneBit::Signs))?;
    let xnor = judge("XNOR", Method::Packed(OneBit::ScaledSigns))?;
    let levels = judge("W1A2", Method::Packed(OneBit::Levels))?;
    let mut claims = vec![
        float.at_least("float: accuracy", 0.970),
        connect.at_least("BinaryConnect: accuracy", float.mean() - 0.010),
        bnn.at_least("BNN: accuracy, packed", 0.950),
        xnor.at_least("XNOR: accuracy, packed", 0.945),
        levels.at_least("W1A2: accuracy, packed", float.mean() - 0.010),
        exact("digits", &[&bnn, &xnor, &levels]),
        turned("digits", &[&bnn, &xnor, &levels]),
        weights(&bnn),
        Claim::at_most("BNN: bytes of the file", bnn.bytes() as f64, 87_000.0)
            .with("float", float.bytes()),
    ];
    for judged in [&float, &connect, &bnn, &xnor, &levels] {
        claims.extend(judged.claims.iter().cloned());
    }
    Ok(claims)
}

/// A figure of every outcome.
fn figures(judged: &[&Judged], name: &str) -> Option<Vec<u64>> {
    let outcomes = judged.iter().flat_map(|judged| &judged.outcomes);
    outcomes.map(|one| one.more.get(name)?.as_u64()).collect()
}

pub(super) fn exact(name: &str, judged: &[&Judged]) -> Claim {
    let differing: Option<u64> = figures(judged, "differing").map(|all| all.iter().sum());
    Claim::new(
        &format!("{name}: packed: numbers that differ from the network that was taught"),
        differing,
        "none of any method and seed",
        differing == Some(0),
    )
}

/// The control: what compares them must see a few weights.
pub(super) fn turned(name: &str, judged: &[&Judged]) -> Claim {
    let fewest = figures(judged, "differing, turned").and_then(|all| all.into_iter().min());
    Claim::new(
        &format!("{name}: control: the same with eight weights of the last layer turned, fewest"),
        fewest,
        "at least one of each method and seed",
        fewest > Some(0),
    )
}

fn weights(bnn: &Judged) -> Claim {
    let bytes = figures(&[bnn], "weight bytes").unwrap_or_default();
    Claim::new(
        "BNN: bytes of the weights in the file",
        bytes.first().copied(),
        &format!("{WEIGHT_BYTES}"),
        !bytes.is_empty() && bytes.iter().all(|bytes| *bytes == WEIGHT_BYTES),
    )
}

fn fresh(pictures: &Pictures, method: Method, seed: u64) -> Result<Net> {
    let shape = pictures.train.shape();
    let of = |inner: OneBit, byte_edges: bool| Binarization {
        body: Body::Perceptron(WIDTHS.to_vec()),
        inner,
        byte_edges,
        dropout: 0.0,
    };
    Ok(match method {
        Method::Float => of(OneBit::Signs, false).twin(shape, 10, seed)?,
        Method::BinaryConnect => {
            let mut net = net(seed).weights(Weights::Sign);
            for width in WIDTHS {
                net = net.dense_plain(width).normalize().relu();
            }
            net.dense_plain(10).normalize().build()?
        }
        // The first and the last layer of W1A2 have eight bits.
        Method::Packed(inner) => of(inner, inner == OneBit::Levels).fresh(shape, 10, seed)?,
    })
}

fn taught(pictures: &Pictures, method: Method, seed: u64) -> Result<Outcome> {
    let mut net = fresh(pictures, method, seed)?;
    let recipe = Recipe {
        epochs: EPOCHS,
        batch: BATCH,
        rate: RATE,
        seed,
        augmentation: Augmentation {
            shift: SHIFT,
            ..Augmentation::default()
        },
        measure_statistics: true,
        ..Recipe::default()
    };
    train(&mut net, &pictures.train, &recipe, None)?;
    match method {
        Method::Packed(_) => packed(pictures, &net, seed),
        Method::Float | Method::BinaryConnect => pictures.outcome(seed, &net, &onnx(&net)?),
    }
}

/// The packed network's answers, held against those of the network that was taught.
pub(super) fn packed(pictures: &Pictures, net: &Net, seed: u64) -> Result<Outcome> {
    let input = PackedInput {
        scale: UNIT,
        zero: 0,
        ..PackedInput::default()
    };
    let network = net.pack(&input)?;
    let file = network.write()?;
    let numbers = answers(&file, pictures)?;
    let own = net.logits(pictures.test.inputs())?;
    let differing = |numbers: &[f32]| {
        let pairs = numbers.iter().zip(&own);
        // Not a bit may differ.
        pairs.filter(|(a, b)| a.to_bits() != b.to_bits()).count()
    };
    let turned = answers(&turn(network.clone())?.write()?, pictures)?;
    let classes: Vec<u16> = numbers.chunks(net.outputs()).map(largest).collect();
    Ok(Outcome::new(seed, &classes, &pictures.labels, &file)?
        .with("differing", differing(&numbers))
        .with("differing, turned", differing(&turned))
        .with("weight bytes", network.figures()?.weight_bytes))
}

fn answers(file: &[u8], pictures: &Pictures) -> Result<Vec<f32>> {
    let source = ModelSource::Bytes(file);
    let mut engine = open(EngineKind::Binary, source, &Options::default())?;
    let inputs = pictures.test.inputs().to_vec();
    let input = Tensor::f32(vec![pictures.test.len(), 1, 28, 28], inputs)?;
    let outputs = engine.run(&[input])?;
    let first = outputs.first().context("an answer")?;
    Ok(first.to_f32().into_owned())
}

/// The network with the first eight weights of its last layer turned round.
fn turn(mut network: Network) -> Result<Network> {
    let Some(Layer::Product(last)) = network.layers.last_mut() else {
        anyhow::bail!("the last layer is a product");
    };
    match &mut last.weights {
        PackedWeights::Signs(bytes) => bytes[0] = !bytes[0],
        PackedWeights::Bytes(bytes) => {
            let first = bytes.iter_mut().take(8);
            first.for_each(|byte| *byte = if *byte > 0 { -*byte } else { 127 });
        }
    }
    Ok(network)
}

fn largest(row: &[f32]) -> u16 {
    let mut best = 0;
    for (place, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = place;
        }
    }
    best as u16
}
