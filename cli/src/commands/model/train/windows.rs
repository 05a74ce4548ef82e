//! Models of windows of raw samples.

use std::fs::File;
use std::io::BufReader;

use noroshi_tiny::Intake;
use noroshi_tiny::csv::{ReadWindows, WindowSettings, read_windows};
use noroshi_tiny::features::parts;
use noroshi_tiny::search::{Budget, Found, SearchSettings, search_groups};
use serde_json::{Value, json};

use super::{csv_settings, described, failures, finish, searched, warn_of_loss};
use crate::args::Train;
use crate::error::{Failure, Tried};

/// What is computed if nobody says.
const FEATURES: &str = "stats,fft";

pub(super) fn run(
    asked: &Train,
    budget: &Budget,
    length: u16,
    as_json: bool,
) -> Result<(), Failure> {
    let hop = asked.hop.unwrap_or((length / 2).max(1));
    if hop > length {
        return Err(Failure::Usage(format!(
            "--hop {hop} leaves samples out between windows of {length}: it is at most as long"
        )));
    }
    let list = asked.features.as_deref().unwrap_or(FEATURES);
    let usage = |error: noroshi_tiny::TinyError| Failure::Usage(format!("--features: {error}"));
    let settings = WindowSettings {
        csv: csv_settings(asked),
        group: asked.group.clone(),
        time: asked.time.clone(),
        length,
        hop,
        parts: parts(list, length, asked.rate).map_err(usage)?,
    };
    let open = || File::open(&asked.file).tried(asked.file.display());
    let sources = [BufReader::new(open()?), BufReader::new(open()?)];
    let read = read_windows(sources, &settings).tried(asked.file.display())?;
    if !as_json {
        tell(&read);
    }
    let search = SearchSettings::new(asked.seed);
    let found = searched(asked, as_json, |progress| {
        let (table, intake) = (&read.table, &read.intake);
        search_groups(table, &read.groups, intake, budget, &search, progress)
    })?;
    let card = card(asked, budget, &read, &found);
    finish(asked, budget, &card, &found, as_json)
}

/// What a person should know before they believe the model.
fn tell(read: &ReadWindows) {
    let groups = if read.group_names.is_empty() {
        format!("{} recordings, chosen on some of them", read.recordings)
    } else {
        format!(
            "{} recordings of {} groups, chosen on some of the groups",
            read.recordings,
            read.group_names.len()
        )
    };
    println!("{} samples in {groups}", read.samples);
    warn_of_loss(read.dropped, &read.table, read.windows, "windows");
}

fn card(asked: &Train, budget: &Budget, read: &ReadWindows, found: &Found) -> Value {
    let shown = found.best.iter().take(usize::from(asked.top));
    let features = match &read.intake {
        Intake::Windows(windowed) => json!(windowed.features()),
        Intake::Bytes | Intake::Scaled(_) => Value::Null,
    };
    json!({
        "file": asked.output, "budget": budget.to_string(), "seed": asked.seed,
        "columns": read.channels, "classes": read.classes, "features": features,
        "groups": read.group_names, "samples": read.samples, "recordings": read.recordings,
        "rows": { "read": read.windows, "dropped": read.dropped, "learned": found.rows.0,
            "chosen_on": found.rows.1 },
        "majority": found.majority, "tried": found.tried,
        "best": shown.map(described).collect::<Vec<_>>(), "failed": failures(found),
    })
}
