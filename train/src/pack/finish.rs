//! What is made of sums: thresholds found by asking the network's own functions.

use noroshi_engine::binary::{
    Finish, Pool as PackedPool, Product, Weights as PackedWeights, Window,
};

/// A function of each output, after a product.
#[derive(Debug, Clone)]
pub(super) enum After {
    Bias(Vec<f32>),
    Affine(Vec<f32>, Vec<f32>),
    Relu,
}

/// A product whose answer is not yet an activation.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) weights: PackedWeights,
    pub(super) outputs: usize,
    pub(super) window: Window,
    /// Taken of the sums.
    pub(super) pool: Option<PackedPool>,
    /// No sum is larger in magnitude.
    pub(super) most: i64,
    /// What a whole number of the input stands for.
    pub(super) unit: f32,
    /// What a whole number of each output's weights stands for.
    pub(super) scales: Vec<f32>,
    pub(super) after: Vec<After>,
    /// Taken after the activation, which no order of the two changes.
    pub(super) late_pools: Vec<PackedPool>,
}

impl Pending {
    /// What the network has before the activation, where this is the sum of whole numbers.
    fn value(&self, output: usize, sum: i64) -> f32 {
        let mut value = sum as f32 * self.unit * self.scales[output];
        for function in &self.after {
            value = match function {
                After::Bias(bias) => value + bias[output],
                After::Affine(factors, offsets) => value * factors[output] + offsets[output],
                After::Relu => value.max(0.0),
            };
        }
        value
    }

    /// The least sum from which on `reached` holds, which never changes back.
    fn least(&self, reached: impl Fn(i64) -> bool) -> i32 {
        let (mut low, mut high) = (-self.most, self.most + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if reached(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
    }

    fn falls(&self, output: usize) -> bool {
        self.value(output, self.most) < self.value(output, -self.most)
    }

    pub(super) fn signs(&self) -> Finish {
        let flips: Vec<bool> = (0..self.outputs).map(|output| self.falls(output)).collect();
        let threshold = |(output, &falls): (usize, &bool)| {
            self.least(|sum| (self.value(output, sum) >= 0.0) != falls)
        };
        Finish::Signs {
            thresholds: flips.iter().enumerate().map(threshold).collect(),
            flips,
        }
    }

    /// Four levels, of which `level` tells which one a number is.
    pub(super) fn levels(&self, level: impl Fn(f32) -> u8) -> Finish {
        let flips: Vec<bool> = (0..self.outputs).map(|output| self.falls(output)).collect();
        let thresholds = |(output, &falls): (usize, &bool)| {
            [1, 2, 3].map(|count| {
                self.least(|sum| {
                    let level = level(self.value(output, sum));
                    if falls {
                        3 - level >= count
                    } else {
                        level >= count
                    }
                })
            })
        };
        Finish::Levels {
            thresholds: flips.iter().enumerate().map(thresholds).collect(),
            flips,
        }
    }

    /// Factor and addend of each output, divided by `step`. A ReLU before eight unsigned bits is
    /// their lowest level.
    pub(super) fn affine(&self, step: f32) -> (Vec<f32>, Vec<f32>) {
        let one = |output: usize| {
            let (mut scale, mut offset) = (self.unit * self.scales[output], 0.0);
            for function in &self.after {
                match function {
                    After::Bias(bias) => offset += bias[output],
                    After::Affine(factors, offsets) => {
                        scale *= factors[output];
                        offset = offset * factors[output] + offsets[output];
                    }
                    After::Relu => {}
                }
            }
            (scale / step, offset / step)
        };
        (0..self.outputs).map(one).unzip()
    }

    /// Whether a larger sum surely is a larger number so far.
    pub(super) fn is_rising(&self) -> bool {
        self.after
            .iter()
            .all(|function| matches!(function, After::Bias(_)))
    }

    pub(super) fn has_relu(&self) -> bool {
        self.after
            .iter()
            .any(|function| matches!(function, After::Relu))
    }

    pub(super) fn product(self, finish: Finish) -> (Product, Vec<PackedPool>) {
        let product = Product {
            weights: self.weights,
            outputs: self.outputs,
            window: self.window,
            pool: self.pool,
            finish,
        };
        (product, self.late_pools)
    }
}
