//! What is made of a block of sums.

use super::kernels::{COLUMNS, Kernels};
use super::network::{Finish, Pool};
use super::shape::Shape;
use super::value::{Bytes, Planes, Value};

/// A finish as the kernels want it.
#[derive(Debug, Clone)]
pub(super) struct Finisher {
    outputs: usize,
    pool: Option<Pool>,
    steps: Steps,
}

#[derive(Debug, Clone)]
enum Steps {
    /// One list of thresholds (signs) or three (levels), each a whole number of words.
    Compare {
        thresholds: Vec<Vec<i32>>,
        flips: Vec<u64>,
    },
    Bytes {
        scale: Vec<f32>,
        bias: Vec<f32>,
    },
    Numbers {
        scale: Vec<f32>,
        bias: Vec<f32>,
    },
}

impl Finisher {
    pub(super) fn new(finish: &Finish, pool: Option<Pool>) -> Self {
        let outputs = finish.outputs();
        let padded = |thresholds: &mut dyn Iterator<Item = i32>| {
            let mut list: Vec<i32> = thresholds.collect();
            // Reached by no sum, so that bits beyond the outputs stay 0.
            list.resize(outputs.next_multiple_of(COLUMNS), i32::MAX);
            list
        };
        let steps = match finish {
            Finish::Signs { thresholds, flips } => Steps::Compare {
                thresholds: vec![padded(&mut thresholds.iter().copied())],
                flips: words_of(flips),
            },
            Finish::Levels { thresholds, flips } => Steps::Compare {
                thresholds: (0..3)
                    .map(|level| padded(&mut thresholds.iter().map(|each| each[level])))
                    .collect(),
                flips: words_of(flips),
            },
            Finish::Bytes { scale, bias } => Steps::Bytes {
                scale: scale.clone(),
                bias: bias.clone(),
            },
            Finish::Numbers { scale, bias } => Steps::Numbers {
                scale: scale.clone(),
                bias: bias.clone(),
            },
        };
        Self {
            outputs,
            pool,
            steps,
        }
    }

    /// An empty value, for sums of `shape`.
    pub(super) fn begin(&self, shape: Shape, samples: usize) -> Value {
        let numbers = samples * shape.pixels() * shape.channels;
        match &self.steps {
            Steps::Compare { thresholds, flips } => {
                let planes = Planes {
                    shape,
                    planes: thresholds.len().min(2),
                    words: Vec::with_capacity(samples * shape.pixels() * flips.len() * 2),
                };
                if thresholds.len() == 1 {
                    Value::Signs(planes)
                } else {
                    Value::Levels(planes)
                }
            }
            Steps::Bytes { .. } => Value::Bytes(Bytes {
                shape,
                zero: 0,
                bytes: Vec::with_capacity(numbers),
            }),
            Steps::Numbers { .. } => Value::Numbers(Vec::with_capacity(numbers)),
        }
    }

    /// Adds a block of sums to `value`: rows of whole words of columns.
    pub(super) fn block(
        &self,
        kernels: Kernels,
        sums: &[i32],
        reached: &mut [Vec<u64>; 3],
        value: &mut Value,
    ) {
        let stride = self.outputs.next_multiple_of(COLUMNS);
        match (&self.steps, value) {
            (Steps::Compare { thresholds, .. }, Value::Signs(planes) | Value::Levels(planes)) => {
                for (thresholds, bits) in thresholds.iter().zip(reached.iter_mut()) {
                    bits.resize(sums.len() / COLUMNS, 0);
                    kernels.reach(sums, thresholds, bits);
                }
                if thresholds.len() == 1 {
                    planes.words.extend_from_slice(&reached[0]);
                } else {
                    add_levels(reached, stride / COLUMNS, &mut planes.words);
                }
            }
            (Steps::Bytes { scale, bias }, Value::Bytes(value)) => {
                for row in sums.chunks(stride) {
                    let scaled = row.iter().zip(scale.iter().zip(bias));
                    value.bytes.extend(scaled.map(|(sum, (scale, bias))| {
                        (*sum as f32 * scale + bias).round_ties_even() as u8
                    }));
                }
            }
            (Steps::Numbers { scale, bias }, Value::Numbers(numbers)) => {
                for row in sums.chunks(stride) {
                    let scaled = row.iter().zip(scale.iter().zip(bias));
                    numbers.extend(scaled.map(|(sum, (scale, bias))| *sum as f32 * scale + bias));
                }
            }
            _ => unreachable!("a finisher is given the value that it began"),
        }
    }

    /// Pools and turns what the blocks made: the largest sum reaches a threshold where any of
    /// the sums does, so bits are pooled instead, before they are turned.
    pub(super) fn end(&self, mut value: Value) -> Value {
        if let Value::Signs(planes) | Value::Levels(planes) = &mut value
            && let Steps::Compare { flips, .. } = &self.steps
        {
            if let Some(pool) = self.pool {
                *planes = planes.pool(pool);
            }
            if flips.iter().any(|word| *word != 0) {
                planes.flip(flips);
            }
        }
        value
    }
}

/// Levels from the bits of three thresholds, which don't descend: their sum in two planes.
fn add_levels(reached: &[Vec<u64>; 3], plane_words: usize, words: &mut Vec<u64>) {
    let [first, second, third] = reached;
    for start in (0..first.len()).step_by(plane_words) {
        let row = start..start + plane_words;
        words.extend(row.clone().map(|at| first[at] ^ second[at] ^ third[at]));
        words.extend_from_slice(&second[row]);
    }
}

fn words_of(flips: &[bool]) -> Vec<u64> {
    let word = |bits: &[bool]| {
        let bits = bits.iter().enumerate();
        bits.fold(0, |word, (place, bit)| word | (u64::from(*bit) << place))
    };
    flips.chunks(64).map(word).collect()
}
