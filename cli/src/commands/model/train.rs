//! `noroshi model train`: the best model within a budget, of the rows of a CSV.

mod online;
mod windows;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use noroshi_service::files;
use noroshi_tiny::Table;
use noroshi_tiny::csv::{self, CsvSettings};
use noroshi_tiny::search::{Budget, Controller, Found, Ranked, SearchSettings, search};
use serde_json::{Value, json};

use crate::args::Train;
use crate::error::{Failure, Tried};
use crate::output;

pub(super) fn run(asked: &Train, as_json: bool) -> Result<(), Failure> {
    if asked.output.extension().is_some_and(|end| end == "json") {
        return Err(Failure::Usage(
            "--output is the model's file, such as model.ntm; a .json of that name is written \
             beside it"
                .into(),
        ));
    }
    if let (Some(length), Some(budget)) = (asked.window, &asked.budget) {
        return windows::run(asked, budget, length, as_json);
    }
    let source = File::open(&asked.file).tried(asked.file.display())?;
    let read =
        csv::read(BufReader::new(source), &csv_settings(asked)).tried(asked.file.display())?;
    if !as_json {
        warn(&read);
    }
    let Some(budget) = &asked.budget else {
        return online::run(asked, &read, as_json);
    };
    let settings = SearchSettings::new(asked.seed);
    let found = searched(asked, as_json, |progress| {
        search(&read.table, &read.intake, budget, &settings, progress)
    })?;
    let card = card(asked, budget, &read, &found);
    finish(asked, budget, &card, &found, as_json)
}

fn csv_settings(asked: &Train) -> CsvSettings {
    CsvSettings {
        label: asked.label.clone(),
        drop_missing: asked.drop_missing,
        rows: asked.rows as usize,
        seed: asked.seed,
    }
}

/// A search with a bar.
fn searched(
    asked: &Train,
    as_json: bool,
    search: impl FnOnce(&mut dyn FnMut(usize, usize)) -> noroshi_tiny::Result<Found>,
) -> Result<Found, Failure> {
    let bar = output::progress(0, "{pos} of {len}", as_json)?;
    let found = search(&mut |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })
    .tried(asked.file.display())?;
    bar.finish_and_clear();
    Ok(found)
}

/// Writes the best model and what is known of it, and tells.
fn finish(
    asked: &Train,
    budget: &Budget,
    card: &Value,
    found: &Found,
    as_json: bool,
) -> Result<(), Failure> {
    let beside = write(asked, &found.best[0].model.to_bytes(), card)?;
    if as_json {
        return output::json(card);
    }
    tell(asked, budget, found);
    println!("{}", written(asked, &beside));
    Ok(())
}

/// Writes the model and, beside it, what is known of it.
fn write(asked: &Train, model: &[u8], card: &Value) -> Result<PathBuf, Failure> {
    files::write_atomic(&asked.output, model).tried(asked.output.display())?;
    let beside = asked.output.with_extension("json");
    let text = serde_json::to_vec_pretty(card).tried("what is known of the model")?;
    files::write_atomic(&beside, &text).tried(beside.display())?;
    Ok(beside)
}

fn written(asked: &Train, beside: &Path) -> String {
    let (model, beside) = (asked.output.display(), beside.display());
    format!("{model} (what is known of it: {beside})")
}

/// What of the file was not learned from: rows without a value, and whatever else beyond a sample.
fn warn_of_loss(dropped: u64, taken: &Table, of: u64, what: &str) {
    if dropped > 0 {
        println!("{dropped} rows left out: a value is missing there");
    }
    if of > taken.len() as u64 {
        let taken = taken.len();
        println!("{taken} of {of} {what} taken, a fair sample (--rows)");
    }
}

/// What a person should know of the rows before they believe the model.
fn warn(read: &csv::Read) {
    warn_of_loss(read.dropped, &read.table, read.rows, "rows");
    if !read.constant.is_empty() {
        println!(
            "{} of {} columns never change, nothing can be learned from them: {}",
            read.constant.len(),
            read.columns.len(),
            first_few(&read.constant)
        );
    }
    let single = single(read);
    if !single.is_empty() {
        println!(
            "{} classes with one row, learned from but never chosen on: {}",
            single.len(),
            first_few(&single)
        );
    }
}

/// The first names, and dots where there are more; the card beside the model names all.
fn first_few<T: AsRef<str>>(names: &[T]) -> String {
    const SHOWN: usize = 5;
    let first = names.iter().take(SHOWN).map(AsRef::as_ref);
    let mut shown: Vec<&str> = first.collect();
    if names.len() > SHOWN {
        shown.push("…");
    }
    shown.join(", ")
}

/// The classes with one row.
fn single(read: &csv::Read) -> Vec<&str> {
    let mut counts = vec![0u64; read.table.classes()];
    for &label in read.table.labels() {
        counts[usize::from(label)] += 1;
    }
    let named = read.classes.iter().zip(counts);
    named
        .filter(|(_, count)| *count == 1)
        .map(|(name, _)| name.as_str())
        .collect()
}

fn card(asked: &Train, budget: &Budget, read: &csv::Read, found: &Found) -> Value {
    let shown = found.best.iter().take(usize::from(asked.top));
    json!({
        "file": asked.output, "budget": budget.to_string(), "seed": asked.seed,
        "columns": read.columns, "classes": read.classes, "constant": read.constant,
        "rows": { "read": read.rows, "dropped": read.dropped, "learned": found.rows.0,
            "chosen_on": found.rows.1, "single": single(read) },
        "majority": found.majority, "tried": found.tried,
        "best": shown.map(described).collect::<Vec<_>>(), "failed": failures(found),
    })
}

fn failures(found: &Found) -> Vec<Value> {
    (found.failed.iter())
        .map(|one| json!({ "family": one.family, "settings": one.settings, "reason": one.reason }))
        .collect()
}

fn described(one: &Ranked) -> Value {
    json!({
        "family": one.family, "settings": one.settings, "accuracy": one.accuracy,
        "file_bytes": one.cost.file,
        "flash_bytes": one.cost.controller.map(|taken| taken.flash),
        "ram_bytes": one.cost.controller.map(|taken| taken.ram),
        "cycles": one.cost.controller.map(|taken| taken.cycles),
    })
}

/// A figure of a microcontroller; a dash for models that are for hosts.
fn on_controller(one: &Ranked, figure: impl FnOnce(Controller) -> String) -> String {
    one.cost.controller.map_or_else(|| "–".to_owned(), figure)
}

fn tell(asked: &Train, budget: &Budget, found: &Found) {
    let heads = [
        "FAMILY", "SETTINGS", "RIGHT", "FILE", "FLASH", "RAM", "CYCLES",
    ];
    let rows = found.best.iter().take(usize::from(asked.top)).map(|one| {
        vec![
            one.family.to_owned(),
            one.settings.clone(),
            format!("{:.1} %", 100.0 * one.accuracy),
            format!("{} B", one.cost.file),
            on_controller(one, |taken| format!("{} B", taken.flash)),
            on_controller(one, |taken| format!("{} B", taken.ram)),
            on_controller(one, |taken| taken.cycles.to_string()),
        ]
    });
    output::print_table(&heads, rows);
    println!(
        "learned from {} rows, chosen on {} others of {} settings within {}; rows that nobody has \
         seen may be answered worse",
        found.rows.0, found.rows.1, found.tried, budget
    );
    println!("flash, RAM and cycles are estimates for an ATmega328P, at worst; –: for hosts only");
    if found.best[0].accuracy <= found.majority {
        println!(
            "no better than always saying the most frequent class ({:.1} %): these columns tell \
             nothing of the class, or the budget is too small",
            100.0 * found.majority
        );
    }
}
