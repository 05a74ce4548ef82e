//! Pruning of whole channels: the graph shrinks, so every engine gets faster by it.

mod shrink;
#[cfg(test)]
mod tests;
mod units;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::examples::Examples;
use crate::export::affine;
use crate::fit::{Progress, Trainer};
use crate::layer::Layer;
use crate::net::{Net, Role, Value};
use crate::random::Random;
use crate::recipe::Recipe;
use crate::{Error, Result};
use units::{Unit, Units};

/// Which channels of a network go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelPruning {
    /// Share of the channels that stays, more than 0, at most 1. Channels that a sum or a depthwise
    /// convolution ties count once.
    pub keep: f32,
    /// Which go.
    pub by: ChannelCriterion,
    /// Layers, by name, that keep all of theirs.
    #[serde(default)]
    pub spare: Vec<String>,
    /// Layers that would keep at least so many channels keep a multiple of it, the nearest: a
    /// convolution of ONNX Runtime that reads 16 channels or more is only fast if they fill its
    /// blocks of 8 or 16. 1 keeps the exact share.
    #[serde(default = "one")]
    pub multiple: usize,
}

impl Default for ChannelPruning {
    /// Half of the channels, by norm.
    fn default() -> Self {
        Self {
            keep: 0.5,
            by: ChannelCriterion::Norm,
            spare: Vec::new(),
            multiple: one(),
        }
    }
}

const fn one() -> usize {
    1
}

/// Channels of a block in the fast layouts of ONNX Runtime: 16 with AVX-512, 8 with AVX2.
pub const BLOCK_OF_CHANNELS: usize = 16;

/// Which channels go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelCriterion {
    /// Those whose filters have the smallest sum of magnitudes, the same share of every layer (Li
    /// et al. 2017, "Pruning filters for efficient convnets", 3.1). A normalization behind the
    /// filter counts as part of it.
    Norm,
    /// Those whose normalization has the smallest factors, over the whole network (Liu et al. 2017,
    /// "Learning efficient convolutional networks through network slimming", 3). Layers without a
    /// normalization keep theirs.
    Scale,
    /// Any: a control, which must be worse, or a narrower network to be taught anew.
    Random {
        /// Decides which.
        seed: u64,
    },
}

/// How many channels a layer has and had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerChannels {
    /// The layer.
    pub layer: String,
    /// Channels that are left.
    pub kept: usize,
    /// Channels that there were.
    pub total: usize,
}

/// Largest multiple that channels are rounded to.
const MAX_MULTIPLE: usize = 1024;

/// Smallest share of a layer's channels that [`ChannelCriterion::Scale`] leaves.
const LEAST: f32 = 0.1;

/// The network with fewer channels; it answers what `net` would if nothing read the others. Also
/// tells what each linear layer and convolution kept.
pub fn prune_channels(net: &Net, pruning: &ChannelPruning) -> Result<(Net, Vec<LayerChannels>)> {
    if !(pruning.keep > 0.0 && pruning.keep <= 1.0) {
        let keep = pruning.keep;
        return Err(Error::Recipe(format!("keep = {keep} must be in 0..=1")));
    }
    if !(1..=MAX_MULTIPLE).contains(&pruning.multiple) {
        let multiple = pruning.multiple;
        return Err(Error::Recipe(format!(
            "multiple = {multiple} must be in 1..={MAX_MULTIPLE}"
        )));
    }
    let mut units = Units::of(net);
    for name in &pruning.spare {
        let place = net.find(name).ok_or_else(|| {
            Error::layer(
                name,
                "there is no such layer to spare; see noroshi model inspect",
            )
        })?;
        for channel in 0..net.layers()[place].output.channels {
            let unit = units.unit(Value::of(place), channel);
            units.all[unit].pinned = true;
        }
    }
    let stays = chosen(net, &units.all, pruning)?;
    let small = shrink::shrink(net, &units, &stays)?;
    let layers = net.layers().iter().zip(small.layers());
    let told = layers
        .filter(|(before, _)| before.weights().is_some())
        .map(|(before, after)| LayerChannels {
            layer: before.name.clone(),
            kept: after.output.channels,
            total: before.output.channels,
        });
    let told = told.collect();
    Ok((small, told))
}

/// Prunes channels in steps, each followed by a training by `recipe`. Tells the step, counted
/// from 1, with the progress.
pub fn prune_channels_and_retrain(
    net: &mut Net,
    data: &Examples,
    recipe: &Recipe,
    pruning: &ChannelPruning,
    steps: usize,
    progress: &mut dyn FnMut(usize, Progress),
) -> Result<Vec<LayerChannels>> {
    prune_channels_in_steps(net, pruning, steps, &mut |step, net| {
        let recipe = Recipe {
            seed: recipe.seed.wrapping_add(step as u64),
            ..recipe.clone()
        };
        Trainer::new(&recipe).fit(net, data, &mut |told| progress(step, told))?;
        Ok(())
    })
}

/// Prunes channels in steps, in each to the same share of what was left; `teach` gets the step,
/// counted from 1, and the network of that step. Only the last step rounds to multiples.
pub fn prune_channels_in_steps(
    net: &mut Net,
    pruning: &ChannelPruning,
    steps: usize,
    teach: &mut dyn FnMut(usize, &mut Net) -> Result<()>,
) -> Result<Vec<LayerChannels>> {
    if !(1..=1000).contains(&steps) {
        return Err(Error::Recipe(format!("{steps} steps must be in 1..=1000")));
    }
    let mut left: Vec<LayerChannels> = Vec::new();
    for step in 1..=steps {
        let pruning = ChannelPruning {
            keep: pruning.keep.powf(1.0 / steps as f32),
            multiple: if step == steps { pruning.multiple } else { 1 },
            ..pruning.clone()
        };
        let told;
        (*net, told) = prune_channels(net, &pruning)?;
        if left.is_empty() {
            left = told;
        } else {
            left.iter_mut()
                .zip(told)
                .for_each(|(all, now)| all.kept = now.kept);
        }
        teach(step, net)?;
    }
    Ok(left)
}

/// Which units stay.
fn chosen(net: &Net, units: &[Unit], pruning: &ChannelPruning) -> Result<Vec<bool>> {
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (place, unit) in units.iter().enumerate().filter(|(_, unit)| !unit.pinned) {
        groups.entry(unit.group).or_default().push(place);
    }
    let mut stays = vec![true; units.len()];
    let scores = scores(net, units, pruning.by);
    for members in groups.values_mut() {
        // Equal scores go by place, so that a run repeats.
        members.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    }
    if pruning.by == ChannelCriterion::Scale {
        groups.retain(|_, members| members.iter().any(|&unit| !units[unit].scales.is_empty()));
        if groups.is_empty() {
            let text = "there is no normalization to prune by, it may have been folded: \
                        prune by norm";
            return Err(Error::Recipe(text.into()));
        }
        let least = |members: &[usize]| (members.len() as f32 * LEAST).ceil() as usize;
        let mut all: Vec<usize> = groups
            .values()
            .flat_map(|members| &members[least(members)..])
            .copied()
            .collect();
        let count: usize = groups.values().map(Vec::len).sum();
        let gone = count - (count as f32 * pruning.keep).round() as usize;
        all.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]).then(b.cmp(&a)));
        all.iter().take(gone).for_each(|&unit| stays[unit] = false);
    } else {
        for members in groups.values() {
            let kept = (members.len() as f32 * pruning.keep).round() as usize;
            for &unit in &members[kept.max(1)..] {
                stays[unit] = false;
            }
        }
    }
    for members in groups.values() {
        round(members, pruning.multiple, &mut stays);
        keep_one(units, members, &mut stays);
    }
    Ok(stays)
}

/// Lets as many of the best members stay as make a multiple, where so many stay at all.
fn round(members: &[usize], multiple: usize, stays: &mut [bool]) {
    let kept = members.iter().filter(|&&unit| stays[unit]).count();
    if multiple < 2 || kept < multiple || kept == members.len() {
        return;
    }
    let rounded = (kept + multiple / 2) / multiple * multiple;
    // A layer that has no whole multiple keeps the one below.
    let rounded = if rounded > members.len() {
        members.len() / multiple * multiple
    } else {
        rounded
    };
    for (place, &unit) in members.iter().enumerate() {
        stays[unit] = place < rounded;
    }
}

/// No layer loses all: the best unit of one that would comes back.
fn keep_one(units: &[Unit], members: &[usize], stays: &mut [bool]) {
    let mut best: BTreeMap<usize, (usize, bool)> = BTreeMap::new();
    for &unit in members {
        for &(layer, _) in &units[unit].makers {
            let entry = best.entry(layer).or_insert((unit, false));
            entry.1 |= stays[unit];
        }
    }
    for (unit, alive) in best.into_values() {
        if !alive {
            stays[unit] = true;
        }
    }
}

/// How much each unit matters.
fn scores(net: &Net, units: &[Unit], by: ChannelCriterion) -> Vec<f32> {
    let mean = |of: &[f32]| of.iter().sum::<f32>() / of.len().max(1) as f32;
    match by {
        ChannelCriterion::Norm => {
            let factors = factors(net);
            let norm = |&(layer, channel): &(usize, usize)| {
                let weights = net.layers()[layer].values(Role::Weight);
                let row = weights.len() / net.layers()[layer].output.channels;
                let sum: f32 = weights[channel * row..][..row]
                    .iter()
                    .map(|w| w.abs())
                    .sum();
                factors[layer]
                    .as_ref()
                    .map_or(sum, |factors| sum * factors[channel].abs())
            };
            let score = |unit: &Unit| mean(&unit.makers.iter().map(norm).collect::<Vec<_>>());
            units.iter().map(score).collect()
        }
        ChannelCriterion::Scale => {
            let factor = |&(layer, channel): &(usize, usize)| {
                net.layers()[layer].values(Role::Scale)[channel].abs()
            };
            let score = |unit: &Unit| mean(&unit.scales.iter().map(factor).collect::<Vec<_>>());
            units.iter().map(score).collect()
        }
        ChannelCriterion::Random { seed } => {
            let mut random = Random::of(seed, &[0x6368_616e]);
            units.iter().map(|_| random.unit()).collect()
        }
    }
}

/// For each layer, what a normalization that alone reads it multiplies its channels by.
fn factors(net: &Net) -> Vec<Option<Vec<f32>>> {
    let mut factors = vec![None; net.layers().len()];
    for node in net.layers() {
        if let (Layer::Normalize(_), Some(place)) = (&node.layer, node.inputs[0].place())
            && net.readers(node.inputs[0]) == 1
        {
            factors[place] = affine(node).map(|(factors, _)| factors);
        }
    }
    factors
}
