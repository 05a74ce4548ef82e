//! Pruning by a pattern: of so many weights that follow each other in a row, so many stay (N:M;
//! Zhou et al. 2021, "Learning N:M fine-grained structured sparse neural networks from scratch",
//! 3.1; the masks are those of magnitude, taught on as in Mishra et al. 2021, "Accelerating
//! sparse deep neural networks", 4).
//!
//! Places within a group take few bits, so that such a layer is stored smaller than one that was
//! pruned anywhere to the same share.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Kept, kept};
use crate::examples::Examples;
use crate::fit::{Progress, Trainer};
use crate::net::{Net, Parameter, Role};
use crate::recipe::Recipe;
use crate::{Error, Result};

/// Of every `of` weights that follow each other in a row `kept` stay. A row is what one output
/// reads: its last group may be shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    kept: u8,
    of: u8,
}

impl Pattern {
    /// `kept` of every `of`; an error unless 1 ≤ kept < of ≤ 16.
    pub fn new(kept: u8, of: u8) -> Result<Self> {
        if (1..of).contains(&kept) && of <= 16 {
            return Ok(Self { kept, of });
        }
        Err(Error::Recipe(format!(
            "{kept}:{of} is no pattern: write N:M with 1 ≤ N < M ≤ 16, such as 2:4"
        )))
    }

    /// How many stay of a group, and how many it has.
    pub const fn parts(self) -> (usize, usize) {
        (self.kept as usize, self.of as usize)
    }

    /// Bits of a place within a group.
    pub(super) const fn place_bits(self) -> u32 {
        u8::BITS - (self.of - 1).leading_zeros()
    }

    /// The pattern that stores `mask`, in rows of `row`, in the fewest bytes; `None` if every
    /// group size has a group that keeps all or a row is shorter than a group.
    pub(super) fn smallest(mask: &[f32], row: usize) -> Option<Self> {
        let kept = |group: &[f32]| group.iter().filter(|&&m| m != 0.0).count();
        let pattern = |of: u8| {
            let groups = mask.chunks(row).flat_map(|row| row.chunks(of.into()));
            let most = groups.map(kept).max()?;
            Self::new(u8::try_from(most).ok()?, of).ok()
        };
        let patterns = (2..=16).filter(|&of| usize::from(of) <= row);
        let patterns = patterns.filter_map(pattern);
        patterns.min_by_key(|pattern| stored_bytes(*pattern, mask.len(), row))
    }

    /// The mask of what stays of a parameter: the largest of each group. What was masked stays so.
    fn mask(self, parameter: &Parameter) -> Vec<f32> {
        let (most, of) = self.parts();
        let mut mask = vec![0.0; parameter.values.len()];
        let row = super::sparse::row(parameter);
        let rows = parameter.values.chunks(row).zip(mask.chunks_mut(row));
        for (values, mask) in rows {
            for (values, mask) in values.chunks(of).zip(mask.chunks_mut(of)) {
                let mut places: Vec<usize> = (0..values.len()).collect();
                // Equal magnitudes go by place, so that a run repeats.
                places.sort_by(|&a, &b| {
                    let order = values[b].abs().total_cmp(&values[a].abs());
                    order.then(a.cmp(&b))
                });
                places.iter().take(most).for_each(|&p| mask[p] = 1.0);
            }
        }
        if let Some(old) = &parameter.mask {
            mask.iter_mut().zip(old).for_each(|(new, old)| *new *= old);
        }
        mask
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kept, self.of)
    }
}

impl FromStr for Pattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |text: &str| text.parse().ok();
        let parts = text.split_once(':');
        match parts.and_then(|(kept, of)| number(kept).zip(number(of))) {
            Some((kept, of)) => Self::new(kept, of),
            None => Err(Error::Recipe(format!(
                "{text} is no pattern: write N:M with 1 ≤ N < M ≤ 16, such as 2:4"
            ))),
        }
    }
}

impl TryFrom<String> for Pattern {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.to_string()
    }
}

/// Masks every layer's weights by the pattern but those of `spare`, which are names of layers. A
/// layer whose rows are shorter than two groups is left as it is: its groups would be most of what
/// a kernel sees.
pub fn prune_pattern(net: &mut Net, pattern: Pattern, spare: &[String]) -> Result<Kept> {
    if let Some(name) = spare.iter().find(|name| net.find(name).is_none()) {
        return Err(Error::Recipe(format!("there is no layer {name} to spare")));
    }
    for node in net.layers_mut() {
        if spare.contains(&node.name) {
            continue;
        }
        let Some(weight) = node.parameter_mut(Role::Weight) else {
            continue;
        };
        if super::sparse::row(weight) >= 2 * pattern.parts().1 {
            weight.mask = Some(pattern.mask(weight));
            weight.apply_mask();
        }
    }
    Ok(kept(net))
}

/// Prunes by the pattern, then teaches what is left by `recipe`.
pub fn prune_pattern_and_retrain(
    net: &mut Net,
    data: &Examples,
    recipe: &Recipe,
    pattern: Pattern,
    spare: &[String],
    progress: &mut dyn FnMut(Progress),
) -> Result<Kept> {
    let left = prune_pattern(net, pattern, spare)?;
    Trainer::new(recipe).fit(net, data, progress)?;
    Ok(left)
}

/// Levels and places of a parameter that keeps to the pattern: for each group, the levels of what
/// stays (0 where less does), then the bits of all places together, lowest bit first.
pub(super) fn store(pattern: Pattern, levels: &[i8], mask: &[f32], row: usize) -> Vec<u8> {
    let (most, of) = pattern.parts();
    let (mut stored, mut places) = (Vec::new(), Bits::default());
    let rows = levels.chunks(row).zip(mask.chunks(row));
    for (levels, mask) in rows {
        for (levels, mask) in levels.chunks(of).zip(mask.chunks(of)) {
            let left = (0..mask.len()).filter(|&place| mask[place] != 0.0);
            let mut count = 0;
            for place in left {
                stored.push(levels[place].cast_unsigned());
                places.push(place as u8, pattern.place_bits());
                count += 1;
            }
            let absent = most.min(mask.len()).saturating_sub(count);
            stored.resize(stored.len() + absent, 0);
            (0..absent).for_each(|_| places.push(0, pattern.place_bits()));
        }
    }
    stored.extend(places.bytes);
    stored
}

/// How many bytes [`store`] makes of so many weights.
pub(super) fn stored_bytes(pattern: Pattern, weights: usize, row: usize) -> usize {
    let (most, of) = pattern.parts();
    let one = row / of * most + most.min(row % of);
    let entries = weights / row.max(1) * one;
    entries + (entries * pattern.place_bits() as usize).div_ceil(8)
}

/// Reads what [`store`] made, of as many weights as `mask` has: level and mask of each.
pub(super) fn restore(
    pattern: Pattern,
    bytes: &[u8],
    row: usize,
    mask: &mut [f32],
) -> Result<Vec<i8>, String> {
    let (most, of) = pattern.parts();
    let entries = stored_bytes(pattern, mask.len(), row);
    if bytes.len() != entries {
        return Err("a layer has another number of weights".into());
    }
    let mut read = vec![0i8; mask.len()];
    let bits = pattern.place_bits() as usize;
    let count = mask.len() / row.max(1) * (row / of * most + most.min(row % of));
    let (levels, places) = bytes.split_at(count);
    let mut next = 0;
    let rows = read.chunks_mut(row).zip(mask.chunks_mut(row));
    for (read, mask) in rows {
        for (read, mask) in read.chunks_mut(of).zip(mask.chunks_mut(of)) {
            for _ in 0..most.min(mask.len()) {
                let place = usize::from(take(places, next * bits, bits));
                let level = levels[next].cast_signed();
                next += 1;
                if place >= mask.len() {
                    return Err("a weight lies beyond its group".into());
                }
                // A place that is filled up has level 0 and may be one that is taken.
                if level != 0 {
                    if mask[place] != 0.0 {
                        return Err("two weights lie at one place".into());
                    }
                    (read[place], mask[place]) = (level, 1.0);
                }
            }
        }
    }
    Ok(read)
}

fn take(bytes: &[u8], start: usize, bits: usize) -> u8 {
    (0..bits).fold(0, |value, bit| {
        let at = start + bit;
        value | (bytes[at / 8] >> (at % 8) & 1) << bit
    })
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    filled: usize,
}

impl Bits {
    fn push(&mut self, value: u8, bits: u32) {
        for bit in 0..bits {
            if self.filled.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let last = self.bytes.len() - 1;
            self.bytes[last] |= (value >> bit & 1) << (self.filled % 8);
            self.filled += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn patterns_are_written_and_read() {
        assert_eq!("2:4".parse::<Pattern>().unwrap().to_string(), "2:4");
        for wrong in ["", "2", "4:2", "0:4", "2:2", "1:17", "2:4:8", "a:b", "-1:4"] {
            let error = wrong.parse::<Pattern>().unwrap_err().to_string();
            assert!(error.contains("such as 2:4"), "{error}");
        }
        let bits = |text: &str| text.parse::<Pattern>().unwrap().place_bits();
        assert_eq!(
            [bits("1:2"), bits("2:4"), bits("4:8"), bits("3:5")],
            [1, 2, 3, 3]
        );
    }

    #[test]
    fn what_is_stored_comes_back() {
        let mut random = Random::new(2);
        for (pattern, row) in [
            ("2:4", 18),
            ("4:8", 21),
            ("1:4", 9),
            ("3:5", 25),
            ("2:4", 16),
        ] {
            let pattern: Pattern = pattern.parse().unwrap();
            let (most, of) = pattern.parts();
            let mut levels = vec![0i8; 3 * row];
            let mut mask = vec![0.0; 3 * row];
            for row in 0..3 {
                for (place, mask) in mask[row * levels.len() / 3..][..levels.len() / 3]
                    .chunks_mut(of)
                    .enumerate()
                {
                    // Some groups keep less than they may.
                    for at in 0..most.min(mask.len()).saturating_sub(place % 2) {
                        mask[mask.len() - 1 - at] = 1.0;
                    }
                }
            }
            for (level, mask) in levels.iter_mut().zip(&mask) {
                *level = if *mask == 0.0 {
                    0
                } else {
                    1 + random.below(120) as i8
                };
            }
            let smallest = Pattern::smallest(&mask, row).unwrap();
            let bytes = |pattern| stored_bytes(pattern, mask.len(), row);
            assert!(
                bytes(smallest) <= bytes(pattern),
                "{smallest}, not {pattern}"
            );
            let bytes = store(pattern, &levels, &mask, row);
            assert_eq!(bytes.len(), stored_bytes(pattern, mask.len(), row));
            let mut read = vec![0.0; mask.len()];
            assert_eq!(restore(pattern, &bytes, row, &mut read).unwrap(), levels);
            assert_eq!(read, mask);
            assert!(restore(pattern, &bytes[1..], row, &mut read).is_err());
        }
    }
}
