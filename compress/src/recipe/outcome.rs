//! What a run came to, for people and for programs.

use std::fmt;

use serde::Serialize;

use super::chain::Chain;
use super::decide::{Broken, Figures, Verdict};
use super::plan::Plan;
use crate::inspect::grouped;
use crate::plot::{self, Candidate, Plot};
use crate::report::assess::{Assessment, headline};

/// A chain that was carried out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tried {
    /// Its name, which is also that of its file.
    pub name: String,
    /// Its steps.
    pub chain: Chain,
    /// What its file takes and loses.
    pub figures: Figures,
}

/// What a run came to. The plan, the digests of model and data, and the version of the program are
/// all that it depends on, but for times, and for files that were compiled for this machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The plan, with seeds and number of threads.
    pub plan: Plan,
    /// The program that made the files.
    pub tool: String,
    /// The best instruction set of the machine that times were taken on.
    pub isa: &'static str,
    /// SHA-256 of the original's file.
    pub model: String,
    /// SHA-256 of the samples and their targets.
    pub data: String,
    /// The original's quality on the samples that were held out.
    pub quality: f64,
    /// The original's size.
    pub bytes: u64,
    /// What was carried out, from gentle to harsh.
    pub tried: Vec<Tried>,
    /// What was not, for a gentler chain had lost too much.
    pub left_out: Vec<String>,
    /// The files that no other beats in quality and bytes, or in quality and time.
    pub front: Vec<String>,
    /// What is chosen, or what stands in the way.
    pub verdict: Verdict,
    /// SHA-256 over the names and digests of all files that were not compiled for this machine.
    pub digest: String,
}

impl Outcome {
    /// What is shown beside the original: the front, the chosen one first.
    pub fn shown(&self) -> Vec<&Tried> {
        let mut shown: Vec<&Tried> = Vec::new();
        shown.extend(
            self.tried
                .iter()
                .filter(|one| self.front.contains(&one.name)),
        );
        // Stable: what is not chosen keeps its order.
        shown.sort_by_key(|one| self.chosen().is_none_or(|chosen| chosen.name != one.name));
        shown
    }

    /// What is chosen; none if the limits can't be met.
    pub fn chosen(&self) -> Option<&Tried> {
        match &self.verdict {
            Verdict::Reached { chosen } => self.tried.iter().find(|one| one.name == *chosen),
            Verdict::Unreachable { .. } => None,
        }
    }

    /// The limits that the chosen file breaks on the samples of an assessment, its first variant.
    /// None may: it was chosen on others.
    pub fn broken_on(&self, seen: &Assessment) -> Vec<Broken> {
        let Some((first, chosen)) = seen.variants.first().zip(self.chosen()) else {
            return Vec::new();
        };
        let quality = |quality| headline(quality).map_or(f64::NAN, |(_, value, _)| value);
        let after = quality(&first.comparison.model.quality);
        let figures = Figures {
            quality: after,
            loss: 100.0 * (quality(&seen.quality.quality) - after),
            time: first
                .cpu_ratio
                .map_or(chosen.figures.time, |ratio| ratio.ratio),
            ..chosen.figures.clone()
        };
        self.plan.limits.broken(&figures, self.bytes)
    }

    /// Which limits stand in the way, in a sentence; none if all are met.
    pub fn broken(&self) -> Option<String> {
        let Verdict::Unreachable { nearest, never } = &self.verdict else {
            return None;
        };
        let (name, broken) = nearest.first()?;
        let broken: Vec<String> = broken.iter().map(ToString::to_string).collect();
        let alone = if never.is_empty() {
            String::new()
        } else {
            format!(
                "; no file meets the limit {}, whatever else",
                never.join(", nor ")
            )
        };
        Some(format!(
            "the limits can't be met together; nearest is {name}, but {}{alone}",
            broken.join("; ")
        ))
    }

    /// Pictures of the search with names that are fit for files: every file that was made.
    pub fn pictures(&self) -> Vec<(String, Plot)> {
        let quality = "quality on the samples held out";
        let picture = |cost: fn(&Figures) -> f64, original: f64, what: &str, axis: &str| {
            let first = Candidate {
                name: "original".into(),
                cost: original,
                quality: self.quality,
                interval: None,
            };
            let others = self
                .tried
                .iter()
                .map(|Tried { name, figures, .. }| Candidate {
                    name: name.clone(),
                    cost: cost(figures),
                    quality: figures.quality,
                    interval: None,
                });
            let all: Vec<Candidate> = std::iter::once(first).chain(others).collect();
            let title = format!("What the recipe found: quality against {what}");
            (
                format!("search-{what}"),
                plot::pareto(&title, axis, quality, &all),
            )
        };
        let bytes: fn(&Figures) -> f64 = |figures| figures.bytes as f64;
        vec![
            picture(bytes, self.bytes as f64, "bytes", "bytes of the file"),
            picture(
                |figures| figures.time,
                1.0,
                "time",
                "CPU time, of the original's",
            ),
        ]
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<28} {:>12} {:>7} {:>8} {:>7} {:>8} {:>7}",
            "on the samples held out", "bytes", "of it", "quality", "lost", "CPU ms", "of it"
        )?;
        let (name, bytes, quality) = ("original", grouped(self.bytes), self.quality);
        writeln!(f, "{name:<28} {bytes:>12} {:>7} {quality:>8.4}", "")?;
        for Tried { name, figures, .. } in &self.tried {
            let mark = if self.front.contains(name) { "  *" } else { "" };
            let share = figures.bytes as f64 / self.bytes.max(1) as f64;
            writeln!(
                f,
                "{name:<28} {:>12} {share:>7.4} {:>8.4} {:>7.2} {:>8.3} {:>7.3}{mark}",
                grouped(figures.bytes),
                figures.quality,
                figures.loss,
                figures.milliseconds,
                figures.time
            )?;
        }
        writeln!(
            f,
            "* no other is better and as small, or better and as fast"
        )?;
        for name in &self.left_out {
            writeln!(f, "{name}: left out, a gentler one loses too much")?;
        }
        match &self.verdict {
            Verdict::Reached { chosen } => {
                writeln!(f, "\nall limits are met; chosen: {chosen}")?;
            }
            Verdict::Unreachable { nearest, never } => {
                writeln!(f, "\nthe limits can't be met together; the nearest:")?;
                for (name, broken) in nearest {
                    let reasons: Vec<String> = broken.iter().map(ToString::to_string).collect();
                    writeln!(f, "  {name}: {}", reasons.join("; "))?;
                }
                for limit in never {
                    writeln!(
                        f,
                        "no file meets the limit {limit}, whatever else: it breaks"
                    )?;
                }
            }
        }
        write!(f, "files: {}", self.digest)
    }
}
