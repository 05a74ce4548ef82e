//! The network for the watch: seven exercises from six axes, by people who were not learned from.

use anyhow::Result;
use noroshi_train::{Augmentation, Conv, Layer, NetBuilder, Recipe, Shape, Weights};
use serde_json::json;

use super::nets::Task;
use super::variation::Variation;
use crate::datasets::{self, Part, Recording, Rows, WATCH_AXES};

/// Samples of a window: two seconds.
const WINDOW: usize = 100;

/// Samples between two windows: those to learn from, those to be judged by.
const STEPS: [usize; 2] = [25, 50];

/// Variations beside each window to learn from. Chosen on four pairs of those people who are learned
/// from, each pair by a network of the six others: .824 without the other arm, .850 with it, .858
/// with more dropout too; further turns, other paces, smoothing or more variations are no better.
const COPIES: usize = 3;

const DROPOUT: f32 = 0.4;

/// People who are judged by and not learned from: every fifth of ten.
const HELD_OUT: [u16; 2] = [5, 10];

/// Windows of the watch, each axis with mean 0 and deviation 1 over those to learn from.
pub(super) fn watch() -> Result<Task> {
    let recordings = datasets::watch()?;
    let (unseen, learned): (Vec<_>, Vec<_>) = recordings
        .into_iter()
        .partition(|one| HELD_OUT.contains(&one.subject));
    let measures = measures(&learned);
    Ok(Task {
        name: "watch",
        least: 0.90,
        train: varied(&learned, &measures),
        test: part(&unseen, STEPS[1], &measures),
        shape: Shape::series(WATCH_AXES, WINDOW),
        classes: 7,
        build: network,
        recipe: Recipe {
            epochs: 6,
            rate: 3e-3,
            weight_decay: 1e-4,
            augmentation: Augmentation {
                shift: 5,
                flip: false,
                noise: 0.05,
            },
            ..Recipe::default()
        },
        more: json!({ "copies": COPIES, "other arm": true, "dropout": DROPOUT }),
    })
}

/// Wide where steps run over their inputs, so that the widest value is most of the arena; the
/// first kernel is short, because its patch lies beside it.
fn network(net: NetBuilder) -> NetBuilder {
    let along = |outputs, kernel: usize, stride, groups| {
        Layer::Conv(Conv {
            outputs,
            kernel: [1, kernel],
            stride: [1, stride],
            padding: [0, kernel / 2, 0, kernel / 2],
            groups,
            bias: false,
            weights: Weights::Float,
        })
    };
    let block = |net: NetBuilder, channels, stride, outputs| {
        let net = net.layer(along(channels, 7, stride, channels));
        let net = net.normalize().relu().layer(along(outputs, 1, 1, 1));
        net.normalize().relu()
    };
    let net = net.layer(along(40, 5, 2, 1)).normalize().relu();
    let net = block(net, 40, 1, 40);
    let net = block(net, 40, 2, 48);
    let net = block(net, 48, 1, 48);
    net.global_average().dropout(DROPOUT).dense(7)
}

fn part(recordings: &[Recording], step: usize, measures: &[(f32, f32)]) -> Part {
    let (mut rows, mut labels) = (Vec::new(), Vec::new());
    for window in recordings.iter().flat_map(|one| one.windows(WINDOW, step)) {
        rows.extend(standardized(window.samples, measures));
        labels.push(window.label);
    }
    Part {
        columns: WINDOW * WATCH_AXES,
        rows: Rows::F32(rows),
        labels,
    }
}

/// Windows to learn from, and as many more of other people who might be.
fn varied(recordings: &[Recording], measures: &[(f32, f32)]) -> Part {
    let mut part = part(recordings, STEPS[0], measures);
    let mut rows = part.floats();
    let mut variation = Variation::new(7);
    for recording in recordings {
        let windows = recording.windows(WINDOW, STEPS[0]).count();
        for _ in 0..COPIES * windows {
            if let Some(window) = variation.window(&recording.samples, WINDOW) {
                rows.extend(standardized(&window, measures));
                part.labels.push(recording.label);
            }
        }
    }
    part.rows = Rows::F32(rows);
    part
}

/// The window as a network takes it: an axis after the other.
fn standardized(window: &[f32], measures: &[(f32, f32)]) -> Vec<f32> {
    let axes = measures.iter().enumerate();
    let along = |(axis, (mean, deviation)): (usize, &(f32, f32))| {
        let samples = window.chunks_exact(WATCH_AXES);
        samples
            .map(move |sample| (sample[axis] - mean) / deviation)
            .collect::<Vec<_>>()
    };
    axes.flat_map(along).collect()
}

/// Mean and deviation of each axis.
fn measures(recordings: &[Recording]) -> Vec<(f32, f32)> {
    let samples = || {
        recordings
            .iter()
            .flat_map(|one| one.samples.chunks(WATCH_AXES))
    };
    let count = samples().count() as f64;
    let measure = |axis: usize| {
        let numbers = || samples().map(|sample| f64::from(sample[axis]));
        let mean = numbers().sum::<f64>() / count;
        let squares: f64 = numbers().map(|number| (number - mean).powi(2)).sum();
        (mean as f32, (squares / count).sqrt() as f32)
    };
    (0..WATCH_AXES).map(measure).collect()
}
