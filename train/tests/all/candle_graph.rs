//! One step of gradient descent is the step that candle's plain graph takes.

use candle_core::{D, Device, Result, Tensor, Var};
use noroshi_train::{Examples, Loss, Net, Optimizer, Random, Recipe, Role, Schedule, Shape, fit};

const RATE: f32 = 0.1;
const BATCH: usize = 6;

fn net() -> Net {
    let net = Net::builder(Shape::image(2, 8, 8), 7)
        .conv(4, 3, 1, 1)
        .normalize()
        .relu();
    let net = net
        .max_pool(2)
        .depthwise(3, 1, 1)
        .relu()
        .flatten()
        .dense(5)
        .relu()
        .dense(3);
    net.build().unwrap()
}

/// The parameters in order, as candle's variables.
fn variables(net: &Net) -> Result<Vec<Var>> {
    let parameters = net.layers().iter().flat_map(|node| &node.parameters);
    parameters
        .map(|p| Var::from_slice(&p.values, p.shape.as_slice(), &Device::Cpu))
        .collect()
}

/// The same network, written out in candle's operators.
fn loss(all: &[Var], inputs: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let per_channel = |values: &Tensor| values.reshape((1, (), 1, 1));
    let flow = inputs
        .conv2d(&all[0], 1, 1, 1, 1)?
        .broadcast_add(&per_channel(&all[1])?)?;
    let mean = flow.mean_keepdim((0, 2, 3))?;
    let centered = flow.broadcast_sub(&mean)?;
    let variance = centered.sqr()?.mean_keepdim((0, 2, 3))?;
    let normal = centered.broadcast_div(&(variance + 1e-5)?.sqrt()?)?;
    let normal = normal.broadcast_mul(&per_channel(&all[2])?)?;
    let flow = normal.broadcast_add(&per_channel(&all[3])?)?.relu()?;
    // candle 0.11's own max_pool2d passes back a quarter of the gradient.
    let flow = flow.reshape((BATCH, 4, 4, 2, 4, 2))?.max(5)?.max(3)?;
    let flow = flow.conv2d(&all[4], 1, 1, 1, 4)?.relu()?.flatten_from(1)?;
    let flow = flow.matmul(&all[5].t()?)?.broadcast_add(&all[6])?.relu()?;
    let logits = flow.matmul(&all[7].t()?)?.broadcast_add(&all[8])?;
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
fn a_step_is_that_of_candle() {
    compare().unwrap();
}

fn compare() -> Result<()> {
    let mut random = Random::new(2);
    let inputs: Vec<f32> = (0..BATCH * 128).map(|_| random.normal()).collect();
    let labels: Vec<u32> = (0..BATCH as u32).map(|place| place % 3).collect();
    let mut net = net();
    let all = variables(&net)?;
    let tensor = Tensor::from_slice(&inputs, (BATCH, 2, 8, 8), &Device::Cpu)?;
    let wanted = loss(
        &all,
        &tensor,
        &Tensor::from_slice(&labels, BATCH, &Device::Cpu)?,
    )?;
    let gradients = wanted.backward()?;

    let recipe = Recipe {
        epochs: 1,
        batch: BATCH,
        rate: RATE,
        schedule: Schedule::Constant,
        optimizer: Optimizer::Sgd { momentum: 0.0 },
        loss: Loss::CrossEntropy { smoothing: 0.0 },
        ..Recipe::default()
    };
    let examples = Examples::classes(net.input(), inputs, labels, 3).unwrap();
    let mut told = 0.0;
    fit(&mut net, &examples, &recipe, &mut |progress| {
        told = progress.loss;
    })
    .unwrap();
    let wanted = wanted.to_scalar::<f32>()?;
    assert!(
        (told - wanted).abs() < 1e-5,
        "a loss of {told}, not {wanted}"
    );

    let after = net.layers().iter().flat_map(|node| &node.parameters);
    for (parameter, before) in after.zip(&all) {
        let gradient = gradients
            .get(before)
            .expect("every parameter has a gradient");
        let stepped = (before.as_tensor() - (gradient * f64::from(RATE))?)?;
        let stepped: Vec<f32> = stepped.flatten_all()?.to_vec1()?;
        for (own, candle) in parameter.values.iter().zip(stepped) {
            let role: Role = parameter.role;
            assert!((own - candle).abs() < 1e-5, "{role:?}: {own}, not {candle}");
        }
    }
    Ok(())
}
