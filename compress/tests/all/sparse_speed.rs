//! Whether a kernel for sparse weights would pay: one sample of a pruned perceptron by a kernel that
//! skips the zeros, beside ONNX Runtime with the zeros in float and with 8-bit integers.
//!
//! Measured with AVX-512 and VNNI, microseconds of one sample, by share of weights that are left:
//!
//! | network | left | sparse | float | 8 bits |
//! |---|---|---|---|---|
//! | 784-300-100-10 | 8.2 % | 7.9 | 18.0 | 10.0 |
//! | 784-300-100-10 | 4.2 % | 4.5 | 18.1 | 10.1 |
//! | 1024-1024-1024-10 | 10.2 % | 77.5 | 362 | 45.8 |
//! | 1024-1024-1024-10 | 3.2 % | 26.4 | 348 | 54.7 |
//!
//! So it beats float, but what 8 bits give any network in an engine that every device has, it beats
//! clearly only where less than a twentieth of the weights is left, and never in convolutions. No
//! engine of its own is kept for that: `noroshi model prune` says that there is no speed gain.
//! To measure again, alone on a quiet machine: --ignored --nocapture.

use std::hint::black_box;
use std::time::Instant;

use noroshi_compress::quantize::{Options as Quantization, quantize};
use noroshi_compress::statistics::median;
use noroshi_engine::{Engine, ModelSource, Tensor, open};
use noroshi_model::EngineKind;
use noroshi_onnx::{ModelProto, encode};
use noroshi_train::{Criterion, Net, Role, Shape, prune};

use crate::common::{Numbers, engine_options};

const ROUNDS: usize = 400;
/// Runs that are timed together.
const TOGETHER: usize = 20;

/// The weights of one layer that are left, row by row.
struct Rows {
    starts: Vec<usize>,
    places: Vec<u16>,
    values: Vec<f32>,
    bias: Vec<f32>,
}

impl Rows {
    fn of(weights: &[f32], bias: &[f32]) -> Self {
        let row = weights.len() / bias.len();
        let (mut starts, mut places, mut values) = (vec![0], Vec::new(), Vec::new());
        for weights in weights.chunks(row) {
            for (place, &weight) in weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
                places.push(place as u16);
                values.push(weight);
            }
            starts.push(places.len());
        }
        let bias = bias.to_vec();
        Self {
            starts,
            places,
            values,
            bias,
        }
    }

    fn run(&self, input: &[f32], output: &mut Vec<f32>) {
        output.clear();
        for (row, bias) in self.starts.windows(2).zip(&self.bias) {
            let places = &self.places[row[0]..row[1]];
            let values = &self.values[row[0]..row[1]];
            let mut sums = [*bias, 0.0, 0.0, 0.0];
            let (places, places_left) = places.as_chunks::<4>();
            let (values, values_left) = values.as_chunks::<4>();
            for (places, values) in places.iter().zip(values) {
                for lane in 0..4 {
                    sums[lane] += input[usize::from(places[lane])] * values[lane];
                }
            }
            for (place, value) in places_left.iter().zip(values_left) {
                sums[0] += input[usize::from(*place)] * value;
            }
            output.push(sums.iter().sum());
        }
    }
}

fn microseconds(mut run: impl FnMut()) -> f64 {
    (0..TOGETHER).for_each(|_| run());
    let times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            (0..TOGETHER).for_each(|_| run());
            start.elapsed().as_secs_f64() * 1e6 / TOGETHER as f64
        })
        .collect();
    median(&times).unwrap()
}

fn session(model: &ModelProto) -> Box<dyn Engine> {
    let bytes = encode(model).unwrap();
    let source = ModelSource::Bytes(&bytes);
    open(EngineKind::OnnxRuntime, source, &engine_options()).unwrap()
}

#[test]
#[ignore = "takes seconds, and its figures count on a quiet machine only"]
fn sparse_beside_onnx_runtime() {
    for (widths, keep) in [
        ([784, 300, 100, 10], [0.08, 0.09, 0.26]),
        ([784, 300, 100, 10], [0.04, 0.05, 0.2]),
        ([1024, 1024, 1024, 10], [0.1, 0.1, 0.5]),
        ([1024, 1024, 1024, 10], [0.03, 0.03, 0.5]),
    ] {
        let net = Net::builder(Shape::flat(widths[0]), 1)
            .dense(widths[1])
            .relu();
        let mut net = net
            .dense(widths[2])
            .relu()
            .dense(widths[3])
            .build()
            .unwrap();
        let left = prune(&mut net, &keep, Criterion::Magnitude).unwrap();
        let mut numbers = Numbers(7);
        let input: Vec<f32> = (0..widths[0]).map(|_| numbers.next().max(0.0)).collect();
        let tensor = Tensor::f32(vec![1, widths[0]], input.clone()).unwrap();
        let float = net.export_onnx().unwrap();
        let options = Quantization {
            engine: engine_options(),
            ..Quantization::default()
        };
        let calibration = [tensor.clone()];
        let int8 = quantize(&float, &calibration, &options, &mut |_| {}).unwrap();
        let [mut float, mut int8] = [session(&float), session(&int8.model)];
        let layers: Vec<Rows> = net
            .layers()
            .iter()
            .filter(|node| node.weights().is_some())
            .map(|node| Rows::of(node.values(Role::Weight), node.values(Role::Bias)))
            .collect();
        let mut values = [input.clone(), Vec::new()];
        let mut answer = || {
            values[0].clone_from(&input);
            for (place, layer) in layers.iter().enumerate() {
                let [before, after] = &mut values;
                layer.run(before, after);
                if place + 1 < layers.len() {
                    after.iter_mut().for_each(|value| *value = value.max(0.0));
                }
                values.swap(0, 1);
            }
            values[0].clone()
        };
        let expected = float.run(std::slice::from_ref(&tensor)).unwrap();
        for (own, theirs) in answer().iter().zip(expected[0].to_f32().iter()) {
            assert!((own - theirs).abs() < 1e-4, "{own} {theirs}");
        }
        let sparse = microseconds(|| drop(black_box(answer())));
        let timed = |engine: &mut dyn Engine| {
            microseconds(|| {
                drop(black_box(
                    engine.run(std::slice::from_ref(&tensor)).unwrap(),
                ));
            })
        };
        let (dense, integers) = (timed(&mut *float), timed(&mut *int8));
        eprintln!(
            "{widths:?}, {:.1} % left: sparse {sparse:.1} µs, ONNX Runtime {dense:.1} µs in float, \
             {integers:.1} µs with 8 bits",
            100.0 * left.kept as f64 / left.total as f64
        );
    }
}
