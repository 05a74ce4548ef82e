//! How fast products of bits are beside those of floats and bytes, on this machine: an operation
//! count says 58 times, a tuned kernel on the other side leaves less.

use std::fmt;
use std::hint::black_box;

use noroshi_engine::binary::{
    Border, Finish, Kernels, Pool, Product, Shape, SingleProduct, Weights, Window,
};
use noroshi_engine::{Options, isa, thread_cpu};

use super::peers;
use crate::Result;

/// Times that each contender runs; the median counts.
const ROUNDS: usize = 41;

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// `[rows, inputs] · [inputs, outputs]`.
    Product {
        /// Rows.
        rows: usize,
        /// Inputs of each output.
        inputs: usize,
        /// Outputs.
        outputs: usize,
    },
    /// A 3 by 3 convolution of one square image with a border of one pixel.
    Convolution {
        /// Rows and columns.
        side: usize,
        /// Channels in and out.
        channels: usize,
    },
}

/// How long one contender takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// What ran: `f32 gemm`, `int8 onnxruntime`, `W1A1 popcnt`, ….
    pub name: String,
    /// Median CPU microseconds on one thread.
    pub microseconds: f64,
}

/// All contenders at one work, run in turns.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// What was computed.
    pub work: Work,
    /// The best instruction set for bytes and floats, as reports say it.
    pub isa: &'static str,
    /// The contenders.
    pub timings: Vec<Timing>,
}

impl Work {
    pub(super) fn shape(self) -> Shape {
        match self {
            Self::Product { rows, inputs, .. } => Shape {
                height: rows,
                width: 1,
                channels: inputs,
            },
            Self::Convolution { side, channels } => Shape {
                height: side,
                width: side,
                channels,
            },
        }
    }

    pub(super) const fn outputs(self) -> usize {
        match self {
            Self::Product { outputs, .. } => outputs,
            Self::Convolution { channels, .. } => channels,
        }
    }

    pub(super) const fn window(self) -> Window {
        match self {
            Self::Product { .. } => Window::ONE,
            Self::Convolution { .. } => Window {
                size: 3,
                stride: 1,
                padding: 1,
                border: Border::Zero,
            },
        }
    }

    /// Inputs of one output.
    pub(super) fn inputs(self) -> usize {
        let window = self.window().size;
        window * window * self.shape().channels
    }

    /// Multiplications and additions.
    pub fn macs(self) -> u64 {
        let shape = self.shape();
        (shape.pixels() * self.inputs() * self.outputs()) as u64
    }

    fn packed(self, levels: bool, kernels: Kernels) -> Result<SingleProduct> {
        let (outputs, inputs) = (self.outputs(), self.inputs());
        let mut bytes = peers::Noise::new(1);
        let finish = if levels {
            Finish::Levels {
                thresholds: vec![[-9, 0, 9]; outputs],
                flips: vec![false; outputs],
            }
        } else {
            Finish::Signs {
                thresholds: vec![0; outputs],
                flips: vec![false; outputs],
            }
        };
        let product = Product {
            weights: Weights::Signs(bytes.bytes(inputs.div_ceil(8) * outputs)),
            outputs,
            window: self.window(),
            pool: None::<Pool>,
            finish,
        };
        let shape = self.shape();
        let planes = if levels { 2 } else { 1 };
        let count = shape.pixels() * planes * shape.channels.div_ceil(64);
        let words = (0..count).map(|_| bytes.word()).collect();
        Ok(SingleProduct::new(&product, shape, levels, words, kernels)?)
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Product {
                rows,
                inputs,
                outputs,
            } => write!(f, "product M={rows} K={inputs} N={outputs}"),
            Self::Convolution { side, channels } => {
                write!(f, "conv 3x3 {side}x{side}x{channels}→{channels}")
            }
        }
    }
}

type Contender = (String, Box<dyn FnMut() -> Result<()>>);

/// Runs `work` with floats (`gemm`, and ONNX Runtime), bytes (ONNX Runtime) and bits (each
/// instruction set of this CPU), in turns on one thread.
pub fn compare(work: Work, options: &Options) -> Result<Comparison> {
    let mut contenders: Vec<Contender> = vec![("f32 gemm".into(), peers::gemm(work))];
    contenders.push(("f32 onnxruntime".into(), peers::float(work, options)?));
    contenders.push(("int8 onnxruntime".into(), peers::bytes(work, options)?));
    for kernels in Kernels::available() {
        for (name, levels) in [("W1A1", false), ("W1A2", true)] {
            let mut product = work.packed(levels, kernels)?;
            let name = format!("{name} {}", kernels.isa().word());
            let run = move || {
                black_box(product.run());
                Ok(())
            };
            contenders.push((name, Box::new(run)));
        }
    }
    let mut times = vec![Vec::with_capacity(ROUNDS); contenders.len()];
    // The first rounds warm caches and clocks.
    for round in 0..ROUNDS + 3 {
        for ((_, run), times) in contenders.iter_mut().zip(&mut times) {
            let start = thread_cpu();
            run()?;
            let took = thread_cpu().saturating_sub(start);
            if round >= 3 {
                times.push(took);
            }
        }
    }
    let timings = contenders.iter().zip(times).map(|((name, _), mut times)| {
        times.sort_unstable();
        Timing {
            name: name.clone(),
            microseconds: times[ROUNDS / 2].as_secs_f64() * 1e6,
        }
    });
    Ok(Comparison {
        work,
        isa: isa(),
        timings: timings.collect(),
    })
}

impl Comparison {
    /// How long `name` takes, in CPU microseconds; nothing if it did not run.
    pub fn of(&self, name: &str) -> Option<f64> {
        let timing = self.timings.iter().find(|timing| timing.name == name)?;
        Some(timing.microseconds)
    }

    /// How many times faster `name` is than `other`, if both ran.
    pub fn gain(&self, name: &str, other: &str) -> Option<f64> {
        Some(self.of(other)? / self.of(name)?)
    }

    /// The fastest with bits: W1A1 or W1A2.
    pub fn best(&self, bits: &str) -> Option<&Timing> {
        self.timings
            .iter()
            .filter(|timing| timing.name.starts_with(bits))
            .min_by(|a, b| a.microseconds.total_cmp(&b.microseconds))
    }

    /// What to choose here, in words, for W1A1 and W1A2.
    pub fn verdicts(&self) -> Vec<String> {
        let Some(bytes) = self.of("int8 onnxruntime") else {
            return Vec::new();
        };
        let verdict = |bits: &str| {
            let best = self.best(bits)?;
            let (name, gain) = (&best.name, bytes / best.microseconds);
            Some(if gain < 1.0 {
                format!(
                    "{}: int8 is faster here, {:.2} times {name}",
                    self.work,
                    1.0 / gain
                )
            } else {
                format!("{}: {name} is {gain:.2} times faster than int8", self.work)
            })
        };
        ["W1A1", "W1A2"].into_iter().filter_map(verdict).collect()
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({}, one thread)", self.work, self.isa)?;
        for timing in &self.timings {
            let operations = 2.0 * self.work.macs() as f64 / timing.microseconds / 1e3;
            writeln!(
                f,
                "  {:<26} {:>9.1} µs {operations:>8.1} Gop/s",
                timing.name, timing.microseconds
            )?;
        }
        for verdict in self.verdicts() {
            writeln!(f, "  {verdict}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bytes: f64, bits: f64) -> Vec<String> {
        let timing = |name: &str, microseconds| Timing {
            name: name.into(),
            microseconds,
        };
        let comparison = Comparison {
            work: Work::Product {
                rows: 1,
                inputs: 64,
                outputs: 8,
            },
            isa: "none",
            timings: vec![
                timing("int8 onnxruntime", bytes),
                timing("W1A1 scalar", bits * 3.0),
                timing("W1A1 popcnt", bits),
            ],
        };
        comparison.verdicts()
    }

    #[test]
    fn the_faster_one_is_named() {
        let faster = told(10.0, 20.0);
        assert!(
            faster[0].contains("int8 is faster here, 2.00"),
            "{faster:?}"
        );
        let slower = told(30.0, 20.0);
        assert!(slower[0].contains("W1A1 popcnt is 1.50"), "{slower:?}");
    }
}
