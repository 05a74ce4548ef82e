//! Which samples make a batch, and how they are varied.

use rayon::prelude::*;

use crate::examples::Examples;
use crate::pass::Pass;
use crate::random::Random;
use crate::recipe::Recipe;

/// All samples in the order of this epoch, in batches. A lone sample at the end is left out:
/// it has no variance to normalize by.
pub(super) fn of_epoch(samples: usize, recipe: &Recipe, epoch: u64) -> Vec<Vec<usize>> {
    let mut places: Vec<usize> = (0..samples).collect();
    Random::of(recipe.seed, &[epoch, 0]).shuffle(&mut places);
    let mut batches: Vec<Vec<usize>> = places.chunks(recipe.batch).map(<[_]>::to_vec).collect();
    if batches.len() > 1 && batches.last().is_some_and(|batch| batch.len() == 1) {
        batches.pop();
    }
    batches
}

/// Puts the varied samples at `places` into the pass.
pub(super) fn gather(
    data: &Examples,
    places: &[usize],
    recipe: &Recipe,
    epoch: u64,
    pass: &mut Pass,
) {
    let size = data.shape().len();
    let target = pass.input_mut(places.len() * size);
    target
        .par_chunks_mut(size)
        .zip(places)
        .for_each(|(target, &place)| {
            let mut random = Random::of(recipe.seed, &[epoch, place as u64, 2]);
            recipe
                .augmentation
                .vary(data.sample(place), data.shape(), &mut random, target);
        });
}
