//! Tables for people, JSON for programs.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::error::{Failure, Tried};

/// Prints `value` as JSON on one line.
pub(crate) fn json(value: &Value) -> Result<(), Failure> {
    println!("{}", serde_json::to_string(value).tried("the answer")?);
    Ok(())
}

/// A bar of `length` steps for long work, with `text` beside it; none where programs read.
pub(crate) fn progress(length: usize, text: &str, as_json: bool) -> Result<ProgressBar, Failure> {
    let bar = if as_json {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(length as u64)
    };
    let style = ProgressStyle::with_template(&format!("{{bar:30}} {text}"));
    bar.set_style(style.tried("the progress bar")?);
    Ok(bar)
}

/// A column: its head, and how a row shows in it.
pub(crate) type Column = (&'static str, fn(&Value) -> String);

/// Prints `items` as JSON, or as a table with `columns`.
pub(crate) fn items(as_json: bool, items: &[Value], columns: &[Column]) -> Result<(), Failure> {
    if as_json {
        return json(&Value::Array(items.to_vec()));
    }
    if items.is_empty() {
        println!("none");
        return Ok(());
    }
    let rows = items
        .iter()
        .map(|item| columns.iter().map(|(_, show)| show(item)).collect());
    print_table(
        &columns.iter().map(|(head, _)| *head).collect::<Vec<_>>(),
        rows,
    );
    Ok(())
}

/// Prints a table.
pub(crate) fn print_table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(heads);
    for row in rows {
        table.add_row(row);
    }
    println!("{table}");
}

/// A field as text: nothing for null, text without quotes, numbers as they are.
pub(crate) fn field(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Bytes for people.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.2} GB", count as f64 / 1e9),
    }
}

/// "3 min ago" for a Unix time in milliseconds; nothing for zero.
pub(crate) fn ago(then_ms: u64, now_ms: u64) -> String {
    let seconds = now_ms.saturating_sub(then_ms) / 1000;
    match (then_ms, seconds) {
        (0, _) => String::new(),
        (_, 0..60) => format!("{seconds} s ago"),
        (_, 60..3_600) => format!("{} min ago", seconds / 60),
        (_, 3_600..86_400) => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_read_well() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(3_585_024), "3.6 MB");
        assert_eq!(ago(0, 5), "");
        assert_eq!(ago(1_000, 62_000), "1 min ago");
        assert_eq!(ago(9_000, 1_000), "0 s ago");
    }
}
