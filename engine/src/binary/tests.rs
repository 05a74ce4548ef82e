//! Random networks against the plainest arithmetic there is, and files that lie.

use proptest::prelude::*;

use super::engine::BinaryEngine;
use super::shape::Shape;
use super::*;
use crate::engine::{Engine, ModelSource, Options, open};
use crate::tensor::{Tensor, TensorData};
use noroshi_model::{ElementType, EngineKind};

/// Numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32
    }

    fn below(&mut self, limit: usize) -> usize {
        self.roll() as usize % limit
    }

    fn byte(&mut self) -> u8 {
        self.roll() as u8
    }
}

/// Sums of pixels' channels as they are, one `i64` a channel, without any packing.
struct Plain {
    shape: Shape,
    numbers: Vec<i64>,
}

impl Plain {
    fn at(&self, row: isize, column: isize, channel: usize) -> Option<i64> {
        let (row, column) = (usize::try_from(row).ok()?, usize::try_from(column).ok()?);
        let inside = row < self.shape.height && column < self.shape.width;
        let pixel = row * self.shape.width + column;
        inside.then(|| self.numbers[pixel * self.shape.channels + channel])
    }

    fn pool(&self, pool: Pool) -> Self {
        let side = |side: usize| (side - pool.size) / pool.stride + 1;
        let shape = Shape {
            height: side(self.shape.height),
            width: side(self.shape.width),
            ..self.shape
        };
        let mut numbers = Vec::new();
        for position in 0..shape.pixels() {
            let (top, left) = (position / shape.width, position % shape.width);
            for channel in 0..shape.channels {
                let window = (0..pool.size * pool.size).map(|at| {
                    let row = top * pool.stride + at / pool.size;
                    let column = left * pool.stride + at % pool.size;
                    self.at(row as isize, column as isize, channel).unwrap()
                });
                numbers.push(window.max().unwrap());
            }
        }
        Self { shape, numbers }
    }

    fn sums(&self, product: &Product) -> Self {
        let window = product.window;
        let side = |side: usize| (side + 2 * window.padding - window.size) / window.stride + 1;
        let shape = Shape {
            height: side(self.shape.height),
            width: side(self.shape.width),
            channels: product.outputs,
        };
        let inputs = window.size * window.size * self.shape.channels;
        let weight = |output: usize, input: usize| match &product.weights {
            Weights::Bytes(bytes) => i64::from(bytes[output * inputs + input]),
            Weights::Signs(bytes) => {
                let byte = bytes[output * inputs.div_ceil(8) + input / 8];
                i64::from(byte >> (input % 8) & 1) * 2 - 1
            }
        };
        let beyond = i64::from(window.border == Border::MinusOne);
        let mut numbers = Vec::new();
        for position in 0..shape.pixels() {
            let top = (position / shape.width * window.stride) as isize - window.padding as isize;
            let left = (position % shape.width * window.stride) as isize - window.padding as isize;
            for output in 0..product.outputs {
                let terms = (0..inputs).map(|input| {
                    let (tap, channel) = (input / self.shape.channels, input % self.shape.channels);
                    let row = top + (tap / window.size) as isize;
                    let column = left + (tap % window.size) as isize;
                    self.at(row, column, channel).unwrap_or(-beyond) * weight(output, input)
                });
                numbers.push(terms.sum());
            }
        }
        Self { shape, numbers }
    }

    /// A product and its finish; the answer if that is one.
    fn product(&self, product: &Product) -> (Self, Vec<f32>) {
        let mut sums = self.sums(product);
        if let Some(pool) = product.pool {
            sums = sums.pool(pool);
        }
        let mut answer = Vec::new();
        for (at, number) in sums.numbers.iter_mut().enumerate() {
            let output = at % product.outputs;
            *number = match &product.finish {
                Finish::Signs { thresholds, flips } => {
                    let reached = *number >= i64::from(thresholds[output]);
                    if reached ^ flips[output] { 1 } else { -1 }
                }
                Finish::Levels { thresholds, flips } => {
                    let reached = thresholds[output]
                        .iter()
                        .filter(|t| *number >= i64::from(**t));
                    let level = reached.count() as i64;
                    if flips[output] { 3 - level } else { level }
                }
                Finish::Bytes { scale, bias } => {
                    let scaled = *number as f32 * scale[output] + bias[output];
                    scaled.round_ties_even().clamp(0.0, 255.0) as i64
                }
                Finish::Numbers { scale, bias } => {
                    answer.push(*number as f32 * scale[output] + bias[output]);
                    *number
                }
            };
        }
        (sums, answer)
    }
}

/// What `network` answers for one sample of bytes, pixel after pixel.
fn plain_answer(network: &Network, sample: &[u8]) -> Vec<f32> {
    let input = &network.input;
    let zero = i64::from(input.zero);
    let mut value = Plain {
        shape: Shape {
            height: input.height,
            width: input.width,
            channels: input.channels,
        },
        numbers: sample.iter().map(|byte| i64::from(*byte) - zero).collect(),
    };
    let mut answer = Vec::new();
    for layer in &network.layers {
        match layer {
            Layer::Product(product) => (value, answer) = value.product(product),
            Layer::Pool(pool) => value = value.pool(*pool),
            Layer::Flatten => value.shape = value.shape.flat(),
        }
    }
    answer
}

fn random_product(dice: &mut Dice, channels: usize, window: Window, bytes: bool) -> Product {
    let outputs = 1 + dice.below(70);
    let inputs = window.size * window.size * channels;
    let weights = if bytes {
        Weights::Bytes((0..inputs * outputs).map(|_| dice.byte() as i8).collect())
    } else {
        // Bits beyond a filter's inputs are set as well: they must not count.
        let length = inputs.div_ceil(8) * outputs;
        Weights::Signs((0..length).map(|_| dice.byte()).collect())
    };
    Product {
        weights,
        outputs,
        window,
        pool: None,
        finish: Finish::Numbers {
            scale: vec![],
            bias: vec![],
        },
    }
}

/// Thresholds near zero, so that sums fall on both sides.
fn random_finish(dice: &mut Dice, outputs: usize, spread: i32, kind: usize) -> Finish {
    let mut threshold = |_| dice.below(2 * spread as usize + 1) as i32 - spread;
    let thresholds: Vec<i32> = (0..outputs * 3).map(&mut threshold).collect();
    let flips: Vec<bool> = (0..outputs).map(|_| dice.below(3) == 0).collect();
    let numbers: Vec<f32> = (0..outputs * 2)
        .map(|_| dice.below(1000) as f32 / 900.0)
        .collect();
    let (scale, bias) = (numbers[..outputs].to_vec(), numbers[outputs..].to_vec());
    match kind {
        0 => Finish::Signs {
            thresholds: thresholds[..outputs].to_vec(),
            flips,
        },
        1 => {
            let mut thresholds = thresholds.as_chunks::<3>().0.to_vec();
            thresholds
                .iter_mut()
                .for_each(|levels| levels.sort_unstable());
            Finish::Levels { thresholds, flips }
        }
        2 => Finish::Bytes { scale, bias },
        _ => Finish::Numbers { scale, bias },
    }
}

/// A network of two convolutions, pools and a dense layer, every choice thrown.
fn random_network(seed: u64) -> Network {
    let dice = &mut Dice(seed | 1);
    let flat = dice.below(4) == 0;
    let (height, width) = if flat {
        (1, 1)
    } else {
        (7 + dice.below(3), 7 + dice.below(3))
    };
    let channels = if flat {
        1 + dice.below(150)
    } else {
        1 + dice.below(5)
    };
    let zero = if dice.below(2) == 0 { 0 } else { dice.byte() };
    let mut network = Network {
        input: Input {
            name: "input".into(),
            element: Element::U8,
            layout: if flat { Layout::Flat } else { Layout::Nhwc },
            channels,
            height,
            width,
            scale: 1.0,
            zero,
        },
        output: "logits".into(),
        layers: Vec::new(),
    };
    let (mut channels, mut from_signs) = (channels, false);
    for layer in 0..2 {
        let size = if flat { 1 } else { 1 + dice.below(3) };
        let bytes = dice.below(3) == 0;
        let ambiguous = layer == 0 && zero > 0 && !bytes;
        let window = Window {
            size,
            stride: 1 + dice.below(2) * usize::from(layer == 1),
            padding: if ambiguous { 0 } else { dice.below(size) },
            border: if from_signs && !bytes && dice.below(2) == 0 {
                Border::MinusOne
            } else {
                Border::Zero
            },
        };
        let mut product = random_product(dice, channels, window, bytes);
        let kind = dice.below(3);
        let spread = if layer == 0 || bytes { 3_000 } else { 12 };
        product.finish = random_finish(dice, product.outputs, spread, kind);
        (channels, from_signs) = (product.outputs, kind == 0);
        if !flat && layer == 0 && kind < 2 && dice.below(2) == 0 {
            product.pool = Some(Pool { size: 2, stride: 1 });
        }
        network.layers.push(Layer::Product(product));
        if !flat && layer == 0 && dice.below(2) == 0 {
            network
                .layers
                .push(Layer::Pool(Pool { size: 2, stride: 1 }));
        }
    }
    network.layers.push(Layer::Flatten);
    // The features that arrive follow from the shapes, so find them out by asking.
    let mut shape = network.input.shape().unwrap();
    let mut kind = super::shape::Kind::Bytes { zero };
    for layer in &network.layers {
        (shape, kind) = layer.after(shape, kind, &mut Figures::default()).unwrap();
    }
    let bytes = dice.below(2) == 0;
    let mut last = random_product(dice, shape.channels, Window::ONE, bytes);
    last.finish = random_finish(dice, last.outputs, 1, 3);
    network.layers.push(Layer::Product(last));
    network
}

fn run(engine: &mut dyn Engine, network: &Network, samples: usize, bytes: &[u8]) -> Vec<f32> {
    let input = &network.input;
    let shape = match input.layout {
        Layout::Flat => vec![samples, input.channels],
        _ => vec![samples, input.height, input.width, input.channels],
    };
    let tensor = Tensor::new(shape, TensorData::U8(bytes.to_vec())).unwrap();
    let answer = engine.run(&[tensor]).unwrap();
    answer[0].as_f32().unwrap().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_kernel_answers_like_plain_arithmetic(seed: u64) {
        let network = random_network(seed);
        let input = &network.input;
        let length = input.height * input.width * input.channels;
        let dice = &mut Dice(!seed | 1);
        let bytes: Vec<u8> = (0..3 * length).map(|_| dice.byte()).collect();
        let expected: Vec<f32> = bytes
            .chunks(length)
            .flat_map(|sample| plain_answer(&network, sample))
            .collect();
        for kernels in Kernels::available() {
            let mut engine = BinaryEngine::new(&network, kernels).unwrap();
            let answer = run(&mut engine, &network, 3, &bytes);
            prop_assert_eq!(&answer, &expected, "{:?}", kernels.isa());
        }
        let file = network.write().unwrap();
        let read = Network::read(&file).unwrap();
        let mut engine = open(EngineKind::Binary, ModelSource::Bytes(&file), &Options::default())
            .unwrap();
        prop_assert_eq!(run(&mut *engine, &network, 3, &bytes), expected);
        prop_assert_eq!(read.figures().unwrap(), network.figures().unwrap());
    }

    /// The check is made to fit again, so that the reader itself is tried.
    #[test]
    fn a_mutated_file_is_read_or_refused(
        seed in 0_u64..40,
        places: Vec<(proptest::sample::Index, u8)>,
        cut: Option<proptest::sample::Index>,
    ) {
        let mut file = random_network(seed).write().unwrap();
        file.truncate(file.len() - super::file::CHECK_BYTES);
        for (place, value) in places {
            // Half of the damage goes where the structure is, at the front.
            let length = if value % 2 == 0 { file.len() } else { file.len().min(64) };
            let place = place.index(length);
            file[place] = value;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        file.extend(super::file::check_of(&file));
        if let Ok(network) = Network::read(&file) {
            let figures = network.figures().unwrap();
            if figures.macs < 10_000_000 && figures.peak_memory < 10_000_000 {
                let mut engine = BinaryEngine::new(&network, Kernels::best()).unwrap();
                let shape: Vec<usize> =
                    engine.inputs()[0].shape.iter().map(|side| side.unwrap_or(1)).collect();
                let element = engine.inputs()[0].element;
                let input = Tensor::zeros(&shape, element).unwrap();
                engine.run(&[input]).unwrap();
            }
        }
    }
}

fn tiny() -> Network {
    let product = |outputs, weights, finish| Product {
        weights,
        outputs,
        window: Window::ONE,
        pool: None,
        finish,
    };
    Network {
        input: Input {
            name: "x".into(),
            element: Element::F32,
            layout: Layout::Flat,
            channels: 3,
            height: 1,
            width: 1,
            scale: 0.5,
            zero: 10,
        },
        output: "y".into(),
        layers: vec![
            Layer::Product(product(
                2,
                Weights::Bytes(vec![1, 2, 3, -1, 0, 1]),
                Finish::Signs {
                    thresholds: vec![6, 1],
                    flips: vec![false, true],
                },
            )),
            Layer::Product(product(
                1,
                Weights::Signs(vec![0b01]),
                Finish::Numbers {
                    scale: vec![2.0],
                    bias: vec![0.5],
                },
            )),
        ],
    }
}

#[test]
fn a_network_of_numbers_answers() {
    let mut engine = BinaryEngine::new(&tiny(), Kernels::best()).unwrap();
    assert_eq!(engine.inputs()[0].element, ElementType::F32);
    // Quantized: 1, 1, 1 → sums 6 and 0 → signs +1 and, turned, +1 → (1 − 1) · 2 + .5.
    let ones = Tensor::f32(vec![1, 3], vec![0.5, 0.6, 0.4]).unwrap();
    assert_eq!(engine.run(&[ones]).unwrap()[0].as_f32(), Some(&[0.5][..]));
    // 0, 1, 1 → 5 and 1 → −1 and, turned, −1.
    let other = Tensor::f32(vec![1, 3], vec![0.0, 0.5, 0.5]).unwrap();
    assert_eq!(engine.run(&[other]).unwrap()[0].as_f32(), Some(&[0.5][..]));
    // −1, 1, 2 → 7 and 3 → +1 and −1.
    let third = Tensor::f32(vec![1, 3], vec![-0.5, 0.5, 1.0]).unwrap();
    assert_eq!(engine.run(&[third]).unwrap()[0].as_f32(), Some(&[4.5][..]));
}

#[test]
fn a_wrong_file_says_what_is_wrong() {
    let said = |bytes: &[u8]| Network::read(bytes).unwrap_err().to_string();
    let file = tiny().write().unwrap();
    assert!(Network::read(&file).is_ok());
    assert!(said(b"NBIN").contains("too short"));
    assert!(said(&[0; 40]).contains("NBIN"));
    let mut newer = file.clone();
    newer[4] = 2;
    assert!(said(&newer).contains("format 2"), "{}", said(&newer));
    let mut damaged = file.clone();
    damaged[20] ^= 1;
    assert!(said(&damaged).contains("damaged"));
    let mut longer = file[..file.len() - 8].to_vec();
    longer.push(0);
    longer.extend(super::file::check_of(&longer));
    assert!(said(&longer).contains("follow the last layer"));
}

#[test]
fn layers_that_do_not_fit_are_refused() {
    let refused = |change: &dyn Fn(&mut Network)| {
        let mut network = tiny();
        change(&mut network);
        network.write().unwrap_err().to_string()
    };
    assert!(refused(&|n| n.layers.truncate(1)).contains("last layer"));
    assert!(refused(&|n| n.input.channels = 9).contains("weights"));
    assert!(refused(&|n| n.input.scale = f32::NAN).contains("scale"));
    assert!(refused(&|n| n.input.channels = 1 << 30).contains("numbers lie"));
    assert!(refused(&|n| n.layers.push(Layer::Flatten)).contains("follows"));
    assert!(
        refused(&|n| n.layers.insert(0, Layer::Pool(Pool { size: 2, stride: 1 }))).contains("pool")
    );
    assert!(refused(&|n| n.layers = vec![Layer::Flatten; 300]).contains("at most 256"));
}

#[test]
fn the_files_size_is_its_weights_and_little_else() {
    // 784-512-512-10, weights of one bit throughout.
    let dice = &mut Dice(7);
    let mut layers = Vec::new();
    for (inputs, outputs, kind) in [(784, 512, 0), (512, 512, 0), (512, 10, 3)] {
        layers.push(Layer::Product(Product {
            weights: Weights::Signs((0..inputs / 8 * outputs).map(|_| dice.byte()).collect()),
            outputs,
            window: Window::ONE,
            pool: None,
            finish: random_finish(dice, outputs, 100, kind),
        }));
    }
    let network = Network {
        input: Input {
            channels: 784,
            ..tiny().input
        },
        layers,
        ..tiny()
    };
    let figures = network.figures().unwrap();
    assert_eq!(figures.weight_bytes, 83_584);
    assert_eq!(figures.sign_weights, 668_672);
    assert_eq!(figures.macs, 668_672);
    assert!(network.write().unwrap().len() <= 87_000);
}
