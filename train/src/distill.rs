//! What one network gives another: hints from its middle.

use crate::examples::Examples;
use crate::fit::{Fitted, Progress, Trainer};
use crate::layer::{Dense, Layer};
use crate::loss::Loss;
use crate::net::Net;
use crate::random::Random;
use crate::recipe::Recipe;
use crate::weights::Weights;
use crate::{Error, Result};

/// Teaches the layers of `student` up to `guided` to give what the layer `hint` of `teacher`
/// gives, through a linear regressor that is thrown away (Romero et al. 2015, FitNets, 3.1 and
/// algorithm 1, stage 1). Stage 2 is a training with [`Loss::Distill`].
pub fn hint(
    student: &mut Net,
    guided: usize,
    teacher: &Net,
    hint: usize,
    data: &Examples,
    recipe: &Recipe,
    progress: &mut dyn FnMut(Progress),
) -> Result<Fitted> {
    for (net, place) in [(&*student, guided), (teacher, hint)] {
        if place >= net.layers().len() {
            let count = net.layers().len();
            return Err(Error::layer(place, format!("there are {count} layers")));
        }
    }
    let mut middle = teacher.prefix(hint);
    let mut part = student.prefix(guided);
    let regressor = Layer::Dense(Dense {
        outputs: middle.outputs(),
        bias: true,
        weights: Weights::Float,
    });
    let last = part.last();
    let mut random = Random::of(recipe.seed, &[0x6869_6e74]);
    part.push("regressor".into(), regressor, vec![last], &mut random)?;
    let recipe = Recipe {
        loss: Loss::MeanSquared,
        ..recipe.clone()
    };
    let fitted = Trainer::new(&recipe)
        .teacher(&mut middle)
        .fit(&mut part, data, progress)?;
    student.adopt(&part);
    Ok(fitted)
}

/// Adds to the bias of one class, so that a class which was missing in training is answered
/// again (Hinton, Vinyals and Dean 2015, 3). An error unless the last layer is linear with bias.
pub fn shift_class(net: &mut Net, class: usize, by: f32) -> Result<()> {
    let last = net.layers_mut().last_mut();
    let bias = last.and_then(|node| node.parameter_mut(crate::net::Role::Bias));
    let number = bias.and_then(|bias| bias.values.get_mut(class));
    let number = number.ok_or_else(|| Error::layer(class, "the last layer has no such bias"))?;
    *number += by;
    Ok(())
}
