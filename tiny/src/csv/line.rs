//! Lines and fields, bounded.

use std::io::{BufRead, Read as _};

use crate::error::{Result, data};

/// A longer line is no row of numbers.
const MAX_LINE: u64 = 1 << 20;

/// Lines of text, one after the other, in memory of one line.
pub(super) struct Lines<R> {
    source: R,
    /// The number of the line last read, from 1.
    pub number: u64,
}

/// What a field is.
pub(super) enum Field {
    Number(f32),
    Missing,
    Infinite,
    Text,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, number: 0 }
    }

    pub(super) fn next(&mut self) -> Result<Option<String>> {
        let mut bytes = Vec::new();
        self.number += 1;
        let number = self.number;
        let count = (&mut self.source)
            .take(MAX_LINE)
            .read_until(b'\n', &mut bytes)
            .map_err(|error| data(format!("line {number} can't be read: {error}")))?;
        if count == 0 {
            return Ok(None);
        }
        if count as u64 == MAX_LINE {
            return Err(data(format!(
                "line {number} is longer than {MAX_LINE} bytes"
            )));
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| data(format!("line {number} is no UTF-8 text")))?;
        let text = text.trim_end_matches(['\n', '\r']);
        let text = if number == 1 {
            text.trim_start_matches('\u{feff}')
        } else {
            text
        };
        Ok(Some(text.to_owned()))
    }
}

/// Without spaces and quotes around it.
pub(super) fn unquoted(field: &str) -> &str {
    let field = field.trim();
    let inner = field
        .strip_prefix('"')
        .and_then(|field| field.strip_suffix('"'));
    inner.unwrap_or(field)
}

pub(super) fn field(text: &str) -> Field {
    let missing = ["", "?", "na", "n/a", "nan", "null", "none"];
    if missing.contains(&text.to_ascii_lowercase().as_str()) {
        return Field::Missing;
    }
    match text.parse::<f32>() {
        Ok(value) if value.is_nan() => Field::Missing,
        Ok(value) if value.is_infinite() => Field::Infinite,
        Ok(value) => Field::Number(value),
        Err(_) => Field::Text,
    }
}

/// The beginning of a text that may be long.
pub(super) fn short(text: &str) -> String {
    let beginning: String = text.chars().take(40).collect();
    format!("{beginning:?}")
}
