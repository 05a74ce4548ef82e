//! Pruning by magnitude, in steps with retraining (Han et al. 2015, "Learning both weights and
//! connections"); of whole channels in `channels`; by a pattern in `pattern`.

mod channels;
mod pattern;
mod sparse;

use serde::{Deserialize, Serialize};

pub use channels::{
    BLOCK_OF_CHANNELS, ChannelCriterion, ChannelPruning, LayerChannels, prune_channels,
    prune_channels_and_retrain, prune_channels_in_steps,
};
pub use pattern::{Pattern, prune_pattern, prune_pattern_and_retrain};
pub use sparse::{read_sparse, write_sparse};

use crate::examples::Examples;
use crate::fit::{Progress, Trainer};
use crate::layer::Layer;
use crate::net::{Net, Node, Role};
use crate::random::Random;
use crate::recipe::Recipe;
use crate::{Error, Result};

/// How a network is pruned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pruning {
    /// Share of the weights that stays, for each layer with weights in order, each in 0..=1.
    pub keep: Vec<f32>,
    /// Steps in which the share goes down, each by the same factor.
    pub steps: usize,
    /// Which weights go.
    pub by: Criterion,
}

/// Which weights go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// Those of the smallest magnitude.
    Magnitude,
    /// Any: a control, which must be worse.
    Random {
        /// Decides which.
        seed: u64,
    },
}

/// Weights that are left and that there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Not masked.
    pub kept: usize,
    /// In all.
    pub total: usize,
}

/// Masks all but a share of each layer's weights. A mask that is there already only shrinks.
pub fn prune(net: &mut Net, keep: &[f32], by: Criterion) -> Result<Kept> {
    let layers = net
        .layers()
        .iter()
        .filter(|node| node.weights().is_some())
        .count();
    if keep.len() != layers || keep.iter().any(|share| !(0.0..=1.0).contains(share)) {
        let text = format!("it needs a share in 0..=1 for each of {layers} layers, not {keep:?}");
        return Err(Error::Recipe(text));
    }
    let nodes = net
        .layers_mut()
        .iter_mut()
        .filter(|node| node.weights().is_some());
    for (place, (node, &share)) in nodes.zip(keep).enumerate() {
        mask(node, share, by, place as u64);
    }
    Ok(kept(net))
}

/// Weights that are left.
pub fn kept(net: &Net) -> Kept {
    let weights = net
        .layers()
        .iter()
        .filter_map(|node| node.parameter(Role::Weight));
    weights.fold(Kept { kept: 0, total: 0 }, |sum, weight| {
        let total = weight.values.len();
        let masked = |mask: &Vec<f32>| mask.iter().filter(|&&m| m != 0.0).count();
        Kept {
            kept: sum.kept + weight.mask.as_ref().map_or(total, masked),
            total: sum.total + total,
        }
    })
}

fn mask(node: &mut Node, share: f32, by: Criterion, place: u64) {
    let Some(weight) = node.parameter_mut(Role::Weight) else {
        return;
    };
    let count = (weight.values.len() as f64 * f64::from(share)).round() as usize;
    let old = weight.mask.take();
    let left = |place: &usize| old.as_ref().is_none_or(|mask| mask[*place] != 0.0);
    let mut places: Vec<usize> = (0..weight.values.len()).filter(left).collect();
    match by {
        Criterion::Magnitude => {
            let size = |place: &usize| weight.values[*place].abs();
            // Equal magnitudes go by place, so that a run repeats.
            places.sort_by(|a, b| size(b).total_cmp(&size(a)).then(a.cmp(b)));
        }
        Criterion::Random { seed } => Random::of(seed, &[place, 0x7072]).shuffle(&mut places),
    }
    let mut mask = vec![0.0; weight.values.len()];
    places
        .iter()
        .take(count)
        .for_each(|&place| mask[place] = 1.0);
    weight.mask = Some(mask);
    weight.apply_mask();
}

/// Prunes in steps, each followed by a training by `recipe` of the weights that are left.
/// Tells the step, counted from 1, with the progress.
pub fn prune_and_retrain(
    net: &mut Net,
    data: &Examples,
    recipe: &Recipe,
    pruning: &Pruning,
    progress: &mut dyn FnMut(usize, Progress),
) -> Result<Kept> {
    if !(1..=1000).contains(&pruning.steps) {
        return Err(Error::Recipe(format!(
            "{} steps must be in 1..=1000",
            pruning.steps
        )));
    }
    let mut left = kept(net);
    let dropouts = dropouts(net);
    for step in 1..=pruning.steps {
        let part = step as f32 / pruning.steps as f32;
        let keep: Vec<f32> = pruning.keep.iter().map(|share| share.powf(part)).collect();
        left = prune(net, &keep, pruning.by)?;
        for &(place, rate, layer) in &dropouts {
            let share = keep.get(layer).copied().unwrap_or(1.0);
            net.layers_mut()[place].layer = Layer::Dropout {
                rate: rate * share.sqrt(),
            };
        }
        let recipe = Recipe {
            seed: recipe.seed.wrapping_add(step as u64),
            ..recipe.clone()
        };
        Trainer::new(&recipe).fit(net, data, &mut |told| progress(step, told))?;
    }
    Ok(left)
}

/// Place and rate of every dropout, and which layer with weights follows it. A sparser layer needs
/// less of it: the rate goes with the root of the share that is left (Han et al. 2015, 3.2).
fn dropouts(net: &Net) -> Vec<(usize, f32, usize)> {
    let mut layers = 0;
    let mut dropouts = Vec::new();
    for (place, node) in net.layers().iter().enumerate() {
        match node.layer {
            Layer::Dropout { rate } => dropouts.push((place, rate, layers)),
            _ if node.weights().is_some() => layers += 1,
            _ => {}
        }
    }
    dropouts
}
