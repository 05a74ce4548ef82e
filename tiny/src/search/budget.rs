//! What a model may take, as people say it: `2 KB RAM, 16 KB flash, 1 ms at 16 MHz`, or
//! `16 KB on the agent`.
//!
//! A KB is 1,024 bytes, a MB 1,024 of them. What isn't named isn't limited.

use std::fmt;
use std::str::FromStr;

use crate::error::{Result, TinyError, settings};
use crate::search::cost::Cost;

/// Longer texts are no budget.
const MAX_TEXT: usize = 200;
/// Bytes, cycles: beyond this no budget limits anything.
const MOST: f64 = 1e13;

/// What a model may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// On a microcontroller, counted for an ATmega328P; one of the three at least.
    Controller {
        /// Bytes of memory: the row, the scores and the stack included.
        ram: Option<u64>,
        /// Bytes of flash: code and model.
        flash: Option<u64>,
        /// Cycles of an answer.
        cycles: Option<u64>,
    },
    /// In an agent's worker, which has memory and time enough for any of these models.
    Agent {
        /// Bytes of the file.
        file: u64,
    },
}

/// A part of a budget.
enum Limit {
    Ram(u64),
    Flash(u64),
    Cycles(u64),
    File(u64),
}

impl Budget {
    /// Whether a model of this cost may be.
    pub fn allows(&self, cost: &Cost) -> bool {
        let within = |limit: &Option<u64>, taken: u64| limit.is_none_or(|limit| taken <= limit);
        match self {
            Self::Controller { ram, flash, cycles } => cost.controller.is_some_and(|taken| {
                within(ram, taken.ram) && within(flash, taken.flash) && within(cycles, taken.cycles)
            }),
            Self::Agent { file } => cost.file <= *file,
        }
    }
}

impl FromStr for Budget {
    type Err = TinyError;

    fn from_str(text: &str) -> Result<Self> {
        if text.len() > MAX_TEXT {
            return Err(settings(format!(
                "a budget of {} letters: {MAX_TEXT} are enough",
                text.len()
            )));
        }
        let (mut ram, mut flash, mut cycles, mut file) = (None, None, None, None);
        for part in text.split(',') {
            let (place, what, value) = match limit(part)? {
                Limit::Ram(value) => (&mut ram, "RAM", value),
                Limit::Flash(value) => (&mut flash, "flash", value),
                Limit::Cycles(value) => (&mut cycles, "time", value),
                Limit::File(value) => (&mut file, "the agent", value),
            };
            if place.replace(value).is_some() {
                return Err(settings(format!("the budget names {what} twice")));
            }
        }
        match file {
            None => Ok(Self::Controller { ram, flash, cycles }),
            Some(file) if (ram, flash, cycles) == (None, None, None) => Ok(Self::Agent { file }),
            Some(_) => Err(settings(
                "a budget is that of a microcontroller (RAM, flash, time) or that of the agent \
                 (bytes of the file), not both",
            )),
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent { file } => write!(to, "{file} B on the agent"),
            Self::Controller { ram, flash, cycles } => {
                let parts = [(ram, "B RAM"), (flash, "B flash"), (cycles, "cycles")];
                let parts = parts
                    .iter()
                    .filter_map(|(limit, what)| limit.map(|limit| format!("{limit} {what}")));
                to.write_str(&parts.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// What is meant by a part that isn't.
fn unclear(part: &str) -> TinyError {
    settings(format!(
        "{part:?} is no part of a budget: write such as \"2 KB RAM, 16 KB flash, 1 ms at 16 MHz\" \
         or \"16 KB on the agent\""
    ))
}

fn limit(part: &str) -> Result<Limit> {
    let part = part.trim();
    let (number, unit, rest) = quantity(part).ok_or_else(|| unclear(part))?;
    let words: Vec<String> = rest
        .split_whitespace()
        .map(str::to_ascii_lowercase)
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let Some(factor) = bytes(unit) {
        let value = whole(part, number * factor)?;
        return match words[..] {
            ["ram"] => Ok(Limit::Ram(value)),
            ["flash"] => Ok(Limit::Flash(value)),
            ["on", "the", "agent"] => Ok(Limit::File(value)),
            [] => Err(settings(format!(
                "{part:?} of what? RAM, flash, or on the agent"
            ))),
            _ => Err(unclear(part)),
        };
    }
    if unit == "cycles" && words.is_empty() {
        return Ok(Limit::Cycles(whole(part, number)?));
    }
    let seconds = seconds(unit).ok_or_else(|| unclear(part))?;
    if words.is_empty() {
        return Err(settings(format!(
            "{part:?} at which clock? Write such as \"{part} at 16 MHz\""
        )));
    }
    let clock = rest
        .get(..2)
        .filter(|at| at.eq_ignore_ascii_case("at"))
        .and_then(|_| quantity(rest[2..].trim_start()))
        .and_then(|(clock, unit, rest)| Some((clock * hertz(unit)?, rest)))
        .filter(|(_, rest)| rest.is_empty());
    let (clock, _) = clock.ok_or_else(|| unclear(part))?;
    Ok(Limit::Cycles(whole(part, number * seconds * clock)?))
}

/// Number, unit, and what follows.
fn quantity(text: &str) -> Option<(f64, &str, &str)> {
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
    let number = text[..end].parse().ok()?;
    let text = text[end..].trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    Some((number, &text[..end], text[end..].trim_start()))
}

fn whole(part: &str, number: f64) -> Result<u64> {
    // A product such as 0.001 · 16e6 may come out a hair below the number that is meant.
    let number = (number * (1.0 + 4.0 * f64::EPSILON)).floor();
    if (1.0..=MOST).contains(&number) {
        return Ok(number as u64);
    }
    Err(settings(format!(
        "{part:?} is nothing, or more than can be counted"
    )))
}

fn bytes(unit: &str) -> Option<f64> {
    match unit.to_ascii_lowercase().as_str() {
        "b" | "byte" | "bytes" => Some(1.0),
        "kb" | "kib" => Some(1024.0),
        "mb" | "mib" => Some(1024.0 * 1024.0),
        _ => None,
    }
}

fn seconds(unit: &str) -> Option<f64> {
    match unit {
        "s" => Some(1.0),
        "ms" => Some(1e-3),
        "us" | "µs" | "μs" => Some(1e-6),
        _ => None,
    }
}

fn hertz(unit: &str) -> Option<f64> {
    match unit.to_ascii_lowercase().as_str() {
        "hz" => Some(1.0),
        "khz" => Some(1e3),
        "mhz" => Some(1e6),
        "ghz" => Some(1e9),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(text: &str) -> String {
        text.parse::<Budget>().unwrap_err().to_string()
    }

    #[test]
    fn people_say_it_so() {
        let all = Budget::Controller {
            ram: Some(2048),
            flash: Some(16384),
            cycles: Some(16_000),
        };
        for text in [
            "2 KB RAM, 16 KB flash, 1 ms at 16 MHz",
            "1000us AT 16mhz,2048 B ram ,16KiB Flash",
            "2048 B RAM, 16384 B flash, 16000 cycles",
        ] {
            assert_eq!(text.parse(), Ok(all), "{text}");
        }
        assert_eq!(
            "1.5 kB on the agent".parse(),
            Ok(Budget::Agent { file: 1536 })
        );
        let only = Budget::Controller {
            ram: Some(512),
            flash: None,
            cycles: None,
        };
        assert_eq!("512 bytes RAM".parse(), Ok(only));
    }

    #[test]
    fn what_is_unclear_is_asked_back() {
        assert!(refused("").contains("write such as"));
        assert!(refused("small").contains("write such as"));
        assert!(refused("2 KB").contains("of what? RAM, flash, or on the agent"));
        assert!(refused("1 ms").contains("at which clock"));
        assert!(refused("1 ms at 16").contains("write such as"));
        assert!(refused("1 ms within 16 MHz").contains("write such as"));
        assert!(refused("2 apples RAM").contains("write such as"));
        assert!(refused("-2 KB RAM").contains("write such as"));
        assert!(refused("0 KB RAM").contains("is nothing"));
        assert!(refused("1 us at 1 Hz").contains("is nothing"));
        assert!(refused("2 KB RAM, 3 KB RAM").contains("RAM twice"));
        assert!(refused("2 KB RAM, 3 KB on the agent").contains("not both"));
        assert!(refused(&"9".repeat(300)).contains("300 letters"));
        assert!(refused("2 KB RAM,").contains("write such as"));
    }

    proptest! {
        #[test]
        fn no_text_does_harm(text in "\\PC{0,60}") {
            let _ = text.parse::<Budget>();
        }

        #[test]
        fn near_texts_do_no_harm(text in "([0-9.]{0,9} ?(KB|ms|µs|B|)? ?(RAM|at|on the agent)? ?[0-9]{0,3} ?(MHz|é)?,?){0,3}") {
            let _ = text.parse::<Budget>();
        }

        #[test]
        fn what_is_shown_reads_back(ram in 1u64..1 << 40, flash in proptest::option::of(1u64..1 << 40), cycles in proptest::option::of(1u64..1 << 40)) {
            let budget = Budget::Controller { ram: Some(ram), flash, cycles };
            prop_assert_eq!(budget.to_string().parse(), Ok(budget));
        }
    }
}
