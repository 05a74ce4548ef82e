//! How long an epoch takes on candle's own graph: the figures of the decision to own the kernels.
//! And custom operators on its graph, as far as they go.

use std::time::Instant;

use candle_core::{D, DType, Device, Result, Tensor, Var};

const SAMPLES: usize = 8_000;
const BATCH: usize = 100;

fn variable(shape: &[usize], deviation: f64) -> Result<Var> {
    Var::from_tensor(&(Tensor::randn(0f32, 1f32, shape, &Device::Cpu)? * deviation)?)
}

fn sign(values: &Tensor) -> Result<Tensor> {
    let signs = ((values.ge(0f32)?.to_dtype(DType::F32)? * 2.0)? - 1.0)?;
    let kept = values.clamp(-1f32, 1f32)?;
    &kept + (signs - &kept)?.detach()
}

fn normalize(values: &Tensor, scale: &Var, shift: &Var) -> Result<Tensor> {
    let mean = values.mean_keepdim(0)?;
    let centered = values.broadcast_sub(&mean)?;
    let variance = centered.sqr()?.mean_keepdim(0)?;
    let normal = centered.broadcast_div(&(variance + 1e-4)?.sqrt()?)?;
    normal.broadcast_mul(scale)?.broadcast_add(shift)
}

struct Adam {
    variables: Vec<(Var, Var, Var)>,
}

impl Adam {
    fn new(variables: &[&Var]) -> Result<Self> {
        let zero = |v: &&Var| {
            Ok((
                (*v).clone(),
                Var::zeros(v.shape(), DType::F32, &Device::Cpu)?,
                Var::zeros(v.shape(), DType::F32, &Device::Cpu)?,
            ))
        };
        let variables = variables.iter().map(zero).collect::<Result<_>>()?;
        Ok(Self { variables })
    }

    fn step(&self, loss: &Tensor, clip: bool) -> Result<()> {
        let gradients = loss.backward()?;
        for (variable, first, second) in &self.variables {
            let Some(gradient) = gradients.get(variable) else {
                continue;
            };
            let m = ((first.as_tensor() * 0.9)? + (gradient * 0.1)?)?;
            let v = ((second.as_tensor() * 0.999)? + (gradient.sqr()? * 0.001)?)?;
            let step = (&m / (v.sqrt()? + 1e-8)?)?;
            let mut next = (variable.as_tensor() - (step * 1e-3)?)?;
            if clip {
                next = next.clamp(-1f32, 1f32)?;
            }
            variable.set(&next)?;
            first.set(&m)?;
            second.set(&v)?;
        }
        Ok(())
    }
}

fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let largest = logits.max_keepdim(D::Minus1)?.detach();
    let shifted = logits.broadcast_sub(&largest)?;
    let total = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    shifted
        .broadcast_sub(&total)?
        .gather(&labels.unsqueeze(1)?, 1)?
        .mean_all()?
        .neg()
}

#[test]
#[ignore = "a measurement: cargo one-test -p noroshi-train --test all candle_epoch -- --ignored --nocapture"]
fn a_binary_perceptron() {
    binary_perceptron().unwrap();
}

fn binary_perceptron() -> Result<()> {
    let widths = [784, 512, 512, 10];
    let mut layers = Vec::new();
    for pair in widths.windows(2) {
        let weight = variable(&[pair[1], pair[0]], 0.1)?;
        let scale = Var::ones((1, pair[1]), DType::F32, &Device::Cpu)?;
        let shift = Var::zeros((1, pair[1]), DType::F32, &Device::Cpu)?;
        layers.push((weight, scale, shift));
    }
    let all: Vec<&Var> = layers.iter().flat_map(|(w, s, h)| [w, s, h]).collect();
    let adam = Adam::new(&all)?;
    let inputs = Tensor::randn(0f32, 1f32, (SAMPLES, 784), &Device::Cpu)?;
    let labels = Tensor::from_iter((0..SAMPLES as u32).map(|i| i % 10), &Device::Cpu)?;
    for _ in 0..2 {
        let start = Instant::now();
        for batch in 0..SAMPLES / BATCH {
            let mut flow = inputs.narrow(0, batch * BATCH, BATCH)?;
            let labels = labels.narrow(0, batch * BATCH, BATCH)?;
            for (place, (weight, scale, shift)) in layers.iter().enumerate() {
                flow = flow.matmul(&sign(weight)?.t()?)?;
                flow = normalize(&flow, scale, shift)?;
                if place < 2 {
                    flow = sign(&flow)?;
                }
            }
            adam.step(&cross_entropy(&flow, &labels)?, true)?;
        }
        println!(
            "candle, 784-512-512-10 binary, 8,000: {:.2} s",
            start.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

#[test]
#[ignore = "a measurement: cargo one-test -p noroshi-train --test all candle_epoch -- --ignored --nocapture"]
fn a_small_convolutional_network() {
    convolutional().unwrap();
}

fn convolutional() -> Result<()> {
    let first = variable(&[16, 1, 5, 5], 0.2)?;
    let second = variable(&[32, 16, 5, 5], 0.05)?;
    let third = variable(&[128, 512], 0.05)?;
    let last = variable(&[10, 128], 0.1)?;
    let adam = Adam::new(&[&first, &second, &third, &last])?;
    let inputs = Tensor::randn(0f32, 1f32, (SAMPLES, 1, 28, 28), &Device::Cpu)?;
    let labels = Tensor::from_iter((0..SAMPLES as u32).map(|i| i % 10), &Device::Cpu)?;
    let start = Instant::now();
    let (mut ahead, mut whole) = (0.0, 0.0);
    let steps = 20;
    for batch in 0..steps {
        let begin = Instant::now();
        let flow = inputs.narrow(0, batch * BATCH, BATCH)?;
        let labels = labels.narrow(0, batch * BATCH, BATCH)?;
        let flow = flow.conv2d(&first, 0, 1, 1, 1)?.relu()?.max_pool2d(2)?;
        let flow = flow.conv2d(&second, 0, 1, 1, 1)?.relu()?.max_pool2d(2)?;
        let flow = flow.flatten_from(1)?.matmul(&third.t()?)?.relu()?;
        let loss = cross_entropy(&flow.matmul(&last.t()?)?, &labels)?;
        ahead += begin.elapsed().as_secs_f64();
        adam.step(&loss, false)?;
        whole += begin.elapsed().as_secs_f64();
    }
    let epoch = (SAMPLES / BATCH) as f64 / steps as f64;
    println!(
        "candle, the proof's CNN, 8,000: {:.2} s an epoch, of which forward {:.2} s ({:.2})",
        whole * epoch,
        ahead * epoch,
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// What would remain if every other operator and the optimizer cost nothing: the least that
/// custom operators on candle's graph can come to.
#[test]
#[ignore = "a measurement: cargo one-test -p noroshi-train --test all candle_epoch -- --ignored --nocapture"]
fn the_products_alone() {
    products().unwrap();
}

fn products() -> Result<()> {
    let widths = [784, 512, 512, 10];
    let weights = widths
        .windows(2)
        .map(|pair| variable(&[pair[1], pair[0]], 0.1));
    let weights = weights.collect::<Result<Vec<_>>>()?;
    let inputs = Tensor::randn(0f32, 1f32, (SAMPLES, 784), &Device::Cpu)?;
    for _ in 0..2 {
        let start = Instant::now();
        for batch in 0..SAMPLES / BATCH {
            let mut flow = inputs.narrow(0, batch * BATCH, BATCH)?;
            for weight in &weights {
                flow = flow.matmul(&weight.t()?)?;
            }
            let gradients = flow.backward()?;
            assert!(gradients.get(&weights[0]).is_some());
        }
        println!(
            "candle, products of 784-512-512-10 alone, 8,000: {:.2} s",
            start.elapsed().as_secs_f64()
        );
    }
    Ok(())
}
