//! A proof made of rows: each decides one line of the table of claims, alone if asked for.
//!
//! `--only ROW` runs one. `--full` (or `FULL=1`) runs the long form, which can be stopped and
//! started again: what is finished is kept under `target/proof/`, by the settings that made it.

mod journal;
pub mod seeds;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::assets::workspace;
use crate::claims::{self, Claim, rounded};
use journal::Journal;

/// One line of the table of claims.
#[derive(Clone, Copy)]
pub struct Row {
    /// What `--only` takes.
    pub name: &'static str,
    /// What its figures depend on beside the code; finished work of others is not taken up.
    pub settings: &'static str,
    /// Decides it.
    pub run: fn(&Context) -> Result<Vec<Claim>>,
}

/// A proof.
#[derive(Clone, Copy)]
pub struct Proof {
    /// `tiny` in `make proof-tiny`.
    pub name: &'static str,
    /// Its rows, in the order in which they run.
    pub rows: &'static [Row],
    /// How long the short form may take on two cores.
    pub minutes: f64,
    /// How long a row of the short form may take.
    pub minutes_per_row: f64,
}

/// What a row works with.
#[derive(Debug)]
pub struct Context {
    proof: &'static str,
    row: &'static str,
    settings: &'static str,
    full: bool,
    journal: Journal,
}

/// What to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Options {
    only: Option<String>,
    full: bool,
}

impl Options {
    fn from_arguments(arguments: impl Iterator<Item = String>, full: bool) -> Result<Self> {
        let mut options = Self { only: None, full };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--full" => options.full = true,
                "--json" => (),
                "--only" => options.only = Some(arguments.next().context("--only needs a row")?),
                other => bail!("unknown argument {other}; known: --only ROW, --full, --json"),
            }
        }
        Ok(options)
    }
}

impl Proof {
    /// What the program does: claims as lines of JSON on standard output, progress on standard
    /// error. It fails if a claim does not hold or a row fails.
    pub fn main(&self) -> ExitCode {
        let full = std::env::var_os("FULL").is_some_and(|value| !value.is_empty() && value != "0");
        let arguments = std::env::args().skip(1);
        let outcome =
            Options::from_arguments(arguments, full).and_then(|options| self.run(&options));
        match outcome {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("proof-{}: {error:#}", self.name);
                ExitCode::FAILURE
            }
        }
    }

    fn run(&self, options: &Options) -> Result<bool> {
        let started = Instant::now();
        let mut claims = Vec::new();
        for row in self.chosen(options.only.as_deref())? {
            let told = self.run_row(row, options.full)?;
            claims::print(&told);
            claims.extend(told);
        }
        if options.only.is_none() {
            let total = within("minutes in all", started, self.minutes, options.full);
            claims::print(std::slice::from_ref(&total));
            claims.push(total);
        }
        eprint!("{}", claims::table(&claims));
        Ok(claims.iter().all(Claim::holds))
    }

    fn chosen(&self, only: Option<&str>) -> Result<Vec<&'static Row>> {
        let named = |row: &&Row| only.is_none_or(|name| name == row.name);
        let rows: Vec<_> = self.rows.iter().filter(named).collect();
        if rows.is_empty() {
            let known: Vec<_> = self.rows.iter().map(|row| row.name).collect();
            let name = only.unwrap_or("at all");
            bail!("there is no row {name}; known: {}", known.join(", "));
        }
        Ok(rows)
    }

    /// The row's claims, of which the last tells the minutes. Whatever goes wrong in it is a
    /// claim that does not hold: the other rows still run.
    fn run_row(&self, row: &'static Row, full: bool) -> Result<Vec<Claim>> {
        let context = Context::new(self.name, row, full)?;
        if full && let Some(lines) = context.finished()? {
            eprintln!("{}: finished before", row.name);
            return lines.iter().map(|line| Claim::from_line(line)).collect();
        }
        eprintln!("{} …", row.name);
        let started = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| (row.run)(&context)));
        let mut claims = match outcome {
            Ok(Ok(claims)) => claims,
            Ok(Err(error)) => vec![failed(row.name, &format!("{error:#}"))],
            Err(panic) => vec![failed(row.name, &panic_text(panic.as_ref()))],
        };
        let name = format!("{}: minutes", row.name);
        claims.push(within(&name, started, self.minutes_per_row, full));
        eprintln!("{}: {:.1} s", row.name, started.elapsed().as_secs_f64());
        // The code may change to mend a claim that doesn't hold: only whole rows are kept.
        if full && claims.iter().all(Claim::holds) {
            let lines: Vec<_> = claims.iter().map(Claim::line).collect();
            context.keep("row", &lines)?;
        }
        Ok(claims)
    }
}

fn within(name: &str, started: Instant, limit: f64, full: bool) -> Claim {
    let minutes = started.elapsed().as_secs_f64() / 60.0;
    if full {
        return Claim::new(name, rounded(minutes), "none in the long form", true);
    }
    Claim::at_most(name, minutes, limit)
}

fn failed(row: &str, why: &str) -> Claim {
    Claim::new(row, why, "no failure", false)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without words"))
}

impl Context {
    fn new(proof: &'static str, row: &Row, full: bool) -> Result<Self> {
        Ok(Self {
            proof,
            row: row.name,
            settings: row.settings,
            full,
            journal: Journal::open(&workspace().join(format!("target/proof/{proof}.jsonl")))?,
        })
    }

    /// Whether this is the long form.
    pub fn full(&self) -> bool {
        self.full
    }

    /// A seed that nobody chose: it comes from the commit's hash, and is never one of 1 to 5.
    pub fn drawn_seed(&self) -> Result<u64> {
        let output = Command::new("git")
            .args(["rev-parse", "HEAD"])
            .current_dir(workspace())
            .output()
            .context("git tells the commit whose hash draws a seed")?;
        let text = String::from_utf8(output.stdout)?;
        let digits = text.get(..8).context("git tells no commit")?;
        Ok(6 + u64::from(u32::from_str_radix(digits, 16)?))
    }

    /// A folder for this row's files, empty or as the last run left it.
    pub fn folder(&self) -> Result<PathBuf> {
        let folder = workspace().join(format!("target/proof/{}/{}", self.proof, self.row));
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// In the long form: `part`'s value of an earlier run with the same settings, or computed
    /// and kept. In the short form: computed.
    pub fn remember<T: Serialize + DeserializeOwned>(
        &self,
        part: &str,
        compute: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        if self.full
            && let Some(value) = self.journal.find(&self.key(part))?
        {
            eprintln!("{}: {part}: finished before", self.row);
            return Ok(serde_json::from_value(value)?);
        }
        let started = Instant::now();
        let value = compute()?;
        let seconds = started.elapsed().as_secs_f64();
        eprintln!("{}: {part}: {seconds:.1} s", self.row);
        if self.full {
            self.keep(part, &value)?;
        }
        Ok(value)
    }

    /// Where this row's results of the long form are checked in.
    pub fn record(&self) -> PathBuf {
        workspace().join(format!("tests/proof/{}/{}.json", self.proof, self.row))
    }

    fn finished(&self) -> Result<Option<Vec<String>>> {
        let found = self.journal.find(&self.key("row"))?;
        Ok(found.map(serde_json::from_value).transpose()?)
    }

    fn keep(&self, part: &str, value: &impl Serialize) -> Result<()> {
        self.journal
            .keep(&self.key(part), serde_json::to_value(value)?)
    }

    fn key(&self, part: &str) -> String {
        let text = [self.proof, self.row, self.settings, part].join("\0");
        let digest = noroshi_model::Digest::of(text.as_bytes());
        format!("{} {part} {}", self.row, digest.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "rows may fail")]
    fn good(_: &Context) -> Result<Vec<Claim>> {
        Ok(vec![Claim::at_most("figure", 1.0, 2.0)])
    }

    fn bad(_: &Context) -> Result<Vec<Claim>> {
        bail!("no data")
    }

    fn worse(_: &Context) -> Result<Vec<Claim>> {
        panic!("out of bounds")
    }

    const ROWS: &[Row] = &[
        Row {
            name: "good",
            settings: "",
            run: good,
        },
        Row {
            name: "bad",
            settings: "",
            run: bad,
        },
        Row {
            name: "worse",
            settings: "",
            run: worse,
        },
    ];
    const PROOF: Proof = Proof {
        name: "test",
        rows: ROWS,
        minutes: 1.0,
        minutes_per_row: 1.0,
    };

    #[test]
    fn a_failing_row_is_a_claim_that_does_not_hold() {
        let told: Vec<_> = ROWS
            .iter()
            .map(|row| PROOF.run_row(row, false).unwrap())
            .collect();
        let holds: Vec<_> = told.iter().map(|claims| claims[0].holds()).collect();
        assert_eq!(holds, [true, false, false]);
        assert!(told[1][0].line().contains("no data"));
        assert!(told[2][0].line().contains("out of bounds"));
    }

    #[test]
    fn rows_are_chosen_by_name() {
        assert_eq!(PROOF.chosen(None).unwrap().len(), 3);
        assert_eq!(PROOF.chosen(Some("bad")).unwrap()[0].name, "bad");
        let error = PROOF.chosen(Some("none")).err().unwrap().to_string();
        assert!(error.contains("good, bad, worse"), "{error}");
    }
}
