//! What a plan can come to, and what is tried next.

use std::collections::BTreeMap;
use std::fmt;

use noroshi_engine::compiled::Level;
use serde::{Deserialize, Serialize};

use super::decide::Figures;
use super::plan::Plan;

/// The steps that one file is made by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    /// The network in float.
    pub body: Body,
    /// Bits of its weights; none in float.
    pub bits: Option<u8>,
    /// How much of its graph is rewritten for this machine; none if it runs anywhere.
    pub level: Option<Level>,
}

/// A network in float.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// As it was given.
    Original,
    /// With fewer channels, taught again.
    Pruned {
        /// Share of the channels that stays.
        keep: f32,
        /// Whether the original teaches, or labels do.
        distilled: bool,
    },
    /// A narrower one, taught from the start by the original.
    Student {
        /// Share of the original's channels.
        width: f32,
    },
}

impl fmt::Display for Chain {
    /// A name that is fit for files.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.body, self.bits) {
            (Body::Original, None) => f.write_str("original")?,
            (Body::Original, Some(bits)) => write!(f, "int{bits}")?,
            (body, None) => write!(f, "{body}")?,
            (body, Some(bits)) => write!(f, "{body}-int{bits}")?,
        }
        match self.level {
            None => Ok(()),
            Some(Level::Basic) => f.write_str("-compiled-basic"),
            Some(Level::Extended) => f.write_str("-compiled-extended"),
            Some(Level::All) => f.write_str("-compiled"),
        }
    }
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Original => f.write_str("original"),
            Self::Pruned { keep, distilled } => {
                let taught = if *distilled { "-distil" } else { "" };
                write!(f, "prune-{keep}{taught}")
            }
            Self::Student { width } => write!(f, "student-{width}"),
        }
    }
}

impl Body {
    /// How much of the original's width is left; none if that can't be compared with `other`.
    fn widths(self, other: Self) -> Option<(f32, f32)> {
        match (self, other) {
            (Self::Original, Self::Original) => Some((1.0, 1.0)),
            (Self::Original, Self::Pruned { keep, .. }) => Some((1.0, keep)),
            (
                Self::Pruned {
                    keep: one,
                    distilled: by,
                },
                Self::Pruned {
                    keep: other,
                    distilled,
                },
            ) if by == distilled => Some((one, other)),
            (Self::Student { width: one }, Self::Student { width: other }) => Some((one, other)),
            _ => None,
        }
    }
}

impl Chain {
    /// No step at all.
    pub const ORIGINAL: Self = Self {
        body: Body::Original,
        bits: None,
        level: None,
    };

    /// Whether this takes no more away than `other`, in every step, and is another.
    pub fn is_gentler(&self, other: &Self) -> bool {
        let bits = |chain: &Self| chain.bits.unwrap_or(32);
        let wider = self
            .body
            .widths(other.body)
            .is_some_and(|(one, two)| one >= two);
        let runs = self.level.is_none() || self.level == other.level;
        wider && bits(self) >= bits(other) && runs && self != other
    }

    /// How the file's name ends.
    pub const fn ending(&self) -> &'static str {
        match self.level {
            None => "onnx",
            Some(_) => "nrc",
        }
    }
}

/// Every chain of a plan, from gentle to harsh; each once.
pub fn chains(plan: &Plan) -> Vec<Chain> {
    let falling = |shares: &[f32]| {
        let mut shares = shares.to_vec();
        shares.sort_by(|one, other| other.total_cmp(one));
        shares
    };
    let mut bodies = vec![Body::Original];
    if let Some(prune) = &plan.prune {
        for keep in falling(&prune.keep) {
            let pruned = |distilled| Body::Pruned { keep, distilled };
            bodies.extend(plan.distil.as_ref().map(|_| pruned(true)));
            let labels = plan.distil.as_ref().is_none_or(|distil| distil.optional);
            bodies.extend(labels.then(|| pruned(false)));
        }
    }
    if let Some(distil) = &plan.distil {
        let widths = falling(&distil.widths).into_iter();
        bodies.extend(widths.map(|width| Body::Student { width }));
    }
    let mut bits = plan
        .quantize
        .as_ref()
        .map_or(Vec::new(), |quantize| quantize.bits.clone());
    bits.sort_unstable_by(|one, other| other.cmp(one));
    let bits: Vec<Option<u8>> = std::iter::once(None)
        .chain(bits.into_iter().map(Some))
        .collect();
    let levels = plan.compile.iter().flat_map(|compile| &compile.levels);
    let levels: Vec<Option<Level>> = std::iter::once(None)
        .chain(levels.copied().map(Some))
        .collect();
    let mut chains: Vec<Chain> = Vec::new();
    for body in bodies {
        for &bits in &bits {
            for &level in &levels {
                let chain = Chain { body, bits, level };
                if chain != Chain::ORIGINAL && !chains.contains(&chain) {
                    chains.push(chain);
                }
            }
        }
    }
    chains
}

/// What is tried next, given what was found, by name: the first chain that is neither found nor
/// hopeless. None at the end.
pub fn next<'a>(
    plan: &Plan,
    chains: &'a [Chain],
    found: &BTreeMap<String, Figures>,
) -> Option<&'a Chain> {
    chains.iter().find(|chain| {
        !found.contains_key(&chain.to_string()) && !is_hopeless(plan, chains, found, chain)
    })
}

/// Whether a gentler chain loses so much that this one is not worth a training.
pub(super) fn is_hopeless(
    plan: &Plan,
    chains: &[Chain],
    found: &BTreeMap<String, Figures>,
    chain: &Chain,
) -> bool {
    let most = plan.limits.loss + plan.search.slack;
    chains.iter().any(|gentler| {
        let loss = found.get(&gentler.to_string()).map(|figures| figures.loss);
        gentler.is_gentler(chain) && loss.is_some_and(|loss| loss > most)
    })
}
