//! Tables as text: one sample a line, numbers in columns, one column what is to be learned.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::array::{Array, Numbers};
use super::error::{DataError, Result};
use super::{Classes, Dataset, MAX_BYTES, Samples, Targets};

/// Longest line, most columns, most classes.
const LINE_LIMIT: u64 = 16 << 20;
const COLUMN_LIMIT: usize = 100_000;
const CLASS_LIMIT: usize = 65_536;

/// What the target column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TargetKind {
    /// Words and small whole numbers are classes, other numbers are figures.
    #[default]
    Auto,
    /// Classes, in the order of their names, or of their numbers if all are whole numbers.
    Classes,
    /// A figure to come close to.
    Figures,
}

/// How a table is read.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// Name of the target column, or its number from 0; the last one if none.
    pub target: Option<String>,
    /// The table has no target column.
    pub unlabelled: bool,
    /// What the target column holds.
    pub kind: TargetKind,
}

/// Reads a table with commas, semicolons or tabs. The first line is taken as names of the columns
/// if none of its fields is a number.
pub fn read(path: &Path, table: &Table) -> Result<Dataset> {
    let file = File::open(path).map_err(DataError::file(path))?;
    let mut lines = Lines::new(path, BufReader::with_capacity(1 << 16, file));
    let first = lines
        .next()?
        .ok_or_else(|| DataError::unusable(path, "the table is empty"))?;
    let separator = separator(&first);
    let first = fields(&first, separator).map_err(|reason| lines.fault(reason))?;
    if first.len() > COLUMN_LIMIT {
        return Err(lines.fault("there are too many columns".into()));
    }
    let has_names = first.iter().all(|field| number(field).is_none());
    let names = has_names.then(|| first.clone());
    let target = target_column(path, table, names.as_deref(), first.len())?;
    let mut rows = Rows {
        columns: first.len(),
        target,
        values: Vec::new(),
        targets: Vec::new(),
        bytes: 0,
    };
    if !has_names {
        rows.add(&first).map_err(|reason| lines.fault(reason))?;
    }
    while let Some(line) = lines.next()? {
        if line.trim().is_empty() {
            continue;
        }
        fields(&line, separator)
            .and_then(|fields| rows.add(&fields))
            .map_err(|reason| lines.fault(reason))?;
        if rows.bytes > MAX_BYTES {
            return Err(DataError::TooLarge {
                path: path.to_path_buf(),
                what: "the table",
                actual: rows.bytes,
                limit: MAX_BYTES,
            });
        }
    }
    rows.finish(path, table.kind)
}

fn target_column(
    path: &Path,
    table: &Table,
    names: Option<&[String]>,
    columns: usize,
) -> Result<Option<usize>> {
    if table.unlabelled {
        return Ok(None);
    }
    let Some(wanted) = &table.target else {
        return Ok(Some(columns - 1));
    };
    let by_name = names.and_then(|names| names.iter().position(|name| name == wanted));
    let by_number = wanted.parse().ok().filter(|&place: &usize| place < columns);
    by_name.or(by_number).map(Some).ok_or_else(|| {
        DataError::unusable(
            path,
            format!(
                "there is no column {wanted:?}; name one of the first line, or its number from 0"
            ),
        )
    })
}

/// Rows as they come.
struct Rows {
    columns: usize,
    target: Option<usize>,
    values: Vec<f32>,
    targets: Vec<String>,
    bytes: u64,
}

impl Rows {
    fn add(&mut self, fields: &[String]) -> Result<(), String> {
        if fields.len() != self.columns {
            let (found, wanted) = (fields.len(), self.columns);
            return Err(format!("{found} fields where the first line has {wanted}"));
        }
        for (place, field) in fields.iter().enumerate() {
            if Some(place) == self.target {
                self.bytes += 32 + field.len() as u64;
                self.targets.push(field.clone());
            } else {
                let value = number(field).ok_or_else(|| {
                    format!(
                        "{field:?} in column {place} is no number; turn words into numbers first"
                    )
                })?;
                self.bytes += 4;
                self.values.push(value as f32);
            }
        }
        Ok(())
    }

    fn finish(self, path: &Path, kind: TargetKind) -> Result<Dataset> {
        let width = self.columns - usize::from(self.target.is_some());
        if width == 0 || self.values.is_empty() {
            return Err(DataError::unusable(path, "the table holds no numbers"));
        }
        let count = self.values.len() / width;
        let samples = Array::new(vec![count, width], Numbers::F32(self.values))?;
        let targets = match self.target {
            None => Targets::None,
            Some(_) => targets(path, &self.targets, kind)?,
        };
        Dataset::new(Samples::Array(samples), targets)
    }
}

fn targets(path: &Path, texts: &[String], kind: TargetKind) -> Result<Targets> {
    let whole: Option<Vec<u32>> = texts.iter().map(|text| text.trim().parse().ok()).collect();
    let small = |numbers: &Vec<u32>| numbers.iter().all(|&n| (n as usize) < CLASS_LIMIT);
    let figures: Option<Vec<f32>> = texts
        .iter()
        .map(|text| number(text).map(|value| value as f32))
        .collect();
    let as_classes = match kind {
        TargetKind::Classes => true,
        TargetKind::Figures => false,
        TargetKind::Auto => whole.as_ref().is_some_and(small) || figures.is_none(),
    };
    if as_classes {
        return match whole.filter(small) {
            Some(numbers) => Ok(Targets::Classes(Classes::numbered(numbers))),
            None => by_name(path, texts),
        };
    }
    let figures = figures.ok_or_else(|| {
        DataError::unusable(path, "the target column holds words, so it holds classes")
    })?;
    let array = Array::new(vec![figures.len(), 1], Numbers::F32(figures))?;
    Ok(Targets::Figures(array))
}

fn by_name(path: &Path, texts: &[String]) -> Result<Targets> {
    let names: BTreeSet<&str> = texts.iter().map(String::as_str).collect();
    if names.len() > CLASS_LIMIT {
        return Err(DataError::unusable(
            path,
            "the target column has too many different words",
        ));
    }
    let places: BTreeMap<&str, u32> = names.iter().copied().zip(0..).collect();
    Ok(Targets::Classes(Classes {
        of: texts.iter().map(|text| places[text.as_str()]).collect(),
        names: names.into_iter().map(String::from).collect(),
    }))
}

fn number(field: &str) -> Option<f64> {
    field
        .trim()
        .parse()
        .ok()
        .filter(|value: &f64| value.is_finite())
}

/// The separator that the first line has most of.
fn separator(line: &str) -> char {
    [',', ';', '\t']
        .into_iter()
        .max_by_key(|&separator| (line.matches(separator).count(), separator == ','))
        .unwrap_or(',')
}

/// The fields of a line; quoted ones may hold separators, two quotes stand for one.
fn fields(line: &str, separator: char) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = rest.find(separator).unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        match after.strip_prefix(separator) {
            Some(after) => rest = after,
            None if after.is_empty() => return Ok(fields),
            None => return Err("something follows a closing quote".into()),
        }
    }
}

/// The text up to the closing quote, and what is behind it.
fn unquote(mut rest: &str) -> Result<(String, &str), String> {
    let mut text = String::new();
    loop {
        let end = rest
            .find('"')
            .ok_or("a quote is not closed on its line; join lines inside quotes")?;
        text.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                text.push('"');
                rest = after;
            }
            None => return Ok((text, rest)),
        }
    }
}

/// Lines of bounded length, counted for messages.
struct Lines<'a, R> {
    path: &'a Path,
    reader: R,
    line: u64,
}

impl<'a, R: BufRead> Lines<'a, R> {
    fn new(path: &'a Path, reader: R) -> Self {
        Self {
            path,
            reader,
            line: 0,
        }
    }

    fn next(&mut self) -> Result<Option<String>> {
        let mut line = Vec::new();
        let read = (&mut self.reader)
            .take(LINE_LIMIT)
            .read_until(b'\n', &mut line)
            .map_err(DataError::file(self.path))?;
        self.line += 1;
        if read == 0 {
            return Ok(None);
        }
        if read as u64 == LINE_LIMIT {
            return Err(self.fault("the line is too long; is this a table?".into()));
        }
        let text = String::from_utf8(line)
            .map_err(|_| self.fault("this is no UTF-8 text; save the table as UTF-8".into()))?;
        let text = text.trim_end_matches(['\n', '\r']);
        let text = if self.line == 1 {
            text.trim_start_matches('\u{feff}')
        } else {
            text
        };
        Ok(Some(text.to_owned()))
    }

    fn fault(&self, reason: String) -> DataError {
        DataError::unusable(self.path, format!("line {}: {reason}", self.line))
    }
}
