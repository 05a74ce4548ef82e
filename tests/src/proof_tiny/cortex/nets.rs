//! A network from its training to its QDQ form; and the one for pictures of clothes.

use anyhow::{Result, ensure};
use noroshi_codegen::net::Network;
use noroshi_compress::quantize::{self, quantize};
use noroshi_engine::Tensor;
use noroshi_onnx::ModelProto;
use noroshi_train::{Augmentation, Examples, INPUT, Net, NetBuilder, Recipe, Shape, fit};
use serde_json::{Value, json};

use crate::assets::engine_options;
use crate::datasets::{self, Part};

/// Inputs that find the ranges of activations.
const CALIBRATION: usize = 256;

/// A network to train, with its data.
pub(super) struct Task {
    pub(super) name: &'static str,
    /// The least accuracy of the int8 network.
    pub(super) least: f64,
    pub(super) test: Part,
    pub(super) train: Part,
    pub(super) shape: Shape,
    pub(super) classes: usize,
    pub(super) build: fn(NetBuilder) -> NetBuilder,
    pub(super) recipe: Recipe,
    /// What else decides the outcome: how the data were varied, what the network has that its
    /// number of parameters doesn't tell.
    pub(super) more: Value,
}

/// A network that is ready to become source.
pub(super) struct Prepared {
    pub(super) model: ModelProto,
    inputs: Vec<f32>,
    shape: Shape,
}

/// Fashion-mnist: 28x28 pixels, ten classes.
pub(super) fn fashion() -> Result<Task> {
    let set = datasets::load("fashion")?;
    let scaled = |part: &Part| Part {
        columns: part.columns,
        rows: datasets::Rows::F32(part.floats().iter().map(|pixel| pixel / 255.0).collect()),
        labels: part.labels.clone(),
    };
    Ok(Task {
        name: "fashion",
        least: 0.90,
        train: scaled(&set.train),
        test: scaled(&set.test),
        shape: Shape::image(1, 28, 28),
        classes: set.classes,
        build: fashion_network,
        recipe: Recipe {
            // Small batches learn more of few epochs: .8958 against .8885 with 128 after four, on a
            // tenth of the training pictures.
            epochs: 6,
            batch: 32,
            rate: 4e-3,
            augmentation: Augmentation {
                shift: 0,
                flip: true,
                noise: 0.0,
            },
            ..Recipe::default()
        },
        more: Value::Null,
    })
}

fn fashion_network(net: NetBuilder) -> NetBuilder {
    let block = |net: NetBuilder, stride: usize, outputs: usize| {
        let net = net.depthwise(3, stride, 1).normalize().relu();
        net.conv_plain(outputs, 1, 1, 0).normalize().relu()
    };
    let net = net.conv_plain(24, 3, 2, 1).normalize().relu();
    let net = block(net, 1, 24);
    let net = block(net, 2, 48);
    let net = block(net, 1, 48);
    let net = block(net, 1, 96);
    let net = block(net, 1, 96);
    net.global_average().dense(10)
}

impl Task {
    /// Everything that decides the outcome beside the code.
    pub(super) fn settings(&self) -> Result<Value> {
        let net = (self.build)(Net::builder(self.shape, 1)).build()?;
        Ok(json!({
            "recipe": self.recipe, "calibration": CALIBRATION, "rows": self.train.len(),
            "parameters": net.parameters(), "more": self.more,
        }))
    }

    /// The trained network in QDQ form.
    pub(super) fn train(&self, seed: u64) -> Result<Prepared> {
        let labels = self.train.labels.iter().map(|&label| u32::from(label));
        let data = Examples::classes(
            self.shape,
            self.train.floats(),
            labels.collect(),
            self.classes,
        )?;
        let mut net = (self.build)(Net::builder(self.shape, seed)).build()?;
        let recipe = Recipe {
            seed,
            ..self.recipe.clone()
        };
        fit(&mut net, &data, &recipe, &mut |progress| {
            let (epoch, seconds) = (progress.epoch, progress.seconds);
            eprintln!(
                "{}: epoch {epoch}, loss {:.4}, {seconds:.1} s",
                self.name, progress.loss
            );
        })?;
        let float = net.export_onnx()?;
        ensure!(
            float.graph()?.free_inputs() == [INPUT],
            "another input than {INPUT}"
        );
        let options = quantize::Options {
            engine: engine_options()?,
            ..quantize::Options::default()
        };
        let calibration: Vec<Tensor> = (0..CALIBRATION.min(data.len()))
            .map(|place| {
                let sample = data.sample(place * (data.len() / CALIBRATION).max(1));
                Tensor::f32(dims(self.shape), sample.to_vec())
            })
            .collect::<Result<_, _>>()?;
        let quantized = quantize(&float, &calibration, &options, &mut |_| {})?;
        Ok(Prepared {
            model: quantized.model,
            inputs: self.test.floats(),
            shape: self.shape,
        })
    }
}

fn dims(shape: Shape) -> Vec<usize> {
    vec![1, shape.channels, shape.height, shape.width]
}

impl Prepared {
    /// The sizes of an input.
    pub(super) fn dims(&self) -> Vec<usize> {
        dims(self.shape)
    }

    /// Each test input, channels, rows, columns.
    pub(super) fn inputs(&self) -> impl Iterator<Item = &[f32]> {
        self.inputs.chunks(self.shape.len())
    }

    /// Each test input as the network takes it: levels, the channels of a pixel together.
    pub(super) fn levels(&self, network: &Network) -> Vec<Vec<i8>> {
        let (channels, plane) = (self.shape.channels, self.shape.plane());
        let level = |input: &[f32]| {
            let places = 0..input.len();
            let turned = places.map(|at| input[at % channels * plane + at / channels]);
            network.levels(&turned.collect::<Vec<_>>())
        };
        self.inputs().map(level).collect()
    }
}
