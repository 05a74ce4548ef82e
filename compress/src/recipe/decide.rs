//! What is chosen of what was found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::plot::{self, Candidate};

/// What has to be reached, on the samples that are held out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Points of quality that may be lost: 1 is a hundredth of accuracy.
    pub loss: f64,
    /// The file's size.
    #[serde(default)]
    pub bytes: Option<Size>,
    /// CPU time of one answer over that of the original.
    #[serde(default)]
    pub time: Option<f64>,
    /// CPU milliseconds of one answer on this machine.
    #[serde(default)]
    pub milliseconds: Option<f64>,
}

/// A size in bytes, or as a share of the original: 500000, "500 KB", 0.25 or "1/16".
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Size {
    /// Bytes.
    Bytes(u64),
    /// Share of the original's bytes.
    Share(f64),
}

impl Size {
    /// The size in bytes, beside an original of so many.
    pub fn of(self, original: u64) -> f64 {
        match self {
            Self::Bytes(bytes) => bytes as f64,
            Self::Share(share) => share * original as f64,
        }
    }
}

/// Units of sizes, in bytes.
const UNITS: [(&str, f64); 6] = [
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("B", 1.0),
];

impl Size {
    /// Reads "1/16", or "500 KB".
    fn of_text(text: &str) -> Option<Self> {
        if let Some((one, other)) = text.split_once('/') {
            let number = |part: &str| part.trim().parse::<u32>().ok().filter(|&part| part > 0);
            return Some(Self::Share(
                f64::from(number(one)?) / f64::from(number(other)?),
            ));
        }
        let (unit, factor) = UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
        let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        let bytes = (number * factor).round();
        (0.0..=MOST_BYTES)
            .contains(&bytes)
            .then_some(Self::Bytes(bytes as u64))
    }
}

/// Largest size that is believed.
const MOST_BYTES: f64 = 1e15;

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bytes(bytes) => serializer.serialize_u64(*bytes),
            Self::Share(share) => serializer.serialize_f64(*share),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Bytes(u64),
            Share(f64),
            Text(String),
        }
        let wrong = || {
            serde::de::Error::custom(
                "a size is a number of bytes, \"500 KB\", or a share such as \"1/16\"",
            )
        };
        match Written::deserialize(deserializer).map_err(|_| wrong())? {
            Written::Bytes(bytes) => Ok(Self::Bytes(bytes)),
            Written::Share(share) => Ok(Self::Share(share)),
            Written::Text(text) => Self::of_text(&text).ok_or_else(wrong),
        }
    }
}

/// What was measured of a file, on the samples that are held out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Accuracy, mean average precision or R².
    pub quality: f64,
    /// Points of it that were lost to the original.
    pub loss: f64,
    /// The file's size.
    pub bytes: u64,
    /// CPU milliseconds of one answer.
    pub milliseconds: f64,
    /// CPU time over that of the original, run by run.
    pub time: f64,
    /// SHA-256 of the file.
    pub digest: String,
}

/// A limit that was not met.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Broken {
    /// Which: loss, bytes, time or milliseconds.
    pub limit: &'static str,
    /// What was reached.
    pub reached: f64,
    /// What is allowed.
    pub allowed: f64,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            limit,
            reached,
            allowed,
        } = self;
        match *limit {
            "loss" => write!(f, "it loses {reached:.2} points, {allowed} are allowed"),
            "bytes" => write!(f, "it has {reached:.0} bytes, {allowed:.0} are allowed"),
            "milliseconds" => write!(f, "it takes {reached:.3} ms, {allowed} are allowed"),
            _ => write!(f, "it takes {reached:.3} of the time, {allowed} is allowed"),
        }
    }
}

impl Limits {
    /// The limits that a file breaks, beside an original of so many bytes.
    pub fn broken(&self, figures: &Figures, original: u64) -> Vec<Broken> {
        self.each(figures, original)
            .into_iter()
            // A loss of exactly the limit, in hundredths of binary numbers, keeps it.
            .filter(|one| one.reached > one.allowed + 1e-9)
            .collect()
    }

    fn each(&self, figures: &Figures, original: u64) -> Vec<Broken> {
        let one = |limit, reached, allowed| Broken {
            limit,
            reached,
            allowed,
        };
        let mut all = vec![one("loss", figures.loss, self.loss)];
        all.extend(
            self.bytes
                .map(|size| one("bytes", figures.bytes as f64, size.of(original))),
        );
        all.extend(self.time.map(|time| one("time", figures.time, time)));
        let milliseconds = |most| one("milliseconds", figures.milliseconds, most);
        all.extend(self.milliseconds.map(milliseconds));
        all
    }

    /// How far a file is from the limits: the sum of what each is exceeded by, as a share of it;
    /// a point counts as such a share where no loss is allowed.
    fn distance(&self, figures: &Figures, original: u64) -> f64 {
        let excess = |one: Broken| (one.reached - one.allowed).max(0.0) / one.allowed.max(1e-9);
        let excess = |one: Broken| match one.limit {
            "loss" => (one.reached - one.allowed).max(0.0) / one.allowed.max(1.0),
            _ => excess(one),
        };
        self.each(figures, original).into_iter().map(excess).sum()
    }
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All limits are met by this one.
    Reached {
        /// Its name: of those within the limits the one of the best quality, and of equals the
        /// smallest.
        chosen: String,
    },
    /// No file meets all limits.
    Unreachable {
        /// The front's nearest, with what each breaks; the nearest first.
        nearest: Vec<(String, Vec<Broken>)>,
        /// Limits that not even one file meets alone.
        never: Vec<&'static str>,
    },
}

/// The files that no other beats in quality and bytes, or in quality and time; by name.
pub fn front(found: &BTreeMap<String, Figures>) -> BTreeSet<String> {
    let by = |cost: fn(&Figures) -> f64| {
        let candidates: Vec<Candidate> = found
            .iter()
            .map(|(name, figures)| Candidate {
                name: name.clone(),
                cost: cost(figures),
                quality: figures.quality,
                interval: None,
            })
            .collect();
        let places = plot::front(&candidates);
        places
            .into_iter()
            .map(move |place| candidates[place].name.clone())
            .collect::<Vec<_>>()
    };
    let bytes = by(|figures| figures.bytes as f64);
    bytes
        .into_iter()
        .chain(by(|figures| figures.time))
        .collect()
}

/// Chooses among what was found, beside an original of so many bytes.
pub fn decide(found: &BTreeMap<String, Figures>, limits: &Limits, original: u64) -> Verdict {
    let within = found
        .iter()
        .filter(|(_, figures)| limits.broken(figures, original).is_empty());
    let best = within.max_by(|(_, one), (_, other)| {
        let quality = one.quality.total_cmp(&other.quality);
        quality.then(other.bytes.cmp(&one.bytes))
    });
    if let Some((name, _)) = best {
        return Verdict::Reached {
            chosen: name.clone(),
        };
    }
    let mut nearest: Vec<(f64, String)> = front(found)
        .into_iter()
        .map(|name| (limits.distance(&found[&name], original), name))
        .collect();
    nearest.sort_by(|(one, left), (other, right)| one.total_cmp(other).then(left.cmp(right)));
    let nearest = nearest.into_iter().map(|(_, name)| {
        let broken = limits.broken(&found[&name], original);
        (name, broken)
    });
    let all: Vec<Vec<Broken>> = found.values().map(|f| limits.broken(f, original)).collect();
    let limits = ["loss", "bytes", "time", "milliseconds"];
    let never = limits.into_iter().filter(|limit| {
        let breaks = |broken: &Vec<Broken>| broken.iter().any(|one| one.limit == *limit);
        !all.is_empty() && all.iter().all(breaks)
    });
    Verdict::Unreachable {
        nearest: nearest.collect(),
        never: never.collect(),
    }
}
