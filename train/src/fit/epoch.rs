//! One pass over all samples.

use super::{Course, batches};
use crate::Error;
use crate::Result;
use crate::attention::Watch;
use crate::augment::Augmentation;
use crate::examples::Examples;
use crate::loss::Wanted;
use crate::net::Net;
use crate::optimizer::Pace;
use crate::pass::{Mode, Pass};
use crate::random::Random;
use crate::recipe::Recipe;
use crate::teacher::Teacher;

/// Samples that a teacher answers together.
const KNOWN_BATCH: usize = 256;

/// One epoch: the mean cost, and the last step's learning rate.
pub(super) fn teach(
    net: &mut Net,
    data: &Examples,
    recipe: &Recipe,
    course: &mut Course,
    (wish, watch): (&mut Wish<'_>, &mut Option<Watch<'_>>),
    pass: &mut Pass,
) -> Result<(f32, f32)> {
    let number = course.epoch as u64;
    let batches = batches::of_epoch(data.len(), recipe, number);
    let (mut sum, mut seen, mut rate) = (0.0f64, 0usize, recipe.rate);
    for (step, places) in batches.iter().enumerate() {
        batches::gather(data, places, recipe, number, pass);
        let wanted = wanted(data, places, pass, wish)?;
        let seed = Random::of(recipe.seed, &[number, step as u64, 1]).bits();
        let signs = recipe.signs;
        pass.forward(net, places.len(), Mode::Teach { seed, signs });
        let (answers, gradient) = pass.output_and_gradient();
        let wanted = Wanted {
            classes: &wanted.0,
            rows: &wanted.1,
        };
        let mut cost = recipe.loss.cost(answers, net.outputs(), wanted, gradient);
        if let Some(watch) = watch.as_mut() {
            cost += watch.guide(net, pass, places.len());
        }
        let done = course.epoch * batches.len() + step;
        rate = recipe.rate
            * recipe
                .schedule
                .factor(done, recipe.epochs * batches.len(), batches.len());
        if !cost.is_finite() {
            let epoch = course.epoch + 1;
            return Err(Error::Diverged { epoch, rate });
        }
        pass.backward(net);
        let pace = Pace {
            optimizer: recipe.optimizer,
            rate,
            weight_decay: recipe.weight_decay,
        };
        // First: a step that this batch began with must be there before it is changed.
        pass.absorb(net);
        course.moments.step(net, pass, pace);
        sum += f64::from(cost) * places.len() as f64;
        seen += places.len();
    }
    Ok(((sum / seen.max(1) as f64) as f32, rate))
}

/// Where the rows come from that answers are compared with.
pub(super) enum Wish<'a> {
    /// The data set.
    Targets,
    /// A teacher, who sees each batch.
    Ask(&'a mut dyn Teacher),
    /// A teacher's answers to all samples, which don't vary.
    Known(&'a [f32]),
}

/// The teacher's answers to all samples, if samples don't vary and there is room.
pub(super) fn known(
    teacher: &mut dyn Teacher,
    data: &Examples,
    recipe: &Recipe,
) -> Result<Option<Vec<f32>>> {
    const MOST: usize = 1 << 27;
    let numbers = data.len().saturating_mul(teacher.width());
    if recipe.augmentation != Augmentation::default() || numbers > MOST {
        return Ok(None);
    }
    let mut rows = Vec::with_capacity(numbers);
    let size = data.shape().len();
    for block in data.inputs().chunks(KNOWN_BATCH * size) {
        rows.extend(teacher.answer(block, block.len() / size)?);
    }
    Ok(Some(rows))
}

/// Classes and rows that the batch in `pass` should be answered.
fn wanted(
    data: &Examples,
    places: &[usize],
    pass: &Pass,
    wish: &mut Wish<'_>,
) -> Result<(Vec<u32>, Vec<f32>)> {
    let labels = data.labels();
    let classes = match labels {
        [] => Vec::new(),
        labels => places.iter().map(|&place| labels[place]).collect(),
    };
    let pick = |rows: &[f32]| -> Vec<f32> {
        let width = rows.len() / data.len();
        places
            .iter()
            .flat_map(|&place| &rows[place * width..][..width])
            .copied()
            .collect()
    };
    let rows = match wish {
        Wish::Ask(teacher) => teacher.answer(pass.input(), places.len())?,
        Wish::Known(rows) => pick(rows),
        Wish::Targets => pick(data.values()),
    };
    Ok((classes, rows))
}
